// Runs every test; what is given goes on to vitest. The last line counts them.
import { run } from "./run.ts"

const given = process.argv.slice(2)
const hasBrokers = run(process.execPath, ["scripts/brokers.ts"]) === 0

if (!hasBrokers && given.length === 0) {
  process.stdout.write("No test was run.\n0 passed, 1 failed\n")
  process.exit(1)
}
// a part of the tests may need none; a test that does says so
process.exit(run("vitest", ["run", "--config", "vitest.workspace.ts", ...given]))
