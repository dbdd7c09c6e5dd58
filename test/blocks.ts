/** The checks of fenced blocks that are not TypeScript: every language has one, and no other language is allowed. */
import { Telemetry } from "@effect-psrpc/core"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { type Block, blocksOf, fileName, root } from "./snippets.ts"

const json = (file: string): any => JSON.parse(readFileSync(join(root, file), "utf8"))

const scripts: Readonly<Record<string, string>> = json("package.json").scripts

const manifests = globSync("packages/*/package.json", { cwd: root }).map(json)

const programs = new Set(["buf", "vitest", ...manifests.flatMap(({ bin }) => Object.keys(bin ?? {}))])

const packages = new Set([
  ...manifests.map(({ name }) => name as string),
  ...Object.keys(json("package-lock.json").packages).map((path) => path.replace(/^.*node_modules\//, ""))
])

const otherCommands = new Set(["cd", "export", "git", "go", "node", "protoc", "redis-server", "nats-server"])

/** Why a command line cannot work; nothing if it names scripts, programs and packages that exist. */
const commandProblems = (line: string): ReadonlyArray<string> => {
  const [command, ...args] = line.split(/\s+/)
  const [verb, ...rest] = args.filter((argument) => !argument.startsWith("-"))
  if (command === "npx") return programs.has(verb!) ? [] : [`npx ${verb}: no such program`]
  if (command !== "npm") return otherCommands.has(command!) ? [] : [`${command}: not a known command`]
  if (verb === "run" || verb === "start" || verb === "test") {
    const script = verb === "run" ? rest[0]! : verb
    const workspace = args[args.indexOf("-w") + 1]
    const found = args.includes("-w")
      ? manifests.some(({ name, scripts }) => name === workspace && scripts?.[script] !== undefined)
      : script in scripts
    return found ? [] : [`npm ${verb} ${script}: no such script`]
  }
  if (verb === "install") {
    const unknown = rest.filter((name) => !name.endsWith(".tgz") && !packages.has(name.replace(/(?<=.)@.*$/, "")))
    return unknown.map((name) => `npm install ${name}: no such package`)
  }
  return verb === "exec" || verb === "init" || verb === "pack" || verb === "pkg" ? [] : [`npm ${verb}: not known`]
}

const shellProblems = (code: string): ReadonlyArray<string> =>
  code
    .replaceAll(/\\\n\s*/g, "")
    .replaceAll(/#.*$/gm, "")
    .split(/\n|&&/)
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .flatMap(commandProblems)

const participant = /^(?:participant|actor) \w+(?: as .+)?$/
const message = /^\w+\s*(?:->>|-->>|->|-->|-\)|--\))[+-]?\s*\w+: .+$/
const region =
  /^(?:(?:alt|else|opt|loop|par|and|critical|break|rect) .+|else|end|Note (?:over|left of|right of) [\w,]+: .+)$/
const node = String.raw`\w+(?:(?:\["[^"]*"\])|(?:\("[^"]*"\))|(?:\{"[^"]*"\}))?`
const edge = new RegExp(String.raw`^${node}(?:\s*(?:-->|---|-\.->|==>)(?:\|[^|]+\|)?\s*${node}(?:\s*&\s*${node})*)*$`)
const subgraph = /^(?:subgraph \w+(?:\["[^"]*"\])?|direction (?:LR|RL|TB|BT)|end)$/

const mermaidGrammar: Readonly<Record<string, ReadonlyArray<RegExp>>> = {
  sequenceDiagram: [participant, message, region, /^autonumber$/],
  flowchart: [edge, subgraph]
}

/** Checks the parts of mermaid's syntax that the documents use. */
const mermaidProblems = (code: string): ReadonlyArray<string> => {
  const [head, ...lines] = code.trim().split("\n")
  const rules = mermaidGrammar[head!.split(" ")[0]!]
  if (rules === undefined) return [`mermaid: ${head} is not a known diagram`]
  const opened = lines.filter((line) => /^\s*(?:subgraph|alt|opt|loop|par|critical|break|rect) /.test(line)).length
  const ended = lines.filter((line) => line.trim() === "end").length
  return [
    ...lines
      .map((line) => line.trim())
      .filter((line) => line !== "" && !rules.some((rule) => rule.test(line)))
      .map((line) => `mermaid: ${line}`),
    ...(opened === ended ? [] : [`mermaid: ${opened} blocks are opened and ${ended} ended`])
  ]
}

const metrics = new Set(
  Telemetry.metrics.flatMap(({ name, type }) =>
    type === "histogram" ? ["bucket", "sum", "count"].map((part) => `${name}_${part}`) : [name]
  )
)

const promqlProblems = (code: string): ReadonlyArray<string> =>
  [...code.matchAll(/\bpsrpc_\w+/g)].flatMap(([name]) => (metrics.has(name) ? [] : [`${name}: no such metric`]))

/** Checks what tests elsewhere feed to the real program: the file's content has to be in the test's source, too. */
const yamlProblems = (code: string): ReadonlyArray<string> =>
  readFileSync(join(root, "packages/codegen/test/program.test.ts"), "utf8").includes(JSON.stringify(code).slice(1, -1))
    ? []
    : ["yaml: packages/codegen/test/program.test.ts does not use these lines"]

const none = (): ReadonlyArray<string> => []

const checks: Readonly<Record<string, (block: Block, previous: Block | undefined) => ReadonlyArray<string>>> = {
  ts: none, // compiled
  proto: (block) => (fileName(block) === undefined ? ["proto: the first line does not name the file"] : []),
  sh: ({ code }) => shellProblems(code),
  output: (_, previous) => (previous?.language === "ts" ? [] : ["output: does not follow the program that prints it"]),
  mermaid: ({ code }) => mermaidProblems(code),
  promql: ({ code }) => promqlProblems(code),
  yaml: ({ code }) => yamlProblems(code),
  text: none // a tree, a sketch: nothing that a reader runs
}

/** Returns what is wrong with the fenced blocks of a file, with their lines. */
export const problemsOf = (file: string): ReadonlyArray<string> => {
  const blocks = blocksOf(file)
  return blocks.flatMap((block, i) => {
    const check = checks[block.language]
    if (check === undefined) return [`${file}:${block.line}: no check for a block of "${block.language}"`]
    return check(block, blocks[i - 1]).map((problem) => `${file}:${block.line}: ${problem}`)
  })
}
