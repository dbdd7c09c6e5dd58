import { assert, beforeAll, describe, it } from "@effect/vitest"
import { type Compiled, compile, runPlugin } from "./support.ts"

const head = (name: string): string =>
  `syntax = "proto3";\n\npackage ${name};\n\nimport "options.proto";\n\nmessage M {}\n`

const files = {
  "grpc.proto": `${head("grpc")}
service Upload {
  rpc Send(stream M) returns (M);
  rpc Size(M) returns (M);
}
`,
  "mixed.proto": `${head("mixed")}
service Watch { rpc Watch(M) returns (stream M); }
service Plain { rpc Call(M) returns (M); }
service Marked {
  rpc Call(M) returns (M) {
    option (psrpc.options) = {topics: true topic_params: {names: "region" typed: true}};
  }
}
service AlsoMarked {
  rpc Call(M) returns (M) {
    option (psrpc.options) = {topics: true topic_params: {names: ["region", "node"] typed: true}};
  }
}
`,
  "deep/er/deep.proto": `${head("deep")}
service Deep {
  rpc Call(M) returns (M) {
    option (psrpc.options) = {topics: true topic_params: {names: "node_id" typed: true}};
  }
}
`
}

let compiled: Compiled

beforeAll(async () => {
  compiled = await compile(files)
})

/** The classes that a run with an option makes. */
const classes = (...options: ReadonlyArray<string>): ReadonlyArray<string> =>
  Object.values(runPlugin(compiled, ["target=ts", ...options].join()).files).flatMap((text) =>
    [...text.matchAll(/^export class (\w+) extends Service/gm)].map(([, name]) => name!)
  )

describe("services", () => {
  it("of gRPC alone are skipped, with a note each", () => {
    assert.deepStrictEqual(classes(), ["Deep", "Plain", "Marked", "AlsoMarked"])
    const why = "is skipped: it has the keyword stream and none of psrpc's options"
    assert.deepStrictEqual(runPlugin(compiled).notes, [
      `grpc.proto:9: service grpc.Upload ${why}`,
      `mixed.proto:9: service mixed.Watch ${why}`
    ])
  })

  it("are those that are named, and of the others nothing is said", () => {
    assert.deepStrictEqual(classes("services=mixed.Marked"), ["Marked"])
    assert.deepStrictEqual(classes("services=mixed.Marked+deep.Deep"), ["Deep", "Marked"])
    assert.deepStrictEqual(classes("services=mixed.Marked", "services=deep.Deep"), ["Deep", "Marked"])
    assert.deepStrictEqual(runPlugin(compiled, "services=mixed.Marked").notes, [])
  })

  it("that are named and have the keyword stream are contradictions", () => {
    const { error, files } = runPlugin(compiled, "services=grpc.Upload")
    assert.strictEqual(
      error,
      "grpc.proto:10: service grpc.Upload, method Send: has the keyword stream, which psrpc does not use: " +
        "its streams have the option stream = true"
    )
    assert.deepStrictEqual(files, {})
  })

  it("that are named and are nowhere are noted", () => {
    const { files, notes } = runPlugin(compiled, "services=mixed.Markt")
    assert.deepStrictEqual(files, {})
    assert.deepStrictEqual(notes, ["services: no file of this run has mixed.Markt"])
    const schemas = runPlugin(compiled, "topic_schemas=mixed.Markt:./topics.js,topic_schemas=mixed.Marked:./topics.js")
    assert.include(schemas.notes, "topic_schemas: no file of this run has mixed.Markt")
    assert.lengthOf(schemas.notes, 3)
  })

  it("that are named and are only imported are noted", async () => {
    const user = `syntax = "proto3";\nimport "mixed.proto";\nservice User { rpc Call(mixed.M) returns (mixed.M); }\n`
    const { names, set } = await compile({ ...files, "user.proto": user })
    const answer = runPlugin({ names: names.filter((name) => name === "user.proto"), set }, "services=mixed.Plain")
    assert.deepStrictEqual(answer.files, {})
    assert.deepStrictEqual(answer.notes, [
      "services: mixed.Plain is in mixed.proto, which is not generated in this run"
    ])
  })
})

