// Packs the published packages, and checks the tarballs: publint the manifests, attw the types that each way to resolve
// modules finds. The packages are built first: npm run build.
import { spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { published } from "./published.ts"
import { run } from "./run.ts"

/** ES modules alone, which Node of the supported versions can also `require`; nothing is made for older resolution. */
const attw = ["--profile", "esm-only", "--format", "ascii", "--no-emoji", "--no-color"]

/** Runs a check, prints its output if it fails, and returns whether it passed. */
const passes = (command: string, args: ReadonlyArray<string>): boolean => {
  const { error, status, stderr, stdout } = spawnSync(command, args, { encoding: "utf8" })
  process.stdout.write(`  ${command}: ${status === 0 ? "passed" : `failed\n${error?.message ?? stdout + stderr}`}\n`)
  return status === 0
}

const folder = mkdtempSync(join(tmpdir(), "packages-"))
try {
  const workspaces = published.flatMap((name) => ["-w", `@effect-psrpc/${name}`])
  let isRight = run("npm", ["pack", "--silent", ...workspaces, "--pack-destination", folder]) === 0
  for (const file of isRight ? readdirSync(folder) : []) {
    const tarball = join(folder, file)
    process.stdout.write(`${file}\n`)
    const results = [passes("publint", ["run", tarball, "--strict"]), passes("attw", [tarball, ...attw])]
    isRight &&= results.every(Boolean)
  }
  process.exitCode = isRight ? 0 : 1
} finally {
  rmSync(folder, { recursive: true })
}
