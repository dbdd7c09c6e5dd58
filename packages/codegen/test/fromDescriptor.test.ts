// Services from descriptors, held against the generated ones.
import { Client, LocalMessageBus, PsrpcError, Rpc, Server, Service } from "@effect-psrpc/core"
import { createFileRegistry } from "@bufbuild/protobuf"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as KindsPb from "./gen/ts/kinds/service_pb.ts"
import { Kinds } from "./gen/ts/kinds/service_psrpc.ts"
import * as TopicsPb from "./gen/ts/kinds/topics_pb.ts"
import { Topics } from "./gen/ts/kinds/topics_psrpc.ts"
import * as OddPb from "./gen/ts/names/odd_pb.ts"
import { JavaScript, XMyService } from "./gen/ts/names/odd_psrpc.ts"
import * as GrpcPb from "./gen/ts/plain/grpc_pb.ts"
import * as TwirpPb from "./gen/ts/plain/twirp_pb.ts"
import { type Rule, RuleSchema } from "./gen/ts/types/foreign_pb.ts"
import { compile } from "./support.ts"
import { NodeId, Region } from "./topics.ts"

/** What `Kinds` is, stated by hand. */
const kinds = {
  normalRPC: {},
  intensiveRPC: { routing: "affinity" },
  getStats: { kind: "multi" },
  exchangeUpdates: { kind: "stream" },
  exchangeWithBest: { kind: "stream", routing: "affinity" },
  exchangeWithNode: { kind: "stream", topic: ["node"], group: "node", singleServer: true },
  getRegionStats: { kind: "multi", topic: ["topic"] },
  reloadNode: { topic: ["node"], group: "node", singleServer: true },
  getNodeStats: { kind: "multi", topic: ["node"], group: "node" },
  only: { singleServer: true },
  processUpdate: { kind: "subscription" },
  updateRegionState: { kind: "subscription", routing: "multi", topic: ["region", "node"] },
  nodeChanged: { kind: "subscription", topic: ["city"] },
  nothing: {},
  idle: { kind: "stream" }
} as const

const place = { region: Region, nodeId: NodeId }

describe("a service from a descriptor", () => {
  it("is the service that is generated", () => {
    const service = Service.fromDescriptor(KindsPb.Kinds, kinds)
    assert.strictEqual(service.serviceName, "Kinds")
    assert.deepStrictEqual<unknown>(service.methods, Kinds.methods)
    assert.strictEqual(service.methods.normalRPC.request, KindsPb.RequestSchema)
    assert.isUndefined(service.methods.reloadNode.request)
  })

  it("has its topics' types, its errors, and what else is stated", () => {
    const topics = Service.fromDescriptor(TopicsPb.Topics, {
      move: { topic: place },
      moveAll: { kind: "multi", topic: place, group: "nodes" },
      visit: { kind: "stream", topic: place, group: "nodes" },
      moved: { kind: "subscription", topic: { region: Region } },
      plain: { topic: ["region", "class", "default", "constructor"], runToCompletion: true },
      unnamed: { topic: ["topic"], error: PsrpcError.protobuf(RuleSchema, { code: "not_found" }) }
    })
    assert.deepStrictEqual<unknown>(topics.methods.move, Topics.methods.move)
    assert.deepStrictEqual<unknown>(topics.methods.visit, Topics.methods.visit)
    assert.isTrue(topics.methods.plain.runToCompletion)
    assert.isTrue(PsrpcError.isProtobufError(topics.methods.unnamed.error))
  })

  it("has the names of generated services, whatever they mean to JavaScript", () => {
    const methods = Object.keys(JavaScript.methods).map((key) => [key, {}])
    const service = Service.fromDescriptor(OddPb.JavaScript, Object.fromEntries(methods) as never)
    assert.deepStrictEqual<unknown>(service.methods, JavaScript.methods)
    const odd = Object.keys(XMyService.methods).map((key) => [key, {}])
    const other = Service.fromDescriptor(OddPb._my_service, Object.fromEntries(odd) as never)
    assert.strictEqual(other.serviceName, "XMyService")
    assert.deepStrictEqual<unknown>(other.methods, XMyService.methods)
  })

  it("without any of psrpc's options is taken at its word", () => {
    const sizes = Service.fromDescriptor(TwirpPb.Sizes, { size: { kind: "multi", topic: ["region"] } })
    assert.deepStrictEqual(
      sizes.methods.size,
      Rpc.multi({
        name: "Size",
        desc: TwirpPb.Sizes.method.size,
        request: GrpcPb.ChunkSchema,
        response: GrpcPb.ChunkSchema,
        topic: ["region"]
      })
    )
    const upload = Service.fromDescriptor(GrpcPb.Upload, { send: { kind: "stream" }, size: {} })
    assert.strictEqual(upload.methods.send.kind, "stream")
  })

  it.live("is served and called", () =>
    Effect.gen(function* () {
      class Sizes extends Service.fromDescriptor(TwirpPb.Sizes, {
        size: { error: PsrpcError.protobuf(RuleSchema, { code: "not_found", message: ({ text }) => text }) }
      }) {}
      yield* Server.make(Sizes, {
        size: ({ data }): Effect.Effect<{ data: Uint8Array<ArrayBuffer> }, Rule> =>
          data.length === 0
            ? Effect.fail({ $typeName: "acme.types.Rule", text: "empty" })
            : Effect.succeed({ data: new Uint8Array([data.length]) })
      })
      const client = yield* Client.make(Sizes)
      assert.deepStrictEqual([...(yield* client.size({ data: new Uint8Array(7) })).data], [7])
      const error = yield* Effect.flip(client.size({}))
      assert.strictEqual("$typeName" in error ? error.text : error._tag, "empty")
      // who knows nothing of the method's errors finds the same in the details
      const stranger = yield* Client.make(Service.fromDescriptor(TwirpPb.Sizes, { size: {} }))
      const plain = yield* Effect.flip(stranger.size({}))
      assert.strictEqual(plain._tag, "NotFound")
      assert.deepStrictEqual(
        PsrpcError.findDetails(plain, RuleSchema).map(({ text }) => text),
        ["empty"]
      )
    }).pipe(Effect.scoped, Effect.provide(LocalMessageBus.layer))
  )
})