describe("typed topics", () => {
  const text = (file: string, ...options: ReadonlyArray<string>): string =>
    runPlugin(compiled, ["target=ts", "import_extension=ts", ...options].join()).files[file]!

  it("are plain strings without a module of Schemas", () => {
    assert.include(text("mixed_psrpc.ts"), 'topic: ["region", "node"]')
    assert.include(text("deep/er/deep_psrpc.ts"), 'topic: ["nodeId"]')
  })

  it("are of the module's Schemas, which have the names of the parameters", () => {
    const mixed = text("mixed_psrpc.ts", "topic_schemas=./topics.js")
    assert.include(mixed, 'import { Node, Region } from "./topics.ts";')
    assert.include(mixed, "topic: { region: Region, node: Node }")
    const deep = text("deep/er/deep_psrpc.ts", "topic_schemas=./topics.js")
    assert.include(deep, 'import { NodeId } from "../../topics.ts";')
    assert.include(deep, "topic: { nodeId: NodeId }")
  })

  it.each([
    ["../topics", "../../../topics.ts"],
    ["../topics.ts", "../../../topics.ts"],
    ["./lib/topics.js", "../../lib/topics.ts"],
    ["..\\lib\\topics.ts", "../../../lib/topics.ts"],
    ["@acme/topics", "@acme/topics"],
    ["#topics", "#topics"],
    ["@acme/topics/index.js", "@acme/topics/index.js"]
  ])("of the module %s are imported from %s", (module, imported) => {
    assert.include(text("deep/er/deep_psrpc.ts", `topic_schemas=${module}`), `from "${imported}";`)
  })

  it("of a service with a module of its own are of that", () => {
    const mixed = text("mixed_psrpc.ts", "topic_schemas=./topics.js", "topic_schemas=mixed.AlsoMarked:./other.js")
    assert.include(
      mixed,
      'import { Region } from "./topics.ts";\nimport { Node, Region as Region$1 } from "./other.ts";'
    )
    assert.include(mixed, "topic: { region: Region$1, node: Node }")
    const alone = text("mixed_psrpc.ts", "topic_schemas=mixed.AlsoMarked:@acme/other")
    assert.include(alone, 'topic: ["region"]')
    assert.include(alone, "topic: { region: Region, node: Node }")
  })
})

describe("options", () => {
  it.each([
    ["foo=1", 'invalid option "foo=1": unknown option foo'],
    ["services=", 'invalid option "services=": "" is not the full name of a service'],
    ["services=a+.b", 'invalid option "services=a+.b": ".b" is not the full name of a service'],
    ["topic_schemas=", 'invalid option "topic_schemas=": topic_schemas needs a module, for example ../topics.js'],
    ["topic_schemas=a.B:", 'invalid option "topic_schemas=a.B:": topic_schemas needs a module'],
    ["topic_schemas=a,topic_schemas=b", "two modules of topic_schemas for all services"],
    ["topic_schemas=a.B:a,topic_schemas=a.B:b", "two modules of topic_schemas for a.B"],
    ["target=rust", 'invalid option "target=rust"']
  ])("%s is refused", (option, message) => {
    assert.throws(() => runPlugin(compiled, option), message)
  })

  it("of the ecosystem do what they do", () => {
    const run = (...options: ReadonlyArray<string>) =>
      runPlugin(compiled, ["services=mixed.Plain", ...options].join()).files
    assert.include(run("target=ts")["mixed_psrpc.ts"], 'from "./mixed_pb";')
    assert.include(run("target=ts", "import_extension=js")["mixed_psrpc.ts"], 'from "./mixed_pb.js";')
    assert.include(run("target=ts", "ts_nocheck=true")["mixed_psrpc.ts"], "// @ts-nocheck")
    assert.notInclude(run("target=ts", "elide_plugin_version=true")["mixed_psrpc.ts"], "effect v")
    assert.include(
      run("target=ts", "map_imports=mixed.proto:@acme/protos")["mixed_psrpc.ts"],
      '"@acme/protos/mixed_pb.js"'
    )
    assert.deepStrictEqual(Object.keys(run()), ["mixed_psrpc.js", "mixed_psrpc.d.ts"])
    const common = run("target=js", "js_import_style=legacy_commonjs")["mixed_psrpc.js"]!
    assert.include(common, 'const { Client, Rpc, Service } = require("@effect-psrpc/core");')
    assert.include(common, "exports.Plain = Plain;\nexports.PlainClient = PlainClient;")
  })
})
