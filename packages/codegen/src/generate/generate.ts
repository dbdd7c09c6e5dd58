/** Generates TypeScript from folders of .proto files: buf compiles, the plugins print. */
import { spawn } from "node:child_process"
import {
  accessSync,
  constants,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync
} from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { dirname, extname, join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Generation } from "./commandLine.ts"
import { makeWorkspace } from "./workspace.ts"

const packageFolder = (name: string): string => dirname(createRequire(import.meta.url).resolve(`${name}/package.json`))

/** The current node with its arguments: from sources it needs its conditions. */
const node = [process.execPath, ...process.execArgv]

/** Returns the commands of the two plugins. */
const plugins = (): { readonly es: ReadonlyArray<string>; readonly own: ReadonlyArray<string> } => ({
  es: [...node, join(packageFolder("@bufbuild/protoc-gen-es"), "bin/protoc-gen-es")],
  own: [...node, fileURLToPath(new URL(`../bin/protoc-gen-psrpc-effect${extname(import.meta.url)}`, import.meta.url))]
})

interface Finished {
  readonly code: number
  readonly stderr: string
}

const run = (args: ReadonlyArray<string>, cwd: string): Promise<Finished> =>
  new Promise((resolve, reject) => {
    const buf = join(packageFolder("@bufbuild/buf"), "bin/buf")
    const child = spawn(process.execPath, [buf, ...args], { cwd, stdio: ["ignore", "ignore", "pipe"] })
    let stderr = ""
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
    child.once("error", reject)
    child.once("close", (code) => resolve({ code: code ?? 1, stderr }))
  })

const filesIn = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => statSync(join(folder, name)).isFile())
    .toSorted()

/** Returns the file or folder at a path, or `undefined` if there is none, or if a parent is a file. */
const statsAt = (path: string): Stats | undefined => {
  try {
    return statSync(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === "ENOENT" || code === "ENOTDIR") return undefined
    throw error
  }
}

/** Throws if one of the files cannot be written, before any file is written. */
const checkWritable = (files: ReadonlyArray<string>): void => {
  const folders = new Set<string>()
  for (const file of files) {
    const there = statsAt(file)
    if (there?.isDirectory()) throw new Error(`${file} is a folder; expected a file`)
    if (there !== undefined) accessSync(file, constants.W_OK)
    else folders.add(dirname(file))
  }
  // the existing folders; their parents exist, too
  for (const folder of folders) {
    const there = statsAt(folder)
    if (there === undefined) folders.add(dirname(folder))
    else if (there.isDirectory()) accessSync(folder, constants.W_OK)
    else throw new Error(`${folder} is a file; expected a folder`)
  }
}

/** The result of a generation. */
export interface Result {
  /** The written files; empty after an error. */
  readonly written: ReadonlyArray<string>
  /** Notes, or errors. */
  readonly messages: string
  readonly succeeded: boolean
}

/** Generates and writes all files, or none after an error. */
export const generate = async (generation: Generation): Promise<Result> => {
  const temporary = mkdtempSync(join(tmpdir(), "effect-psrpc-generate-"))
  try {
    const workspace = join(temporary, "workspace")
    const made = join(temporary, "made")
    mkdirSync(workspace)
    mkdirSync(made)
    const { files, options, withOwnNames } = makeWorkspace(workspace, generation)
    const { common, es, out, own } = generation
    const commands = plugins()
    const imports = options.map((file) => `map_imports=${file}:@effect-psrpc/core`)
    const template = {
      version: "v2",
      inputs: [{ directory: ".", paths: files }],
      plugins: [
        { local: commands.es, out: ".", strategy: "all", opt: [...common, "erasable_syntax=true", ...imports, ...es] },
        { local: commands.own, out: ".", strategy: "all", opt: [...common, ...imports, ...own] }
      ]
    }
    // in a file, because the length of a command line is limited
    const templateFile = join(temporary, "buf.gen.yaml")
    writeFileSync(templateFile, JSON.stringify(template))
    const { code, stderr } = await run(["generate", "--template", templateFile, "--output", made], workspace)
    const messages = withOwnNames(stderr)
      .replaceAll(`Failure: plugin ${commands.own.join(" ")}: `, "")
      .replaceAll(`plugin ${commands.es.join(" ")}`, "protoc-gen-es")
      .trim()
    if (code !== 0) return { written: [], messages: messages || `buf ended with exit code ${code}`, succeeded: false }
    const written = filesIn(made).map((file) => join(out, file))
    checkWritable(written)
    cpSync(made, out, { recursive: true })
    return { written, messages, succeeded: true }
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}
