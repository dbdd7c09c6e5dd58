import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Attributes from "../packages/core/src/internal/telemetry/attributes.ts"
import { maxEvents } from "../packages/core/src/internal/telemetry/spans.ts"
import { root } from "./snippets.ts"

const text = readFileSync(join(root, "docs/guide/telemetry.md"), "utf8")
const traces = text.slice(text.indexOf("\n## Traces\n"))

/** What the section's tables name, in any of their columns. */
const inTables = new Set(
  traces
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .flatMap((line) => [...line.matchAll(/`((?:rpc|messaging|error)\.[\w.]+)`/g)].map(([, name]) => name!))
)

describe("docs/guide/telemetry.md", () => {
  it("has a table of every attribute and event that spans have, and of no other", () => {
    const names = Object.values(Attributes).filter((value) => typeof value === "string")
    assert.sameMembers(
      [...inTables].filter((name) => name !== "rpc.psrpc.topic.NAME"),
      names
    )
  })

  it("says how many events a span has at most", () => assert.include(traces, `A span has ${maxEvents} events at most`))
})
