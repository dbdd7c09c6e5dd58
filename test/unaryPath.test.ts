import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join, posix } from "node:path"
import { run } from "./process.ts"

const root = join(import.meta.dirname, "..")

/** The section of docs/architecture.md about the path: the files of its table, and the files named below it. */
const documented = () => {
  const text = readFileSync(join(root, "docs/architecture.md"), "utf8")
  const section = /### The path of a unary call, file by file\n([^]*?)\n## /.exec(text)?.[1] ?? ""
  const filesIn = (lines: ReadonlyArray<string>): Set<string> =>
    new Set(
      lines.flatMap((line) =>
        Array.from(line.matchAll(/`([\w./]+\.ts)`/g), ([, file]) => posix.join("internal", file!)).filter(
          (file) => !file.endsWith(".test.ts")
        )
      )
    )
  const lines = section.split("\n")
  const isRow = (line: string): boolean => line.startsWith("|")
  return { path: filesIn(lines.filter(isRow)), others: filesIn(lines.filter((line) => !isRow(line))) }
}

describe("the path of a unary call", () => {
  it("runs through the files in docs/architecture.md and no others: 15 steps at most, and data structures", async () => {
    const { code, stderr, stdout } = await run(
      process.execPath,
      ["--conditions=@effect-psrpc/source", "test/unaryPath.ts"],
      { cwd: root }
    )
    assert.strictEqual(code, 0, stderr)
    const { others, path } = documented()
    assert.isAtMost(path.size, 15)
    assert.deepStrictEqual(stdout.trim().split("\n").sort(), [...path, ...others].sort())
    for (const file of others) assert.match(file, /^internal\/(wire|time|support)\//)
  })
})
