/** What the tests share: running the plugin on .proto files that they write. */
import { fromBinary, toBinary } from "@bufbuild/protobuf"
import {
  CodeGeneratorRequestSchema,
  CodeGeneratorResponseSchema,
  type FileDescriptorSet,
  FileDescriptorSetSchema
} from "@bufbuild/protobuf/wkt"
import { create } from "@bufbuild/protobuf"
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { makeWorkspace } from "../src/generate/workspace.ts"
import { makePlugin } from "../src/index.ts"

/** The package's folder. */
export const packageFolder = join(import.meta.dirname, "..")

/** The repository's folder. */
export const root = join(packageFolder, "../..")

/** What a command came to. */
export interface Finished {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end, within two minutes. */
export const run = (command: string, args: ReadonlyArray<string>, cwd: string): Promise<Finished> =>
  new Promise((resolve) => {
    execFile(command, [...args], { cwd, timeout: 120_000, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1
      resolve({ code, stdout, stderr: error !== null && stderr === "" ? error.message : stderr })
    })
  })

/** A folder that is gone when the test is over. */
export const inFolder = async <A>(use: (folder: string) => Promise<A>, below = tmpdir()): Promise<A> => {
  const folder = mkdtempSync(join(below, ".generated-"))
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Files by their names. */
export type Files = Readonly<Record<string, string>>

export const writeFiles = (folder: string, files: Files): void => {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
}

export const readFiles = (folder: string): Files =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => statSync(join(folder, name)).isFile())
      .toSorted()
      .map((name) => [name, readFileSync(join(folder, name), "utf8")])
  )

/** .proto files as the compiler gives them to plugins. */
export interface Compiled {
  readonly set: FileDescriptorSet
  readonly names: ReadonlyArray<string>
}

const prefix = "effect-psrpc-input-0/"

/** Compiles the .proto files of a folder, with psrpc's options beside them. */
export const compileFolder = (folder: string): Promise<Compiled> =>
  inFolder(async (path) => {
    const { files } = makeWorkspace(path, { folders: [folder], includes: [] })
    const only = files.flatMap((file) => ["--path", file])
    const { code, stderr } = await run("buf", ["build", ...only, "--as-file-descriptor-set", "-o", "set.binpb"], path)
    if (code !== 0) throw new Error(stderr)
    return {
      set: fromBinary(FileDescriptorSetSchema, readFileSync(join(path, "set.binpb"))),
      names: files.map((name) => name.slice(prefix.length))
    }
  })

export const compile = (files: Files): Promise<Compiled> =>
  inFolder((folder) => {
    writeFiles(folder, files)
    return compileFolder(folder)
  })

/** What the plugin answers. */
export interface Answer {
  readonly files: Files
  readonly error: string
  readonly notes: ReadonlyArray<string>
}

/** Runs the plugin; what goes in and comes out has been bytes, as between processes. */
export const runPlugin = ({ names, set }: Compiled, parameter = "target=ts,import_extension=ts"): Answer => {
  const notes: Array<string> = []
  const request = create(CodeGeneratorRequestSchema, { fileToGenerate: [...names], parameter, protoFile: set.file })
  const bytes = toBinary(CodeGeneratorRequestSchema, request)
  const plugin = makePlugin((text) => void notes.push(text))
  const answer = toBinary(CodeGeneratorResponseSchema, plugin.run(fromBinary(CodeGeneratorRequestSchema, bytes)))
  const { error, file } = fromBinary(CodeGeneratorResponseSchema, answer)
  return { files: Object.fromEntries(file.map(({ content, name }) => [name, content])), error, notes }
}

/** The program `effect-psrpc-generate`, from its source. */
export const program = (args: ReadonlyArray<string>, cwd: string): Promise<Finished> =>
  run(
    "node",
    ["--conditions=@effect-psrpc/source", join(packageFolder, "src/bin/effect-psrpc-generate.ts"), ...args],
    cwd
  )
