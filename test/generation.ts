/** A document's section on generation, followed word for word. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { type Finished, run } from "./process.ts"
import { type Block, blocksOf, fileName, root } from "./snippets.ts"

/** The blocks of the section that has the document's .proto; none where there is no such section. */
export const generationSection = (document: string): ReadonlyArray<Block> => {
  const blocks = blocksOf(document)
  const proto = blocks.find(({ language }) => language === "proto")
  if (proto === undefined) return []
  const lines = readFileSync(join(root, document), "utf8").split("\n")
  const headings = lines.flatMap((line, i) => (/^##? /.test(line) ? [i + 1] : []))
  const start = headings.findLast((line) => line < proto.line)!
  const end = headings.find((line) => line > proto.line) ?? lines.length
  return blocks.filter(({ line }) => line > start && line < end)
}

/** Writes the section's files and runs its commands, in their order. Returns what its last program printed. */
export const follow = async (
  blocks: ReadonlyArray<Block>,
  folder: string,
  installed: (name: string) => string
): Promise<{ readonly printed: string; readonly promised: string }> => {
  const shell = async (command: string): Promise<Finished> => {
    const finished = await run("sh", ["-c", command], { cwd: folder })
    assertSucceeded(command, finished)
    return finished
  }
  let promised = ""
  for (const block of blocks) {
    const file = fileName(block)
    if (file !== undefined) {
      mkdirSync(dirname(join(folder, file)), { recursive: true })
      writeFileSync(join(folder, file), block.code)
    } else if (/^(?:npm|npx) /.test(block.code)) {
      for (const line of block.code.trim().split("\n")) {
        const [, command, names] = /^(npm install(?: --save-dev)?) (.*)$/.exec(line) ?? []
        if (command === undefined || names === undefined) await shell(line)
        else await shell(`${command} --prefer-offline ${names.split(" ").map(installed).join(" ")}`)
      }
    } else if (block.language === "output") promised = block.code
  }
  return { printed: (await shell("node main.ts")).stdout, promised }
}

const assertSucceeded = (command: string, { code, stderr, stdout }: Finished): void => {
  if (code !== 0) throw new Error(`${command}: exit code ${code}\n${stdout}${stderr}`)
}
