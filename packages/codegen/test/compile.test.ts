// What is generated compiles, for TypeScript and as JavaScript with declarations, and runs.
import { assert, describe, it } from "@effect/vitest"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type Finished, inFolder, packageFolder, program, root, run, writeFiles } from "./support.ts"

/** In the tree, where packages are found, and from their sources. */
const inTree = <A>(use: (folder: string) => Promise<A>): Promise<A> => inFolder(use, packageFolder)

const compilerOptions = {
  target: "es2024",
  module: "nodenext",
  types: ["node"],
  customConditions: ["@effect-psrpc/source"],
  noEmit: true,
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noUnusedLocals: true,
  noImplicitOverride: true,
  isolatedModules: true,
  erasableSyntaxOnly: true,
  verbatimModuleSyntax: true,
  allowImportingTsExtensions: true,
  skipLibCheck: false
}

/** Compiles what there is in a folder. */
const tsc = (folder: string, options: object = {}, include: ReadonlyArray<string> = ["**/*.ts"]): Promise<Finished> => {
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ compilerOptions: { ...compilerOptions, ...options }, include })
  )
  return run("tsc", ["-p", folder, "--pretty", "false"], root)
}

const succeeds = ({ code, stderr, stdout }: Finished): void => {
  assert.strictEqual(stdout, "")
  assert.strictEqual(code, 0, stderr)
}

/** Runs a program in a folder. */
const node = (folder: string, file: string): Promise<Finished> =>
  run("node", ["--conditions=@effect-psrpc/source", file], folder)

const topics = readFileSync(join(packageFolder, "test/topics.ts"), "utf8")
const protos = join(packageFolder, "test/proto")
const topicOptions = ["--topic-schemas", "../topics.js", "--topic-schemas", "acme.kinds.OtherTopics:../otherTopics.js"]

/** A program that calls a generated service; `imports` is how it gets at what it needs. */
const calls = (imports: string): string => `${imports}
const KindsLive = Server.layer(Service.pick(Kinds, "normalRPC"), {
  normalRPC: ({ text }) => Effect.succeed({ text: "Hello " + text })
})
const program = Effect.gen(function* () {
  const kinds = yield* KindsClient
  return (yield* kinds.normalRPC({ text: "Ada" })).text
})
const Live = Layer.merge(KindsLive, KindsClient.layer).pipe(Layer.provide(LocalMessageBus.layer))
Effect.runPromise(Effect.provide(program, Live)).then(console.log)
`

const core = "LocalMessageBus, Server, Service"

