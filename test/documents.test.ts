import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { run } from "./process.ts"
import { documents, root, snippets, sources } from "./snippets.ts"

const all = snippets([...documents, ...sources])

describe("documents", () => {
  let folder: string
  let errors: ReadonlyArray<string>

  beforeAll(async () => {
    // in the tree, where the packages are found as the reader's project finds them
    folder = mkdtempSync(join(root, ".snippets-"))
    const compilerOptions = { noEmit: true, composite: false, incremental: false, noUnusedLocals: false }
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({ extends: "../tsconfig.base.json", compilerOptions, include: ["*.ts"] })
    )
    for (const [i, { code }] of all.entries()) writeFileSync(join(folder, `${i}.ts`), code)
    const { stdout } = await run("tsc", ["-p", folder, "--pretty", "false"], { cwd: root })
    errors = stdout.split("\n").filter((line) => line.includes("error TS"))
  }, 120_000)

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it("have snippets: the README's, the packages' and the doc comments'", () => {
    assert.isAtLeast(all.filter(({ file }) => file === "README.md").length, 4)
    assert.isAtLeast(all.filter(({ file }) => file.startsWith("packages/core/src/")).length, 8)
  })

  it.each(all.map((snippet, i) => ({ i, name: `${snippet.file}:${snippet.line}` })))("$name compiles", ({ i }) => {
    assert.deepStrictEqual(
      errors.filter((line) => line.includes(`/${i}.ts(`)),
      []
    )
  })

  it("are checked as a whole: no error belongs to no snippet", () => {
    assert.deepStrictEqual(
      errors.filter((line) => !/\/\d+\.ts\(/.test(line)),
      []
    )
  })

  it.each(documents.map((file) => ({ file })))("$file links to files that are there", ({ file }) => {
    const links = [...readFileSync(join(root, file), "utf8").matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((m) => m[1]!)
    assert.deepStrictEqual(
      links.filter((link) => !existsSync(join(root, dirname(file), link))),
      []
    )
  })
})
