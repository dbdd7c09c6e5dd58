import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { problemsOf } from "./blocks.ts"
import { isAbsolute, leadsSomewhere, linksOf } from "./links.ts"
import { run } from "./process.ts"
import { blocksOf, documents, fileName, root, snippets, sources } from "./snippets.ts"

const files = [...documents, ...sources]
const all = snippets(files)

const generator = join(root, "packages/codegen/src/bin/effect-psrpc-generate.ts")

/** Writes the .proto files of a document's blocks, and generates their code, in a folder of the document's own. */
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

/** The READMEs that a registry shows. */
const published = globSync("packages/*/package.json", { cwd: root })
  .filter((manifest) => JSON.parse(readFileSync(join(root, manifest), "utf8")).private !== true)
  .map((manifest) => join(dirname(manifest), "README.md"))

describe("snippets of documents and doc comments", () => {
  let folder: string
  let errors: ReadonlyArray<string>

  const folderOf = (file: string): string => join(folder, String(files.indexOf(file)))

  beforeAll(async () => {
    // inside the repository, so that packages are found as in a reader's project
    folder = mkdtempSync(join(root, ".snippets-"))
    const compilerOptions = { noEmit: true, composite: false, incremental: false, noUnusedLocals: false }
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({ extends: "../tsconfig.base.json", compilerOptions, include: ["*/*.ts"] })
    )
    for (const [i, { code, file }] of all.entries()) {
      mkdirSync(folderOf(file), { recursive: true })
      writeFileSync(join(folderOf(file), `${i}.ts`), code)
    }
    for (const document of documents) await generate(document, folderOf(document))
    const { stdout } = await run("tsc", ["-p", folder, "--pretty", "false"], { cwd: root })
    errors = stdout.split("\n").filter((line) => line.includes("error TS"))
  }, 120_000)

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it("exist in the README, the guide, the packages' READMEs and the doc comments", () => {
    const count = (prefix: string) => all.filter(({ file }) => file.startsWith(prefix)).length
    assert.isAtLeast(count("README.md"), 1)
    assert.isAtLeast(count("docs/"), 8)
    assert.isAtLeast(count("packages/core/README.md"), 1)
    assert.isAtLeast(count("packages/core/src/"), 8)
  })

  it.each(all.map((snippet, i) => ({ i, name: `${snippet.file}:${snippet.line}` })))("$name compiles", ({ i }) => {
    assert.deepStrictEqual(
      errors.filter((line) => line.includes(`/${i}.ts(`)),
      []
    )
  })

  it("have no error outside of the snippets", () => {
    assert.deepStrictEqual(
      errors.filter((line) => !/\/\d+\.ts\(/.test(line)),
      []
    )
  })

  const programs = all.flatMap(({ file, line, output }, i) =>
    output === undefined ? [] : [{ i, file, name: `${file}:${line}`, output }]
  )

  it.each(programs)("$name prints the output that follows it", async ({ file, i, output }) => {
    const args = ["--conditions=@effect-psrpc/source", `${i}.ts`]
    const { code, stderr, stdout } = await run("node", args, { cwd: folderOf(file) })
    assert.strictEqual(stdout, output, stderr)
    assert.strictEqual(code, 0, stderr)
  })
})

describe("documents", () => {
  it.each(files.filter((file) => blocksOf(file).length > 0).map((file) => ({ file })))(
    "$file has a check for each of its blocks, and passes it",
    ({ file }) => {
      assert.deepStrictEqual(problemsOf(file), [])
    }
  )

  it.each(documents.map((file) => ({ file })))("$file links to files and headings that exist", ({ file }) => {
    const relative = linksOf(file).filter((link) => !isAbsolute(link))
    assert.deepStrictEqual(
      relative.filter((link) => !leadsSomewhere(file, link)),
      []
    )
  })

  it.each(published.map((file) => ({ file })))(
    "$file has no link that leads nowhere on a registry's page",
    ({ file }) => {
      assert.deepStrictEqual(
        linksOf(file).filter((link) => !isAbsolute(link) && !link.startsWith("#")),
        []
      )
    }
  )
})
