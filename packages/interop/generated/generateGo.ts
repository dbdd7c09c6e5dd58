// npm run generate:go: the Go code of the .proto, by protoc-gen-go and psrpc's own protoc-gen-psrpc, into `go/api` or into
// the folder that is given. It needs go, which builds both as tools of `go/go.mod`.
import { spawnSync } from "node:child_process"
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

const here = import.meta.dirname
const out = resolve(process.argv[2] ?? join(here, "go/api"))

const folder = mkdtempSync(join(tmpdir(), "effect-psrpc-generate-go-"))
try {
  const modules = { own: join(here, "proto"), options: join(here, "../../codegen/proto") }
  for (const [name, path] of Object.entries(modules)) cpSync(path, join(folder, name), { recursive: true })
  writeFileSync(
    join(folder, "buf.yaml"),
    JSON.stringify({ version: "v2", modules: Object.keys(modules).map((path) => ({ path })) })
  )
  const plugins = ["protoc-gen-go", "protoc-gen-psrpc"].map((name) => ({
    local: ["go", "-C", join(here, "go"), "tool", name],
    out: ".",
    opt: "paths=source_relative"
  }))
  const template = JSON.stringify({ version: "v2", plugins })
  const args = ["generate", "own", "--template", template, "--output", out]
  const { error, status } = spawnSync("buf", args, { cwd: folder, stdio: "inherit" })
  if (error !== undefined) process.stderr.write(`buf: ${error.message}\n`)
  process.exitCode = status ?? 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
