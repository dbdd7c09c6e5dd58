/** Compiles a library and a program that uses it, in a project with the packed packages. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type Finished, run } from "../process.ts"
import { root } from "../snippets.ts"

/** The versions of TypeScript that users may have. */
export const compilers = [
  { version: "5.9", folder: "packages/compat/node_modules/typescript" },
  { version: "7", folder: "node_modules/typescript" }
] as const

export type Compiler = (typeof compilers)[number]

/** The version that is installed, such as "5.9.3". */
export const installedVersion = ({ folder }: Compiler): string =>
  JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8")).version

const resolutions = ["nodenext", "bundler"] as const
const sources = join(import.meta.dirname)

const options = (resolution: (typeof resolutions)[number]) => ({
  strict: true,
  exactOptionalPropertyTypes: true,
  target: "es2024",
  module: resolution === "bundler" ? "esnext" : resolution,
  moduleResolution: resolution,
  types: ["node"]
})

/** A project of TypeScript in the folder: writes its configuration and returns the name of the file. */
const configure = (folder: string, name: string, compilerOptions: object, files: ReadonlyArray<string>): string => {
  writeFileSync(join(folder, `${name}.json`), JSON.stringify({ compilerOptions, files }))
  return `${name}.json`
}

/** Builds projects of TypeScript in the folder. */
const build = (folder: string, compiler: Compiler, projects: ReadonlyArray<string>): Promise<Finished> =>
  run("node", [join(root, compiler.folder, "bin/tsc"), "--build", "--pretty", "false", ...projects], { cwd: folder })

/** The declarations of a compiled library, and the errors of the compiler. */
export interface Compiled extends Finished {
  readonly declarations: ReadonlyArray<string>
}

/**
 * Compiles `library.ts` with declarations into packages of the project, one for each way to resolve modules, then checks
 * `app.ts`, which imports them, and the other files, with and without `skipLibCheck`.
 */
export const compileLibraryAndApp = async (
  folder: string,
  compiler: Compiler,
  files: ReadonlyArray<string>
): Promise<Compiled> => {
  mkdirSync(join(folder, "library"), { recursive: true })
  cpSync(join(sources, "library.ts"), join(folder, "library/index.ts"))
  const libraries = resolutions.map((resolution) => ({
    resolution,
    name: `library-${compiler.version}-${resolution}`
  }))
  const output = (name: string) => join("node_modules", name)
  const libraryProjects = libraries.map(({ name, resolution }) => {
    mkdirSync(join(folder, output(name)))
    const entry = { types: "./index.d.ts", default: "./index.js" }
    writeFileSync(
      join(folder, output(name), "package.json"),
      JSON.stringify({ name, version: "1.0.0", type: "module", exports: { ".": entry } })
    )
    const emitting = { declaration: true, rootDir: "library", outDir: output(name), skipLibCheck: true }
    return configure(folder, name, { ...options(resolution), ...emitting }, ["library/index.ts"])
  })
  const built = await build(folder, compiler, libraryProjects)
  if (built.code !== 0) return { ...built, declarations: [] }
  const app = readFileSync(join(sources, "app.ts"), "utf8")
  const appProjects = libraries.flatMap(({ name, resolution }) => {
    const file = `app-${compiler.version}-${resolution}.ts`
    writeFileSync(join(folder, file), app.replace(`"./library.ts"`, JSON.stringify(name)))
    return [false, true].map((skipLibCheck) =>
      configure(
        folder,
        `app-${compiler.version}-${resolution}-${skipLibCheck ? "skip" : "check"}`,
        { ...options(resolution), noEmit: true, skipLibCheck },
        [file, ...files]
      )
    )
  })
  const declarations = libraries.map(({ name }) => readFileSync(join(folder, output(name), "index.d.ts"), "utf8"))
  return { ...(await build(folder, compiler, appProjects)), declarations }
}

/** Checks files of the project with declarations, those of packages included. */
export const check = (folder: string, compiler: Compiler, files: ReadonlyArray<string>): Promise<Finished> => {
  const compilerOptions = { ...options("nodenext"), declaration: true, emitDeclarationOnly: true, outDir: "declared" }
  return build(folder, compiler, [configure(folder, "checked", { ...compilerOptions, skipLibCheck: false }, files)])
}
