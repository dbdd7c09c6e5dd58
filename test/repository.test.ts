import { assert, describe, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { run } from "./process.ts"
import { root } from "./snippets.ts"

const read = (file: string): string => readFileSync(join(root, file), "utf8")

describe("the repository", () => {
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

  it("holds the generated code that its .proto files give", { timeout: 60_000 }, async () => {
    const files = [
      "packages/core/src/internal/gen/effect_psrpc/typed_error_pb.ts",
      "packages/core/test/gen/internal_pb.ts"
    ]
    for (const file of files) assert.isTrue(existsSync(join(root, file)), file)
    const before = files.map(read)
    const { code, stderr } = await run("npm", ["run", "generate"], { cwd: root })
    assert.strictEqual(code, 0, stderr)
    assert.deepStrictEqual(files.map(read), before)
  })
})
