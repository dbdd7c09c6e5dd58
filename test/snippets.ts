/** Documents and doc comments of the repository, and the fenced blocks in them. */
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"

export const root = join(import.meta.dirname, "..")

/** Every Markdown file of the repository, by its path from the root. */
export const documents: ReadonlyArray<string> = globSync("**/*.md", {
  cwd: root,
  exclude: (name) => /(?:^|\/)(?:node_modules|dist)$/.test(name)
}).toSorted()

/** Every source file with public doc comments. */
export const sources: ReadonlyArray<string> = globSync("packages/*/src/**/*.ts", {
  cwd: root,
  exclude: (name) => name.includes("/gen/")
}).toSorted()

/** A fenced block of a document or a doc comment. */
export interface Block {
  readonly language: string
  readonly code: string
  readonly line: number
}

/** A block of TypeScript in a document or a doc comment. */
export interface Snippet {
  readonly file: string
  readonly line: number
  readonly code: string
  /** The content of the `output` block that follows: what the program prints. */
  readonly output: string | undefined
}

const fence = /^[ ]*```([^`\n]*)\n([\s\S]*?)^[ ]*```$/gm

/** Returns the fenced blocks of a file, in their order. */
export const blocksOf = (file: string): ReadonlyArray<Block> => {
  const source = readFileSync(join(root, file), "utf8")
  // keeps the text of doc comments, line by line, so that line numbers stay
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
    return language === "ts" ? [{ file, line, code, output: next?.language === "output" ? next.code : undefined }] : []
  })
}

export const snippets = (files: ReadonlyArray<string>): ReadonlyArray<Snippet> => files.flatMap(snippetsOf)

/** Returns the file name in the first line of a block, if it has one. */
export const fileName = ({ code }: { readonly code: string }): string | undefined =>
  /^\/\/ (\S+\.\w+)\n/.exec(code)?.[1]
