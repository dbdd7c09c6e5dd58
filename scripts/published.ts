/** The packages that are published, and the entry points of each. */
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")

/** The folders in `packages` of all published packages; a package comes after the packages that it needs. */
export const published = ["core", "redis", "nats", "codegen"] as const

/** The folder of a published package. */
export type Published = (typeof published)[number]

/** The entry of one subpath in an exports map. */
export type Target = string | { readonly [condition: string]: string }

/** The part of a package.json that scripts and tests read. */
export interface Manifest {
  readonly name: string
  readonly version: string
  readonly license: string
  readonly sideEffects: boolean
  readonly publishConfig: { readonly access: string; readonly provenance: boolean }
  readonly exports: Readonly<Record<string, Target>>
  readonly engines: { readonly node: string }
  readonly peerDependencies: Readonly<Record<string, string>>
}

/** Returns the path of a package's package.json. */
export const manifestPath = (name: Published): string => join(root, "packages", name, "package.json")

/** Reads the package.json of a package. */
export const manifestOf = (name: Published): Manifest => JSON.parse(readFileSync(manifestPath(name), "utf8"))

/**
 * Returns the public modules of a package, as paths from its `src` without an extension. A public module is a file whose
 * name begins with a capital letter, or an `index`; nothing in a folder `internal` is public.
 */
export const publicModules = (name: Published): ReadonlyArray<string> =>
  globSync(["**/[A-Z]*.ts", "**/index.ts"], { cwd: join(root, "packages", name, "src") })
    .map((file) => file.slice(0, -".ts".length))
    .filter((module) => !module.split("/").includes("internal"))
    .toSorted()

const subpathOf = (module: string): string => `./${module}`.replace(/\/index$/, "")

const targetOf = (module: string): Target => ({
  "@effect-psrpc/source": `./src/${module}.ts`,
  types: `./dist/${module}.d.ts`,
  default: `./dist/${module}.js`
})

/** Whether a subpath is none of a module: a manifest, or a generated file, whose name ends with `_pb.js`. */
const isListedByHand = (subpath: string): boolean => /\.json$|_pb\.js$/.test(subpath)

/**
 * Returns the exports map that a package should have: a subpath for each public module, in alphabetic order, then the
 * subpaths that are listed by hand. All other files of the package cannot be imported.
 */
export const exportsOf = (name: Published): Readonly<Record<string, Target>> =>
  Object.fromEntries([
    ...publicModules(name)
      .map((module) => [subpathOf(module), targetOf(module)] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
    ...Object.entries(manifestOf(name).exports).filter(([subpath]) => isListedByHand(subpath))
  ])
