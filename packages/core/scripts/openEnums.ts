// Takes the type UnknownEnum out of the generated messages: protobuf-es has it from 2.13 on, and the package works with
// 2.5. A value that an enum does not list is a number then, as it is in messages of older generators.
import { globSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const folder = join(import.meta.dirname, "../src/internal/gen")

for (const file of globSync("**/*_pb.ts", { cwd: folder })) {
  const path = join(folder, file)
  const text = readFileSync(path, "utf8")
  const portable = text
    .replace(/^(import type \{ .*), UnknownEnum \}/m, "$1 }")
    .replaceAll("| UnknownEnum;", "| (number & {});")
  if (portable !== text) writeFileSync(path, portable)
}