describe("generated code", () => {
  it("of the whole set compiles in strict mode, from sources that are only stripped of types", async () => {
    succeeds(await inTree((folder) => tsc(folder, {}, ["../test/gen/ts/**/*.ts"])))
  })

  it("as JavaScript with declarations has the types of the TypeScript, and runs", { timeout: 120_000 }, async () => {
    await inTree(async (folder) => {
      writeFiles(folder, {
        "topics.ts": topics,
        "otherTopics.ts": topics,
        "main.ts": calls(`import { ${core} } from "@effect-psrpc/core"
import { Effect, Layer } from "effect"
import { Kinds, KindsClient } from "./js/kinds/service_psrpc.js"`),
        "same.ts": `import type { Client, Service } from "@effect-psrpc/core"
import type * as JsKinds from "./js/kinds/service_psrpc.js"
import type * as JsTopics from "./js/kinds/topics_psrpc.js"
import type * as JsOdd from "./js/names/odd_psrpc.js"
import type * as TsKinds from "./ts/kinds/service_psrpc.ts"
import type * as TsTopics from "./ts/kinds/topics_psrpc.ts"
import type * as TsOdd from "./ts/names/odd_psrpc.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(equal: Equal<A, B>): boolean => equal

// messages are declared twice, and are the same but for that
type Messages = "request" | "response" | "send" | "receive" | "message"
// what returns the method itself returns its messages
type Shape<M> = { readonly [K in keyof M]: Omit<M[K], Messages | "annotate" | "annotateMerge"> }
type Of<S> = Shape<Service.Methods<S>>
same<Of<typeof JsKinds.Kinds>, Of<typeof TsKinds.Kinds>>(true)
same<Of<typeof JsTopics.Topics>, Of<typeof TsTopics.Topics>>(true)
same<Of<typeof JsTopics.Region>, Of<typeof TsTopics.Region>>(true)
same<Of<typeof JsOdd.JavaScript>, Of<typeof TsOdd.JavaScript>>(true)
same<(typeof JsKinds.Kinds)["serviceName"], "Kinds">(true)
same<(typeof JsKinds.KindsClient)["key"], "acme.kinds/KindsClient">(true)

// what classes extend is nobody's
// @ts-expect-error it is not exported
export type Base = typeof JsKinds.Kinds_base

export const js: Client.From<typeof TsKinds.Kinds> = null as never as (typeof JsKinds.KindsClient)["Service"]
export const ts: (typeof JsKinds.KindsClient)["Service"] = null as never as Client.From<typeof TsKinds.Kinds>
`
      })
      for (const args of [
        ["--out", "js", "--target", "js+dts"],
        ["--out", "ts"]
      ]) {
        assert.strictEqual((await program([protos, ...args, ...topicOptions], folder)).code, 0)
      }
      succeeds(await tsc(folder))
      const { stderr, stdout } = await node(folder, "main.ts")
      assert.strictEqual(stdout, "Hello Ada\n", stderr)
    })
  })

  it("as CommonJS runs", async () => {
    await inTree(async (folder) => {
      writeFiles(folder, {
        "package.json": JSON.stringify({ type: "commonjs" }),
        "main.js": calls(`const { ${core} } = require("@effect-psrpc/core")
const { Effect, Layer } = require("effect")
const { Kinds, KindsClient } = require("./gen/kinds/service_psrpc.js")`)
      })
      const options = ["--target", "js", "--opt", "js_import_style=legacy_commonjs"]
      assert.strictEqual((await program([protos, ...options], folder)).code, 0)
      const { stderr, stdout } = await node(folder, "main.js")
      assert.strictEqual(stdout, "Hello Ada\n", stderr)
    })
  })

  it("of 30 services with 20 methods each is little work for the compiler", { timeout: 180_000 }, async () => {
    await inTree(async (folder) => {
      const kinds = [
        "",
        "type: AFFINITY",
        "type: MULTI topics: true",
        "stream: true",
        'subscription: true topics: true topic_params: { names: ["region", "node"] }',
        'topics: true topic_params: { names: "node" group: "node" single_server: true }'
      ]
      const methods = Array.from(
        { length: 20 },
        (_, i) =>
          `  rpc Method${i}(Request) returns (Response) { option (psrpc.options) = { ${kinds[i % kinds.length]} }; }`
      )
      const services = Array.from({ length: 30 }, (_, i) => `Large${i}`)
      const texts = services.map((name) => `service ${name} {\n${methods.join("\n")}\n}\n`)
      const messages = "message Request { string text = 1; }\nmessage Response { string text = 1; }\n"
      const uses = services.map(
        (name) => `export const use${name} = Effect.gen(function* () {
  const client = yield* ${name}Client
  const answer = yield* client.method0({ text: "" })
  yield* client.method5({ text: answer.text }, { topic: { node: "n" } })
  return Client.successes(client.method2({}, { topic: { topic: "t" } }))
})
export const layer${name} = Server.layer(${name}, {
  ...Server.unimplemented(${name}),
  method0: ({ text }) => Effect.succeed({ text }),
  method5: ({ text }, call) => Effect.succeed({ text: text + call.topic.node })
})`
      )
      const names = services.flatMap((name) => [name, `${name}Client`])
      writeFiles(folder, {
        "proto/large.proto": `syntax = "proto3";\nimport "options.proto";\n${messages}${texts.join("\n")}`,
        "main.ts": `import { Client, Server } from "@effect-psrpc/core"
import { Effect } from "effect"
import { ${names.join(", ")} } from "./gen/large_psrpc.ts"
${uses.join("\n")}
`,
        "nothing/main.ts":
          'import { Client, Server } from "@effect-psrpc/core"\nimport { Effect } from "effect"\nexport { Client, Effect, Server }\n'
      })
      const generated = await program(["proto"], folder)
      assert.strictEqual(generated.code, 0, generated.stderr)
      /** The number of types that the compiler has instantiated: its work, whatever the machine does besides. */
      const instantiations = async (include: string): Promise<number> => {
        const { code, stdout } = await tsc(folder, { extendedDiagnostics: true }, [include])
        assert.strictEqual(code, 0, stdout)
        return Number(/^Instantiations:\s+(\d+)$/m.exec(stdout)?.[1])
      }
      const nothing = await instantiations("nothing/*.ts")
      const all = await instantiations("main.ts")
      console.log(`30 services of 20 methods: ${all} instantiations, ${nothing} without them`)
      // about 290 for each method
      assert.isBelow((all - nothing) / 600, 1000)
    })
  })
})
