// Runs every test. Passes its arguments to vitest. The last line of the output counts the tests.
import { join } from "node:path"
import { run } from "./run.ts"

/** The duration of all tests, measured on an idle machine with two cores. */
const measured = "about 4.5 minutes on 2 cores"

// tests start many Node processes that load the same modules
process.env["NODE_COMPILE_CACHE"] ??= join(import.meta.dirname, "../node_modules/.cache/node")

const given = process.argv.slice(2)
const isWhole = given.length === 0
const hasBrokers = run(process.execPath, ["scripts/brokers.ts"]) === 0

if (isWhole && !hasBrokers) {
  process.stdout.write("No test was run.\n0 passed, 1 failed\n")
  process.exit(1)
}
if (isWhole) process.stdout.write(`All tests take ${measured}.\n`)
// some of the tests may need no brokers; a test without its broker fails with a reason
process.exit(run("vitest", ["run", "--config", "vitest.workspace.ts", ...given]))
