/** From folders of .proto files to TypeScript: buf compiles, the plugins print. */
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

/** This node, as it was started: from sources it needs its conditions. */
const node = [process.execPath, ...process.execArgv]

/** The commands of the two plugins. */
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

/** What is at a path; nothing too where something above it is a file. */
const statsAt = (path: string): Stats | undefined => {
  try {
    return statSync(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === "ENOENT" || code === "ENOTDIR") return undefined
    throw error
  }
}

/** Throws where one of the files cannot be written, before any is. */
const checkWritable = (files: ReadonlyArray<string>): void => {
  const folders = new Set<string>()
  for (const file of files) {
    const there = statsAt(file)
    if (there?.isDirectory()) throw new Error(`${file} is a folder, and has to be a file`)
    if (there !== undefined) accessSync(file, constants.W_OK)
    else folders.add(dirname(file))
  }
  // the folders that are there already, and so are those above them
  for (const folder of folders) {
    const there = statsAt(folder)
    if (there === undefined) folders.add(dirname(folder))
    else if (there.isDirectory()) accessSync(folder, constants.W_OK)
    else throw new Error(`${folder} is a file, and has to be a folder`)
  }
}

/** What came of it. */
export interface Result {
  /** The files that were written; none where something is wrong. */
  readonly written: ReadonlyArray<string>
  /** Notes, or what is wrong. */
  readonly words: string
  readonly succeeded: boolean
}

/** Writes all there is to write, or nothing. */
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
    // in a file, since a command line has an end
    const templateFile = join(temporary, "buf.gen.yaml")
    writeFileSync(templateFile, JSON.stringify(template))
    const { code, stderr } = await run(["generate", "--template", templateFile, "--output", made], workspace)
    const words = withOwnNames(stderr)
      .replaceAll(`Failure: plugin ${commands.own.join(" ")}: `, "")
      .replaceAll(`plugin ${commands.es.join(" ")}`, "protoc-gen-es")
      .trim()
    if (code !== 0) return { written: [], words: words || `buf ended with exit code ${code}`, succeeded: false }
    const written = filesIn(made).map((file) => join(out, file))
    checkWritable(written)
    cpSync(made, out, { recursive: true })
    return { written, words, succeeded: true }
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}
