import { assert, describe, it } from "@effect/vitest"
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { busRooms, rooms, testRooms } from "../rooms.ts"
import { run } from "./process.ts"

const root = join(import.meta.dirname, "..")

/** Lints a small tree with the configuration of the repository. Returns the problems, one a line. */
const lint = async (files: Readonly<Record<string, string>>): Promise<ReadonlyArray<string>> => {
  const folder = mkdtempSync(join(tmpdir(), "rooms-"))
  try {
    for (const name of ["oxlint.config.ts", "rooms.ts", "package.json"]) cpSync(join(root, name), join(folder, name))
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"))
    for (const [path, text] of Object.entries(files)) {
      const file = join(folder, "packages/core/src", path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, text)
    }
    const { code, stderr, stdout } = await run("oxlint", ["--format=unix", "packages"], {
      cwd: folder,
      env: { PATH: `${join(root, "node_modules/.bin")}:${process.env["PATH"]}` }
    })
    const problems = stdout.split("\n").filter((line) => line.startsWith("packages/"))
    assert.strictEqual(problems.length > 0, code === 1, stdout + stderr)
    return problems
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const call = (name: string) => `export interface ${name} {\n  readonly name: string\n}\n`
const using = (name: string, from: string) =>
  `import type { ${name} } from "${from}"\n\nexport interface Using {\n  readonly it: ${name}\n}\n`

describe("rooms of core", () => {
  it("an import from a lower room passes", async () => {
    assert.deepStrictEqual(
      await lint({
        "internal/errors/low.ts": call("Low"),
        "internal/client/high.ts": using("Low", "../errors/low.ts"),
        "Client.ts": using("Low", "./internal/errors/low.ts"),
        "internal/telemetry/metrics/deep.ts": using("Low", "../../errors/low.ts")
      }),
      []
    )
  })

  it("an import from a higher room, of a type alone, is refused", async () => {
    const problems = await lint({
      "internal/client/high.ts": call("High"),
      "internal/errors/low.ts": using("High", "../client/high.ts"),
      "internal/telemetry/metrics/deep.ts": using("High", "../../client/high.ts")
    })
    assert.strictEqual(problems.length, 2, problems.join("\n"))
    for (const problem of problems)
      assert.match(problem, /errors\/low\.ts.*no-restricted|metrics\/deep\.ts.*no-restricted/)
  })

  it("rooms in one row do not import each other", async () => {
    const problems = await lint({
      "internal/client/left.ts": call("Left"),
      "internal/server/right.ts": using("Left", "../client/left.ts")
    })
    assert.strictEqual(problems.length, 1, problems.join("\n"))
    assert.match(problems[0]!, /server\/right\.ts.*no-restricted-imports/)
  })

  it("a room imports no public module above it, and no entry point", async () => {
    const problems = await lint({
      "Client.ts": call("Client"),
      "broker/Limits.ts": call("Limits"),
      "internal/retry/a.ts": using("Client", "../../Client.ts"),
      "internal/retry/b.ts": using("Limits", "../../broker/Limits.ts"),
      "internal/client/high.ts": call("High"),
      "Rpc.ts": using("High", "./internal/client/high.ts")
    })
    assert.strictEqual(problems.length, 3, problems.join("\n"))
    for (const problem of problems) assert.include(problem, "no-restricted-imports")
  })

  it("a room of an entry point for tests imports from lower rooms of its entry point", async () => {
    const files = {
      "testing/internal/faultyBus/low.ts": call("Low"),
      "testing/FaultyMessageBus.ts": using("Low", "./internal/faultyBus/low.ts"),
      "testing/internal/testNetwork/high.ts": using("Low", "../faultyBus/low.ts"),
      "broker/testing/internal/harness/low.ts": call("Low"),
      "broker/testing/internal/busSuite/high.ts": using("Low", "../harness/low.ts"),
      "broker/testing/MessageBusSuite.ts": using("Low", "./internal/harness/low.ts")
    }
    assert.deepStrictEqual(await lint(files), [])
    const reexport = (from: string) => `export type { Using } from "${from}"\n`
    const problems = await lint({
      ...files,
      "testing/internal/faultyBus/a.ts": reexport("../../FaultyMessageBus.ts"),
      "testing/internal/faultyBus/b.ts": reexport("../testNetwork/high.ts"),
      "broker/testing/internal/harness/c.ts": reexport("../busSuite/high.ts"),
      "broker/testing/internal/serviceSuite/d.ts": reexport("../busSuite/high.ts"),
      "broker/testing/internal/busSuite/e.ts": reexport("../../../../testing/FaultyMessageBus.ts"),
      "testing/PsrpcTest.ts": reexport("../broker/testing/MessageBusSuite.ts")
    })
    const refused = new Set(problems.map((problem) => /(\w+)\.ts/.exec(problem)?.[1]))
    assert.deepStrictEqual([...refused].sort(), ["PsrpcTest", "a", "b", "c", "d", "e"], problems.join("\n"))
    for (const problem of problems) assert.include(problem, "no-restricted-imports")
  })

  it("a room of a bus imports from lower rooms of its package", async () => {
    const nats = "../../nats/src/internal"
    const files = {
      "Client.ts": call("Client"),
      [`${nats}/connection/low.ts`]: call("Low"),
      [`${nats}/publishing/high.ts`]: using("Low", "../connection/low.ts"),
      [`${nats}/bus.ts`]: using("Low", "./publishing/high.ts"),
      [`${nats}/../NatsMessageBus.ts`]: using("Low", "./internal/bus.ts")
    }
    assert.deepStrictEqual(await lint(files), [])
    const reexport = (from: string) => `export type { Using } from "${from}"\n`
    const problems = await lint({
      ...files,
      [`${nats}/connection/a.ts`]: reexport("../publishing/high.ts"),
      [`${nats}/subjects/b.ts`]: reexport("../options/high.ts"),
      [`${nats}/receiving/c.ts`]: reexport("../bus.ts"),
      [`${nats}/receiving/d.ts`]: reexport("../../NatsMessageBus.ts"),
      [`${nats}/receiving/e.ts`]: reexport("../publishing/high.ts")
    })
    const refused = problems.map((problem) => /(\w+)\.ts/.exec(problem)?.[1])
    assert.deepStrictEqual(refused.sort(), ["a", "b", "c", "d"], problems.join("\n"))
    for (const problem of problems) assert.include(problem, "no-restricted-imports")
  })

  it("nothing outside the wire room imports its reader or its writer", async () => {
    const problems = await lint({
      "internal/wire/reader.ts": call("Reader"),
      "internal/wire/writer.ts": call("Writer"),
      "internal/wire/envelope.ts": using("Reader", "./reader.ts"),
      "internal/stream/endpoint.ts": using("Reader", "../wire/reader.ts"),
      "Client.ts": using("Writer", "./internal/wire/writer.ts"),
      "broker/Outbox.ts": using("Writer", "../internal/wire/writer.ts")
    })
    assert.strictEqual(problems.length, 3, problems.join("\n"))
    for (const problem of problems) assert.match(problem, /wire\/(reader|writer).*no-restricted-imports/)
  })

  it("a cycle of imports is refused, of types alone too", async () => {
    const problems = await lint({
      "internal/client/a.ts": `import type { B } from "./b.ts"\n\nexport interface A {\n  readonly b: B\n}\n`,
      "internal/client/b.ts": `import type { A } from "./a.ts"\n\nexport interface B {\n  readonly a: A\n}\n`
    })
    assert.strictEqual(problems.length, 2, problems.join("\n"))
    for (const problem of problems) assert.include(problem, "import(no-cycle)")
  })

  it("every room is in the table, and every room in the table is there", () => {
    const there = readdirSync(join(root, "packages/core/src/internal"))
    assert.deepStrictEqual(
      rooms
        .flat()
        .filter((room) => !/^[A-Z]/.test(room))
        .sort(),
      there.sort()
    )
  })

  it("every room of the entry points for tests is in their table, and is described", () => {
    const folders = ["testing/internal", "broker/testing/internal"].flatMap((folder) =>
      readdirSync(join(root, "packages/core/src", folder)).map((room) => `${folder}/${room}`)
    )
    const listed = testRooms.flat().filter((room) => room.includes("/internal/"))
    assert.deepStrictEqual(listed.sort(), folders.sort())
    const text = readFileSync(join(root, "docs/architecture.md"), "utf8")
    for (const room of listed) assert.include(text, `| \`${room}\` | `)
  })

  it("every room of the buses is in their table, and is described", () => {
    const text = readFileSync(join(root, "docs/architecture.md"), "utf8")
    for (const [bus, rows] of Object.entries(busRooms)) {
      const folders = readdirSync(join(root, "packages", bus, "src/internal"), { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name)
      assert.deepStrictEqual(rows.flat().sort(), folders.sort())
      for (const room of folders) assert.include(text, `| \`${bus}/${room}\` | `)
    }
  })

  it("docs/architecture.md draws the rooms in their order, and describes each", () => {
    const text = readFileSync(join(root, "docs/architecture.md"), "utf8")
    const [, picture] = /```mermaid\nflowchart BT\n([\s\S]*?)```/.exec(text)!
    const drawn = [...picture!.matchAll(/\["(.+)"\]/g)].map(([, label]) => label!.split(", "))
    const rows = rooms.map((row) => row.filter((room) => !/^[A-Z]/.test(room))).filter((row) => row.length > 0)
    assert.deepStrictEqual(drawn, [...rows, ["public modules"]])
    const described = [...text.matchAll(/^\| `(\w+)` \| /gm)].map(([, room]) => room)
    assert.deepStrictEqual(described, rows.flat())
  })

  it("docs/architecture.md names files that are there", () => {
    const text = readFileSync(join(root, "docs/architecture.md"), "utf8")
    const named = [...text.matchAll(/`((?:\.\.\/|[a-z]\w*\/)[\w/]+\.ts)`/g)].map(([, file]) => file!)
    assert.isAtLeast(named.length, 10)
    const isThere = (file: string) =>
      existsSync(join(root, "packages/core/src/internal", file)) || existsSync(join(root, file))
    assert.deepStrictEqual(
      named.filter((file) => !isThere(file)),
      []
    )
  })

  it("no two files of the rooms have one name", () => {
    const names = readdirSync(join(root, "packages/core/src/internal"), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts") && !path.startsWith("gen/"))
      .map((path) => basename(path))
      .sort()
    assert.deepStrictEqual(
      names.filter((name, index) => name === names[index - 1]),
      []
    )
  })
})
