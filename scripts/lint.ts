// Lints and checks the format; with --fix, mends both.
import { run } from "./run.ts"

const fix = process.argv.includes("--fix")
const lint = run("oxlint", fix ? ["--fix"] : [])
const format = run("oxfmt", [fix ? "--write" : "--check", "."])
process.exit(lint === 0 && format === 0 ? 0 : 1)
