// Runs every test; what is given goes on to vitest. The last line counts them.
import { run } from "./run.ts"

/** The time of all tests, as measured on a machine with two cores and nothing else to do. */
const measured = "about 6 minutes on 2 cores"

const given = process.argv.slice(2)
const isWhole = given.length === 0
const hasBrokers = run(process.execPath, ["scripts/brokers.ts"]) === 0

if (isWhole && !hasBrokers) {
  process.stdout.write("No test was run.\n0 passed, 1 failed\n")
  process.exit(1)
}
if (isWhole) process.stdout.write(`All tests take ${measured}.\n`)
// a part of the tests may need no brokers; a test that does says so
process.exit(run("vitest", ["run", "--config", "vitest.workspace.ts", ...given]))
