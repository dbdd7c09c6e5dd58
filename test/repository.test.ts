import { assert, describe, it } from "@effect/vitest"
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { basename, join } from "node:path"
import { manifestOf, published } from "../scripts/published.ts"
import { run } from "./process.ts"
import { root } from "./snippets.ts"

const read = (file: string): string => readFileSync(join(root, file), "utf8")

/** The first column of the table in CONTRIBUTING.md that lists the categories. */
const allowedCategories = (): ReadonlySet<string> => {
  const [, rows] = /\n\| category \| for \|\n\| --- \| --- \|\n((?:\|.*\n)+)/.exec(read("CONTRIBUTING.md"))!
  return new Set(
    rows!
      .trim()
      .split("\n")
      .map((row) => row.split("|")[1]!.trim())
  )
}

describe("the repository", () => {
  it("has only categories in docstrings that CONTRIBUTING.md lists, and each of these", () => {
    const allowed = allowedCategories()
    const used = globSync("packages/*/src/**/*.ts", { cwd: root }).flatMap((file) =>
      [...read(file).matchAll(/@category (.*)$/gm)].map(([, category]) => ({ category: category!, file }))
    )
    assert.deepStrictEqual(
      used.filter(({ category }) => !allowed.has(category)),
      []
    )
    const names = new Set(used.map(({ category }) => category))
    assert.deepStrictEqual(
      [...allowed].filter((category) => !names.has(category)),
      []
    )
  })

  it("locks its packages and names no registry's host", () => {
    const lock = JSON.parse(read("package-lock.json")) as {
      readonly packages: Record<string, { readonly resolved?: string; readonly link?: boolean }>
    }
    const hosts = Object.entries(lock.packages).filter(([, entry]) => entry.resolved?.includes("://"))
    assert.deepStrictEqual(hosts, [])
  })

  it("has a lock file that is whole, for every platform", { timeout: 60_000 }, async () => {
    const { code, stderr } = await run("npm", ["ci", "--dry-run"], { cwd: root })
    assert.strictEqual(code, 0, stderr)
  })

  it("runs its scripts on node 24, whatever node the machine has", async () => {
    const { stdout } = await run("npm", ["exec", "--", "node", "--version"], { cwd: root })
    assert.match(stdout.trim(), /^v24\./)
  })

  it("keeps the oldest Node and TypeScript for the checks, and TypeScript 7 as tsc", async () => {
    const { node, typescript } = JSON.parse(read("packages/compat/package.json")).devDependencies
    for (const name of published) assert.strictEqual(manifestOf(name).engines.node, `>=${node.replace(/\.0$/, "")}`)
    assert.match(typescript, /^~5\.9\./)
    const old = await run("packages/compat/node_modules/node/bin/node", ["--version"], { cwd: root })
    assert.strictEqual(old.stdout, `v${node}\n`)
    const { stdout } = await run("npm", ["exec", "--", "tsc", "--version"], { cwd: root })
    assert.match(stdout, /^Version 7\./)
  })

  it("has an approval for every install script, so that npm install asks nothing", async () => {
    const { stdout } = await run("npm", ["approve-scripts", "--allow-scripts-pending"], { cwd: root })
    assert.notMatch(stdout, /not yet covered/)
  })

  it("has one version of effect and of each of protobuf-es", () => {
    const { packages } = JSON.parse(read("package-lock.json")) as { readonly packages: Record<string, unknown> }
    for (const name of ["effect", "@bufbuild/protobuf"]) {
      assert.deepStrictEqual(
        Object.keys(packages).filter((path) => path.endsWith(`node_modules/${name}`)),
        [`node_modules/${name}`]
      )
    }
  })

  it(
    "holds the generated code that its .proto files give (npm run generate makes it again)",
    { timeout: 120_000 },
    async () => {
      // made in a copy, beside tests that read what is there; in the tree, where plugins find packages
      const copy = mkdtempSync(join(root, ".generated-"))
      try {
        const left = new Set(["node_modules", "dist", "gen", "peer"])
        cpSync(join(root, "package.json"), join(copy, "package.json"))
        cpSync(join(root, "packages"), join(copy, "packages"), {
          recursive: true,
          filter: (path) => !left.has(basename(path)) && !basename(path).startsWith(".generated-")
        })
        const { code, stderr } = await run("npm", ["run", "generate"], { cwd: copy })
        assert.strictEqual(code, 0, stderr)
        const generated = (at: string) =>
          Object.fromEntries(
            globSync("packages/*/{src,test}/**/gen/**/*.{ts,js}", { cwd: at })
              .filter((file) => !file.includes("node_modules"))
              .toSorted()
              .map((file) => [file, readFileSync(join(at, file), "utf8")])
          )
        const made = generated(copy)
        for (const folder of [
          "core/src/internal/gen/psrpc",
          "core/test/gen",
          "codegen/test/gen/ts",
          "codegen/test/gen/js",
          "interop/test/gen"
        ]) {
          assert.isTrue(
            Object.keys(made).some((file) => file.startsWith(`packages/${folder}/`)),
            folder
          )
        }
        assert.deepStrictEqual(made, generated(root))
      } finally {
        rmSync(copy, { recursive: true, force: true })
      }
    }
  )
})
