// Lints, checks the exports maps of the published packages and the format; with --fix, mends all three.
import { checkExports, writeExports } from "./exports.ts"
import { run } from "./run.ts"

const fix = process.argv.includes("--fix")
const lint = run("oxlint", fix ? ["--fix"] : [])
if (fix) writeExports()
const hasExports = checkExports()
const format = run("oxfmt", [fix ? "--write" : "--check", "."])
process.exit(lint === 0 && hasExports && format === 0 ? 0 : 1)
