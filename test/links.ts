/** The links of documents, and the anchors that they may name. */
import { existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { root } from "./snippets.ts"

/** Returns the text of a document without its fenced blocks. */
const proseOf = (file: string): string =>
  readFileSync(join(root, file), "utf8").replaceAll(/^[ ]*```[\s\S]*?^[ ]*```$/gm, "")

/** Returns the targets of a document's links. */
export const linksOf = (file: string): ReadonlyArray<string> =>
  [
    ...proseOf(file)
      .replaceAll(/`[^`\n]*`/g, "code")
      .matchAll(/\]\(([^)\s]+)\)/g)
  ].map((match) => match[1]!)

/** Returns the anchors of a document's headings, as GitHub makes them. */
const anchorsOf = (file: string): ReadonlySet<string> => {
  const anchors = new Set<string>()
  for (const [, heading] of proseOf(file).matchAll(/^#+ (.+)$/gm)) {
    const slug = heading!
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-")
    let anchor = slug
    for (let i = 1; anchors.has(anchor); i++) anchor = `${slug}-${i}`
    anchors.add(anchor)
  }
  return anchors
}

export const isAbsolute = (link: string): boolean => /^https?:/.test(link)

/** Returns whether a relative link leads to a file, and its anchor to a heading. */
export const leadsSomewhere = (file: string, link: string): boolean => {
  const [path, anchor] = link.split("#") as [string, string?]
  const target = path === "" ? file : join(dirname(file), decodeURIComponent(path))
  if (!existsSync(join(root, target))) return false
  return anchor === undefined || (target.endsWith(".md") && anchorsOf(target).has(anchor))
}
