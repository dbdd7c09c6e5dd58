import { assert, describe, it } from "@effect/vitest"
import { globSync } from "node:fs"
import { join } from "node:path"
import { exportsOf, manifestOf, published } from "../scripts/published.ts"
import { run } from "./process.ts"
import { root } from "./snippets.ts"

/** Returns those of the specifiers that node resolves from the root of the repository, to the sources. */
const resolved = async (specifiers: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  const program = `
    const isResolved = (specifier) => {
      try {
        return import.meta.resolve(specifier).endsWith(".ts")
      } catch (error) {
        if (error.code === "ERR_PACKAGE_PATH_NOT_EXPORTED") return false
        throw error
      }
    }
    console.log(JSON.stringify(${JSON.stringify(specifiers)}.filter(isResolved)))`
  const args = ["--conditions=@effect-psrpc/source", "--input-type=module", "--eval", program]
  const { code, stderr, stdout } = await run("node", args, { cwd: root })
  assert.strictEqual(code, 0, stderr)
  return JSON.parse(stdout)
}

describe.each(published)("the exports of %s", (name) => {
  const manifest = manifestOf(name)

  it("list each public module, and nothing else (npm run lint -- --fix mends them)", () => {
    assert.deepStrictEqual(Object.entries(manifest.exports), Object.entries(exportsOf(name)))
  })

  it("have no pattern and no folder named internal", () => {
    for (const subpath of Object.keys(manifest.exports)) assert.notMatch(subpath, /\*|\binternal\b|\bindex$/)
  })

  it("let node import the public modules, and no other file", async () => {
    const specifier = (subpath: string): string => join(manifest.name, subpath)
    const files = globSync("**/*.ts", { cwd: join(root, "packages", name, "src") })
    const modules = files.map((file) => specifier(file.slice(0, -".ts".length)))
    const subpaths = Object.keys(manifest.exports).filter((subpath) => subpath !== "./package.json")
    const all = new Set([...modules, ...subpaths.map(specifier), ...["index", "index.js"].map(specifier)])
    assert.isAbove(all.size, subpaths.length)
    assert.deepStrictEqual((await resolved([...all])).toSorted(), subpaths.map(specifier).toSorted())
  })
})
