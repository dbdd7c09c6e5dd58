// Runs core's tests on Node 22.19, the oldest that the packages take. Passes its arguments to vitest.
import { run } from "./run.ts"

const node = "packages/compat/node_modules/node/bin/node"
const vitest = ["node_modules/vitest/vitest.mjs", "run", "--config", "vitest.workspace.ts", "--project", "core"]

process.stdout.write("Node: ")
const isThere = run(node, ["--version"]) === 0
process.exit(isThere ? run(node, [...vitest, ...process.argv.slice(2)]) : 1)
