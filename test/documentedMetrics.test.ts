// The table of metrics in the documentation says what there is, and nothing else.
import { Telemetry } from "@effect-psrpc/core"
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "./snippets.ts"

const cellsOf = (row: string): ReadonlyArray<string> =>
  row
    .slice(1, -1)
    .split("|")
    .map((cell) => cell.trim())

const units = { s: "seconds", By: "bytes" }

describe("docs/guide/telemetry.md", () => {
  const lines = readFileSync(join(root, "docs/guide/telemetry.md"), "utf8").split("\n")

  it("has each metric, with its type, unit, attributes and meaning", () => {
    const head = lines.indexOf("| name | type | unit | attributes | meaning |")
    assert.isAtLeast(head, 0)
    const rows = lines.slice(head + 2, lines.indexOf("", head)).map(cellsOf)
    assert.deepStrictEqual(
      rows,
      Telemetry.metrics.map(({ attributes, description, name, type, unit }) => [
        `\`${name}\``,
        type,
        unit === undefined ? "" : units[unit],
        attributes.map((attribute) => `\`${attribute}\``).join(", "),
        description
      ])
    )
  })

  it("has a meaning for each reason of a drop", () => {
    const head = lines.indexOf("| reason | dropped message |")
    const reasons = lines.slice(head + 2, lines.indexOf("", head)).map((row) => cellsOf(row)[0])
    const source = readFileSync(join(root, "packages/core/src/internal/telemetry/drops.ts"), "utf8")
    const declared = source.slice(source.indexOf("export type DropReason"), source.indexOf("export type Drops"))
    const known = [...declared.matchAll(/^ {2}\| "(\w+)"$/gm)].map(([, reason]) => `\`${reason}\``)
    assert.isAtLeast(known.length, 8)
    assert.sameMembers(reasons as Array<string>, [...known, "`unlocked`", "`no_route`"])
  })
})
