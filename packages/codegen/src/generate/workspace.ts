/** Copies the .proto files of a generation into a workspace of buf. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync, writeFileSync } from "node:fs"
import { dirname, join, posix, relative } from "node:path"
import { fileURLToPath } from "node:url"

/** The folder of psrpc's options in this package. */
const optionsFolder = fileURLToPath(new URL("../../proto", import.meta.url))

/** Returns the .proto files in a folder, by their names in imports. */
const protoFiles = (folder: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  const walk = (at: string, above: ReadonlyArray<string>): void => {
    // a link may lead to a parent
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

/** Returns whether a file is a copy of psrpc's options. This package's file replaces it. */
const isOptions = (folder: string, file: string): boolean =>
  optionsFiles.includes(file) && /^\s*package\s+psrpc\s*;/m.test(readFileSync(join(folder, file), "utf8"))

/** A workspace of buf. */
export interface Workspace {
  readonly path: string
  /** The files to generate. */
  readonly files: ReadonlyArray<string>
  /** The files that are psrpc's options. Generated code imports them from core. */
  readonly options: ReadonlyArray<string>
  /** Replaces file names of the workspace in messages of buf and of plugins by the user's. */
  readonly withOwnNames: (text: string) => string
}

/** Escapes text for a regular expression. */
const literally = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&")

/**
 * Replaces file names in messages by the user's: `folders` have the names in the workspace, `files` those in imports. In one
 * pass, because a replacement may look like a name to replace.
 */
const translate = (text: string, folders: ReadonlyMap<string, string>, files: ReadonlyMap<string, string>): string => {
  const longestFirst = (names: ReadonlyMap<string, string>): string =>
    [...names.keys()]
      .toSorted((a, b) => b.length - a.length)
      .map(literally)
      .join("|")
  const file = longestFirst(files)
  // the compiler prints names of the workspace, plugins print names of imports
  const pattern = new RegExp(`(${longestFirst(folders)})(?:/(${file})(?!\\w))?|(?<=^|\\s)(${file})(?=:)`, "gm")
  return text.replaceAll(pattern, (_, folder: string, inFolder?: string, alone?: string) => {
    const name = inFolder ?? alone
    return name === undefined ? folders.get(folder)! : files.get(name)!
  })
}

/** Makes a workspace in an empty folder. It copies files, because some systems have no links to folders. */
export const makeWorkspace = (
  path: string,
  { folders, includes }: { readonly folders: ReadonlyArray<string>; readonly includes: ReadonlyArray<string> }
): Workspace => {
  // the user's folders by names in the workspace, and files by names in imports
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
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw new Error(`no such folder: ${folder}`)
    const files = protoFiles(folder).filter((file) => {
      if (isOptions(folder, file)) return false
      const other = ownNames.get(file)
      if (other === undefined) return true
      const own = posix.join(folder, file)
      // the first root of imports that has a file counts, as everywhere
      if (i >= folders.length || realpathSync(own) === realpathSync(other)) return false
      throw new Error(`${other} and ${own} have the same name in imports: ${file}`)
    })
    const name = `effect-psrpc-input-${i}`
    add(folder, name, files)
    if (i < folders.length) for (const file of files) generated.push(posix.join(name, file))
  }
  if (generated.length === 0) throw new Error(`no .proto files in ${folders.join(", ")}`)
  // if options.proto is another file of the user, the other path has psrpc's options
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
