// Runs every test; what is given goes on to vitest. The last line counts them.
import { run } from "./run.ts"

process.exit(run("vitest", ["run", "--config", "vitest.workspace.ts", ...process.argv.slice(2)]))
