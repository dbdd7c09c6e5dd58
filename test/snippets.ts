import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"

export const root = join(import.meta.dirname, "..")

/** A block of TypeScript in a document or a doc comment. */
export interface Snippet {
  readonly file: string
  readonly line: number
  readonly code: string
  /** The block of plain text after it, which for a program is its output. */
  readonly output: string | undefined
}

/** A fenced block of a document or a doc comment. */
export interface Block {
  readonly language: string
  readonly code: string
  readonly line: number
}

const fence = /^[ ]*```(\w*)\n([\s\S]*?)^[ ]*```$/gm

/** The fenced blocks of a file, in their order. */
export const blocksOf = (file: string): ReadonlyArray<Block> => {
  const source = readFileSync(join(root, file), "utf8")
  // a doc comment's text, line by line, so that line numbers stay
  const text = file.endsWith(".ts") ? source.replaceAll(/^[ ]*(?:\/\*\*|\*\/|\*[ ]?|(?![ ]*\*).*$)/gm, "") : source
  return [...text.matchAll(fence)].map((match) => ({
    language: match[1]!,
    code: match[2]!,
    line: text.slice(0, match.index).split("\n").length + 1
  }))
}

const snippetsOf = (file: string): ReadonlyArray<Snippet> => {
  const blocks = blocksOf(file)
  return blocks.flatMap(({ code, language, line }, i) => {
    const next = blocks[i + 1]
    return language === "ts" ? [{ file, line, code, output: next?.language === "" ? next.code : undefined }] : []
  })
}

/** The name of the file that a block is, where its first line says it. */
export const fileName = ({ code }: { readonly code: string }): string | undefined =>
  /^\/\/ (\S+\.\w+)\n/.exec(code)?.[1]

export const documents: ReadonlyArray<string> = [
  "README.md",
  ...globSync("{docs,packages/*,packages/*/docs}/*.md", { cwd: root })
].toSorted()

export const sources: ReadonlyArray<string> = globSync("packages/{core,redis,nats}/src/**/*.ts", {
  cwd: root,
  exclude: (name) => name.includes("/gen/")
}).toSorted()

export const snippets = (files: ReadonlyArray<string>): ReadonlyArray<Snippet> => files.flatMap(snippetsOf)
