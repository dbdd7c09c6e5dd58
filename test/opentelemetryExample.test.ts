import { assert, describe, it } from "@effect/vitest"
import { run } from "./process.ts"
import { root } from "./snippets.ts"

/** Each span's place, name, kind and process, and the code that it ended with. */
const shape = (line: string): string => line.replace(/ +\d+\.\d ms +/, " ").replace(/, \d+ events?/, "")

describe("npm run example:opentelemetry", () => {
  it("prints a trace of three processes, and ends", async () => {
    const { code, stderr, stdout } = await run("npm", ["run", "--silent", "example:opentelemetry"], { cwd: root })
    assert.strictEqual(code, 0, stderr)
    const lines = stdout.trimEnd().split("\n")
    const begin = lines.findIndex((line) => line.includes("spans of"))
    assert.strictEqual(lines[begin], "14 spans of 1 trace:")
    assert.deepStrictEqual(lines.slice(begin + 2).map(shape), [
      "visit (internal) visitor",
      "  Shop/Buy (client) visitor",
      "    Shop/Buy (server) shop",
      "      Warehouse/Pick (client) shop",
      "        Warehouse/Pick (server) warehouse",
      "          walk to the shelf (internal) warehouse",
      "            publish Warehouse/Picked (producer) warehouse",
      "              receive Warehouse/Picked (consumer) visitor",
      "  Shop/Buy (client) visitor, not_found",
      "    Shop/Buy (server) shop, not_found",
      "      Warehouse/Pick (client) shop, not_found",
      "        Warehouse/Pick (server) warehouse, not_found",
      "  Shop/Chat (client) visitor",
      "    Shop/Chat (server) shop"
    ])
  })
})