describe("what is stated and is not so", () => {
  const stating = (changes: Record<string, unknown>) => () =>
    Service.fromDescriptor(KindsPb.Kinds, { ...kinds, ...changes } as never)
  const at = (method: string, message: string): string => `service acme.kinds.Kinds, method ${method}: ${message}`
  const differs = (what: string, stated: string, said: string) =>
    `${what} ${stated} is stated, and the .proto says ${said}`

  it.each([
    ["a kind", { getStats: {} }, at("GetStats", differs("the kind", "unary", "multi"))],
    [
      "a kind where there is an option of nothing",
      { nothing: { kind: "multi" } },
      at("Nothing", differs("the kind", "multi", "unary"))
    ],
    [
      "a subscription as a stream",
      { processUpdate: { kind: "stream" } },
      at("ProcessUpdate", differs("the kind", "stream", "subscription"))
    ],
    ["a routing", { intensiveRPC: {} }, at("IntensiveRPC", differs("the routing", "queue", "affinity"))],
    [
      "the routing of a subscription",
      { updateRegionState: { kind: "subscription", topic: ["region", "node"] } },
      at("UpdateRegionState", differs("the routing", "queue", "multi"))
    ],
    [
      "a topic's order",
      { updateRegionState: { kind: "subscription", routing: "multi", topic: ["node", "region"] } },
      at("UpdateRegionState", differs("the topic", "node, region", "region, node"))
    ],
    [
      "a topic where there is none",
      { normalRPC: { topic: ["a"] } },
      at("NormalRPC", differs("the topic", "a", "none"))
    ],
    [
      "no topic where there is one",
      { getRegionStats: { kind: "multi" } },
      at("GetRegionStats", differs("the topic", "none", "topic"))
    ],
    [
      "a topic group",
      { getNodeStats: { kind: "multi", topic: ["node"], group: "nodes" } },
      at("GetNodeStats", differs("the topic group", "nodes", "node"))
    ],
    [
      "no topic group",
      { getNodeStats: { kind: "multi", topic: ["node"] } },
      at("GetNodeStats", differs("the topic group", "none", "node"))
    ],
    [
      "a single server",
      { normalRPC: { singleServer: true } },
      at("NormalRPC", differs("singleServer", "true", "false"))
    ],
    ["no single server", { only: {} }, at("Only", differs("singleServer", "false", "true"))],
    ["a method that is not there", { more: {} }, "service acme.kinds.Kinds has no method more"]
  ])("%s", (_, changes, message) => {
    assert.throws(stating(changes), TypeError, message)
  })

  it("nothing of a method", () => {
    const { normalRPC: _, ...others } = kinds
    assert.throws(
      () => Service.fromDescriptor(KindsPb.Kinds, others as never),
      TypeError,
      at("NormalRPC", "its kind is not stated, as normalRPC")
    )
  })

  it("options that contradict each other", async () => {
    const { set } = await compile({
      "svc.proto": `syntax = "proto3";
        package acme;
        import "options.proto";
        message M {}
        service Svc { rpc One(M) returns (M) { option (psrpc.options) = {stream: true subscription: true}; } }`
    })
    const service = createFileRegistry(set).getService("acme.Svc")!
    assert.throws(
      () => Service.fromDescriptor(service, { one: { kind: "stream" } } as never),
      TypeError,
      "service acme.Svc, method One: stream and subscription exclude each other"
    )
  })

  it("a method with the keyword stream that is no stream", () => {
    assert.throws(
      () => Service.fromDescriptor(GrpcPb.Upload, { send: {}, size: {} }),
      TypeError,
      "service acme.plain.Upload, method Send: has the keyword stream, and is stated to be unary"
    )
  })
})
