// Writes the API of the published packages to `api`, one file for each package, from the built declarations: every export
// of every entry point, and the types behind them that are not exported. With --check, compares instead of writing.
import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
// TypeScript 7 has no API for programs yet
import ts from "../packages/compat/node_modules/typescript/lib/typescript.js"
import { manifestOf, type Published, published } from "./published.ts"

const root = join(import.meta.dirname, "..")

/** The declarations of an entry point, by the name of its module. */
const entriesOf = (name: Published): ReadonlyArray<readonly [specifier: string, file: string]> => {
  const manifest = manifestOf(name)
  return Object.entries(manifest.exports).flatMap(([subpath, target]) =>
    typeof target === "string" ? [] : [[join(manifest.name, subpath), join(root, "packages", name, target["types"]!)]]
  )
}

const printer = ts.createPrinter({ removeComments: true })

/** The text of a declaration without its doc comment. A constant is printed alone, without others of its statement. */
const textOf = (declaration: ts.Declaration): string => {
  const file = declaration.getSourceFile()
  const print = (node: ts.Node) => printer.printNode(ts.EmitHint.Unspecified, node, file)
  const text = ts.isVariableDeclaration(declaration) ? `const ${print(declaration)};` : print(declaration)
  return text.replace(/^(?:export |declare |default )+/, "")
}

/** Returns the API of a package as text. */
const report = (name: Published): string => {
  const entries = entriesOf(name)
  const folder = realpathSync(join(root, "packages", name, "dist"))
  const program = ts.createProgram(
    entries.map(([, file]) => file),
    {
      module: ts.ModuleKind.NodeNext,
      target: ts.ScriptTarget.ESNext,
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      allowImportingTsExtensions: true,
      types: []
    }
  )
  const checker = program.getTypeChecker()
  const resolved = (symbol: ts.Symbol): ts.Symbol =>
    symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
  const isOwn = (declaration: ts.Declaration) => realpathSync(declaration.getSourceFile().fileName).startsWith(folder)
  const declarationsOf = (symbol: ts.Symbol) => (symbol.declarations ?? []).filter(isOwn)

  const shown = new Set<ts.Symbol>()
  const hidden: Array<ts.Symbol> = []
  /** Queues the declarations of the package that a declaration refers to. */
  const follow = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) {
      const found = checker.getSymbolAtLocation(node)
      const symbol = found === undefined ? undefined : resolved(found)
      const isTop = symbol?.declarations?.some(
        (one) =>
          one.parent !== undefined &&
          (ts.isSourceFile(one.parent) || (ts.isVariableDeclaration(one) && ts.isSourceFile(one.parent.parent.parent)))
      )
      if (symbol !== undefined && isTop === true && declarationsOf(symbol).length > 0) hidden.push(symbol)
    }
    ts.forEachChild(node, follow)
  }

  const lines: Array<string> = []
  /** The package that declares a symbol. */
  const owner = (symbol: ts.Symbol): string => {
    const file = symbol.declarations?.[0]?.getSourceFile().fileName ?? ""
    const [, workspace, dependency] = /packages\/(\w+)\/dist\/|.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file) ?? []
    return workspace === undefined ? (dependency ?? "TypeScript") : `@effect-psrpc/${workspace}`
  }
  const print = (symbol: ts.Symbol, as: string): void => {
    const declarations = declarationsOf(symbol)
    for (const declaration of declarations) {
      if (ts.isSourceFile(declaration)) {
        lines.push(
          `namespace ${as}: ${relative(folder, realpathSync(declaration.fileName)).replace(/\.d\.ts$/, "")}`,
          ""
        )
        continue
      }
      const text = textOf(declaration)
      lines.push(`${symbol.name === as ? "" : `${as} is `}${text}`, "")
      follow(declaration)
    }
    if (declarations.length === 0) lines.push(`${as}: declared by ${owner(symbol)}`, "")
  }
  const byName = (a: ts.Symbol, b: ts.Symbol) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
  for (const [specifier, file] of entries) {
    lines.push(`==== ${specifier}`, "")
    const source = program.getSourceFile(file)
    const module = source === undefined ? undefined : checker.getSymbolAtLocation(source)
    if (module === undefined) throw new Error(`${file} is missing: npm run build makes it`)
    for (const exported of checker.getExportsOfModule(module).toSorted(byName)) {
      const symbol = resolved(exported)
      shown.add(symbol)
      print(symbol, exported.name)
    }
  }
  lines.push("==== not exported", "")
  const rest: Array<readonly [ts.Symbol, string]> = []
  for (const symbol of hidden) {
    if (shown.has(symbol)) continue
    shown.add(symbol)
    const start = lines.length
    print(symbol, symbol.name)
    rest.push([symbol, lines.splice(start).join("\n")])
  }
  const texts = rest.toSorted(([a, x], [b, y]) => byName(a, b) || (x < y ? -1 : 1)).map(([, text]) => text)
  return `${[...lines, ...texts].join("\n").trimEnd()}\n`
}

/** The lines that the first text has more often than the second. */
const moreOften = (first: string, second: string): ReadonlyArray<string> => {
  const counts = new Map<string, number>()
  for (const line of second.split("\n")) counts.set(line, (counts.get(line) ?? 0) + 1)
  return first.split("\n").filter((line) => {
    const left = counts.get(line) ?? 0
    counts.set(line, left - 1)
    return left <= 0 && line !== ""
  })
}

/** The first lines that differ, for people. */
const difference = (recorded: string, actual: string): string => {
  const all = [
    ...moreOften(recorded, actual).map((line) => `  - ${line}`),
    ...moreOften(actual, recorded).map((line) => `  + ${line}`)
  ]
  return [...all.slice(0, 40), ...(all.length > 40 ? [`  and ${all.length - 40} more lines`] : [])].join("\n")
}

const isCheck = process.argv.includes("--check")
let isRight = true
for (const name of published) {
  const file = join(root, "api", `${name}.txt`)
  const actual = report(name)
  if (!isCheck) {
    mkdirSync(join(root, "api"), { recursive: true })
    writeFileSync(file, actual)
    continue
  }
  const recorded = existsSync(file) ? readFileSync(file, "utf8") : ""
  if (recorded === actual) continue
  isRight = false
  process.stderr.write(
    `The API of @effect-psrpc/${name} differs from api/${name}.txt:\n${difference(recorded, actual)}\n`
  )
}
if (!isRight)
  process.stderr.write(
    'If the change is meant, "npm run build && npm run api" records it; commit the files in api with it.\n'
  )
process.exitCode = isRight ? 0 : 1
