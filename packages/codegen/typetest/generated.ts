// What the compiler knows of generated services, of declarations that are generated, and of services from descriptors.
import type { EmptySchema } from "@bufbuild/protobuf/wkt"
import { type Client, type PsrpcError, Rpc, type Server, Service } from "@effect-psrpc/core"
import { type Effect, Schema, type Scope, type Stream } from "effect"
import * as IdempotentPb from "../test/gen/ts/kinds/idempotent_pb.ts"
import * as KindsPb from "../test/gen/ts/kinds/service_pb.ts"
import { Kinds, type KindsClient } from "../test/gen/ts/kinds/service_psrpc.ts"
import * as TopicsPb from "../test/gen/ts/kinds/topics_pb.ts"
import type { Topics } from "../test/gen/ts/kinds/topics_psrpc.ts"
import * as OddPb from "../test/gen/ts/names/odd_pb.ts"
import type { JavaScript } from "../test/gen/ts/names/odd_psrpc.ts"
import * as EmptyPb from "../test/gen/ts/sets/empty_service_pb.ts"
import { NodeId, Region } from "../test/topics.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(equal: Equal<A, B>): boolean => equal

type Request = typeof KindsPb.RequestSchema
type Response = typeof KindsPb.ResponseSchema

// Methods have the types that Rpc gives those that are written by hand.
const normalRPC = Rpc.unary({ name: "NormalRPC", request: KindsPb.RequestSchema, response: KindsPb.ResponseSchema })
same<typeof Kinds.methods.normalRPC, typeof normalRPC>(true)
same<
  typeof Kinds.methods.intensiveRPC,
  Rpc.Unary<{
    readonly request: Request
    readonly response: Response
    readonly error: undefined
    readonly topic: readonly []
    readonly routing: "affinity"
    readonly singleServer: false
    readonly group: undefined
  }>
>(true)
same<
  typeof Kinds.methods.reloadNode,
  Rpc.Unary<{
    readonly request: undefined
    readonly response: undefined
    readonly error: undefined
    readonly topic: readonly ["node"]
    readonly routing: "queue"
    readonly singleServer: true
    readonly group: "node"
  }>
>(true)
same<
  typeof Kinds.methods.idle,
  Rpc.Stream<{
    readonly send: typeof EmptySchema
    readonly receive: typeof EmptySchema
    readonly topic: readonly []
    readonly routing: "queue"
    readonly singleServer: false
    readonly group: undefined
  }>
>(true)

// Clients have the types of what is called.
declare const client: typeof KindsClient.Service
export const asFrom: Client.From<typeof Kinds> = client
const answer: Effect.Effect<KindsPb.Response, PsrpcError.PsrpcError> = client.normalRPC({ text: "" })
same<typeof answer, ReturnType<typeof client.normalRPC>>(true)
same<ReturnType<typeof client.reloadNode>, Effect.Effect<void, PsrpcError.PsrpcError>>(true)
client.reloadNode({ topic: { node: "n1" } })
// @ts-expect-error no such field
client.normalRPC({ txt: "" })
// @ts-expect-error the topic is missing
client.getRegionStats({})
type Updates = Effect.Effect<Stream.Stream<KindsPb.Update, PsrpcError.PsrpcError>, PsrpcError.PsrpcError, Scope.Scope>
same<ReturnType<typeof client.processUpdate>, Updates>(true)

// Handlers too.
type Handlers = Server.Handlers<Service.Methods<typeof Kinds>>
same<Extract<keyof Handlers, "processUpdate" | "only">, "processUpdate" | "only">(true)
// @ts-expect-error handlers are missing
Kinds.of({})
same<Server.GroupOf<Service.Methods<typeof Topics>>, "nodes">(true)

// A service from a descriptor is what is generated of it.
const kinds = Service.fromDescriptor(KindsPb.Kinds, {
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
})
declare const made: Client.From<typeof kinds>
export const assigned: typeof client = made
export const assignedBack: typeof made = client
same<ReturnType<typeof made.reloadNode>, Effect.Effect<void, PsrpcError.PsrpcError>>(true)
made.updateRegionState({ topic: { region: "eu", node: "n1" } })
// @ts-expect-error no such parameter
made.updateRegionState({ topic: { region: "eu", city: "n1" } })
// @ts-expect-error a single server is not chosen
made.only({}, { selection: undefined })

const place = { region: Region, nodeId: NodeId }
const topics = Service.fromDescriptor(TopicsPb.Topics, {
  move: { topic: place },
  moveAll: { kind: "multi", topic: place, group: "nodes" },
  visit: { kind: "stream", topic: place, group: "nodes" },
  moved: { kind: "subscription", topic: { region: Region } },
  plain: { topic: ["region", "class", "default", "constructor"] },
  unnamed: { topic: ["topic"] }
})
declare const mover: Client.From<typeof topics>
mover.move({}, { topic: { region: "eu", nodeId: NodeId.make("n1") } })
// @ts-expect-error not of the brand
mover.move({}, { topic: { region: "eu", nodeId: "n1" } })

// @ts-expect-error methods are missing
Service.fromDescriptor(KindsPb.Kinds, { normalRPC: {} })
// @ts-expect-error no such kind
Service.fromDescriptor(OddPb.Echo, { echo: { kind: "unari" } })
// @ts-expect-error a single server sends no claim to compare
Service.fromDescriptor(OddPb.Echo, { echo: { singleServer: true, routing: "affinity" } })
// @ts-expect-error no such method
Service.fromDescriptor(OddPb.Echo, { echo: {}, eco: {} })
// @ts-expect-error a multi method has no routing
Service.fromDescriptor(OddPb.Echo, { echo: { kind: "multi", routing: "affinity" } })
// @ts-expect-error a subscription has no group
Service.fromDescriptor(OddPb.Echo, { echo: { kind: "subscription", group: "g" } })
// @ts-expect-error not a tagged error
Service.fromDescriptor(OddPb.Echo, { echo: { error: Schema.Struct({ a: Schema.String }) } })
// @ts-expect-error a parameter that has no place in an order
Service.fromDescriptor(OddPb.Echo, { echo: { topic: { 1: Schema.String } } })
Service.fromDescriptor(OddPb.JavaScript, {
  ...({} as Service.Kinds<typeof OddPb.JavaScript>),
  // @ts-expect-error the topics of the group differ
  name: { topic: ["a"], group: "g" },
  // @ts-expect-error the topics of the group differ
  length: { topic: ["b"], group: "g" }
})
Service.fromDescriptor(EmptyPb.Empty, {})
same<keyof typeof JavaScript.methods, keyof Service.Kinds<typeof OddPb.JavaScript>>(true)

// What may be repeated may be stated of all that is called, and of nothing else.
const repeatable = {
  put: { routing: "affinity" },
  add: { idempotent: true },
  readAll: { kind: "multi", idempotent: true },
  watch: { kind: "stream", idempotent: true }
} as const
Service.fromDescriptor(IdempotentPb.Repeatable, { ...repeatable, read: {}, changed: { kind: "subscription" } })
Service.fromDescriptor(IdempotentPb.Repeatable, {
  ...repeatable,
  read: {},
  // @ts-expect-error a subscription is not called
  changed: { kind: "subscription", idempotent: true }
})
Service.fromDescriptor(IdempotentPb.Repeatable, {
  ...repeatable,
  // @ts-expect-error true or false
  read: { idempotent: "yes" },
  changed: { kind: "subscription" }
})
