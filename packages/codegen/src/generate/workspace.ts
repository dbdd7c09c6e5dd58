/** The .proto files of a generation, as a workspace of buf. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync, writeFileSync } from "node:fs"
import { dirname, join, posix, relative } from "node:path"
import { fileURLToPath } from "node:url"

/** Where psrpc's options are, in this package. */
const optionsFolder = fileURLToPath(new URL("../../proto", import.meta.url))

/** The .proto files in a folder, by their names in imports. */
const protoFiles = (folder: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  const walk = (at: string, above: ReadonlyArray<string>): void => {
    // a link may lead back
    const real = realpathSync(at)
    if (above.includes(real)) return
    for (const name of readdirSync(at)) {
      if (name.startsWith(".") || name === "node_modules") continue
      const path = join(at, name)
      const stats = statSync(path, { throwIfNoEntry: false })
      if (stats === undefined) continue
      if (stats.isDirectory()) walk(path, [...above, real])
      else if (name.endsWith(".proto")) found.push(relative(folder, path).replaceAll("\\", "/"))
    }
  }
  walk(folder, [])
  return found.toSorted()
}

const optionsFiles = protoFiles(optionsFolder)

/** Whether a file is a copy of psrpc's options, in place of which this package's are used. */
const isOptions = (folder: string, file: string): boolean =>
  optionsFiles.includes(file) && /^\s*package\s+psrpc\s*;/m.test(readFileSync(join(folder, file), "utf8"))

/** A workspace of buf. */
export interface Workspace {
  readonly path: string
  /** The files that are to be generated. */
  readonly files: ReadonlyArray<string>
  /** The files that are psrpc's options, which generated code imports from core, where they are once for all. */
  readonly options: ReadonlyArray<string>
  /** Words of buf and of plugins, with the user's names of files. */
  readonly withOwnNames: (text: string) => string
}

/** Text that a pattern takes as it is. */
const literally = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&")

/**
 * Words with the user's names of files: `folders` are by their names in the workspace, `files` by theirs in imports. In one
 * go, because what is put in may look like what is replaced.
 */
const translate = (text: string, folders: ReadonlyMap<string, string>, files: ReadonlyMap<string, string>): string => {
  const longestFirst = (names: ReadonlyMap<string, string>): string =>
    [...names.keys()]
      .toSorted((a, b) => b.length - a.length)
      .map(literally)
      .join("|")
  const file = longestFirst(files)
  // the compiler has the workspace's names; plugins know files by their names in imports
  const pattern = new RegExp(`(${longestFirst(folders)})(?:/(${file})(?!\\w))?|(?<=^|\\s)(${file})(?=:)`, "gm")
  return text.replaceAll(pattern, (_, folder: string, inFolder?: string, alone?: string) => {
    const name = inFolder ?? alone
    return name === undefined ? folders.get(folder)! : files.get(name)!
  })
}

/** Makes a workspace in an empty folder. Copies, because links to folders are not for every system. */
export const makeWorkspace = (
  path: string,
  { folders, includes }: { readonly folders: ReadonlyArray<string>; readonly includes: ReadonlyArray<string> }
): Workspace => {
  // the user's folders, by their names in the workspace, and files, by their names in imports
  const modules = new Map<string, string>()
  const ownNames = new Map<string, string>()
  const add = (folder: string, name: string, files: ReadonlyArray<string>, source = (file: string) => file): void => {
    for (const file of files) {
      const target = join(path, name, file)
      mkdirSync(dirname(target), { recursive: true })
      copyFileSync(join(folder, source(file)), target)
      ownNames.set(file, posix.join(folder, file))
    }
    if (files.length > 0) modules.set(name, folder)
  }
  const generated: Array<string> = []
  for (const [i, folder] of [...folders, ...includes].entries()) {
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw new Error(`there is no folder ${folder}`)
    const files = protoFiles(folder).filter((file) => {
      if (isOptions(folder, file)) return false
      const other = ownNames.get(file)
      if (other === undefined) return true
      const own = posix.join(folder, file)
      // of roots of imports the first that has a file is the one, as everywhere
      if (i >= folders.length || realpathSync(own) === realpathSync(other)) return false
      throw new Error(`${other} and ${own} have one name in imports, ${file}`)
    })
    const name = `effect-psrpc-input-${i}`
    add(folder, name, files)
    if (i < folders.length) for (const file of files) generated.push(posix.join(name, file))
  }
  if (generated.length === 0) throw new Error(`there are no .proto files in ${folders.join(", ")}`)
  // an options.proto may be something of the user's own: then the other path has what it would import
  const options = optionsFiles.filter((file) => !ownNames.has(file))
  add(optionsFolder, "effect-psrpc-options", options, (file) =>
    options.includes("options.proto") ? file : "options.proto"
  )
  writeFileSync(
    join(path, "buf.yaml"),
    JSON.stringify({ version: "v2", modules: [...modules.keys()].map((name) => ({ path: name })) })
  )
  const withOwnNames = (text: string): string => translate(text, modules, ownNames)
  return { path, files: generated, options, withOwnNames }
}
