/** A project like that of the packed packages, with the oldest protobuf-es that core takes. */
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Manifest } from "../../scripts/published.ts"
import { root } from "../snippets.ts"

/** Reads the package.json of a folder. */
export const manifestIn = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))

/**
 * Makes the folder `oldest` beside the project and returns its path. It has core, the installed packages of the project but
 * for protobuf-es, and two files: `messages.ts`, and `surface.ts`, which exports every entry point of core.
 */
export const makeOldest = (project: string): string => {
  const oldest = join(project, "../oldest")
  const from = join(project, "node_modules")
  const to = join(oldest, "node_modules")
  const own = ["@effect-psrpc", "@bufbuild"]
  for (const scope of own) mkdirSync(join(to, scope), { recursive: true })
  for (const name of readdirSync(from).filter((name) => !name.startsWith(".") && !own.includes(name))) {
    symlinkSync(join(from, name), join(to, name))
  }
  // copies: the compiler names modules by their real path
  cpSync(join(from, "@effect-psrpc/core"), join(to, "@effect-psrpc/core"), { recursive: true })
  cpSync(join(root, "node_modules/protobuf-2.5"), join(to, "@bufbuild/protobuf"), { recursive: true })
  const subpaths = Object.keys(manifestIn(join(to, "@effect-psrpc/core")).exports)
  const modules = subpaths.filter((subpath) => subpath !== "./package.json")
  const surface = modules.map((subpath, i) => `export * as module${i} from "${join("@effect-psrpc/core", subpath)}"\n`)
  writeFileSync(join(oldest, "surface.ts"), surface.join(""))
  writeFileSync(join(oldest, "package.json"), JSON.stringify({ name: "oldest", private: true, type: "module" }))
  cpSync(join(import.meta.dirname, "messages.ts"), join(oldest, "messages.ts"))
  return oldest
}
