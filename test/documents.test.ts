import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { run } from "./process.ts"
import { blocksOf, documents, fileName, root, snippets, sources } from "./snippets.ts"

const all = snippets([...documents, ...sources])

const generator = join(root, "packages/codegen/src/bin/effect-psrpc-generate.ts")

/** Makes what the .proto files of a document's blocks give, in a folder of the document's own. */
const generate = async (document: string, folder: string): Promise<void> => {
  const protos = blocksOf(document).filter(({ language }) => language === "proto")
  if (protos.length === 0) return
  for (const block of protos) {
    const path = join(folder, fileName(block)!)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, block.code)
  }
  const args = ["--conditions=@effect-psrpc/source", generator, "proto", "--out", "gen"]
  const { code, stderr } = await run("node", args, { cwd: folder })
  assert.strictEqual(code, 0, stderr)
}

describe("documents", () => {
  let folder: string
  let errors: ReadonlyArray<string>

  beforeAll(async () => {
    // in the tree, where the packages are found as the reader's project finds them
    folder = mkdtempSync(join(root, ".snippets-"))
    const compilerOptions = { noEmit: true, composite: false, incremental: false, noUnusedLocals: false }
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({ extends: "../tsconfig.base.json", compilerOptions, include: ["*/*.ts"] })
    )
    const files = [...documents, ...sources]
    const folderOf = (file: string): string => join(folder, String(files.indexOf(file)))
    for (const [i, { code, file }] of all.entries()) {
      mkdirSync(folderOf(file), { recursive: true })
      writeFileSync(join(folderOf(file), `${i}.ts`), code)
    }
    for (const document of documents) await generate(document, folderOf(document))
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
