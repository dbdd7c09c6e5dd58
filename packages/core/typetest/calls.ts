// What the compiler knows of services, clients and their calls.
import type { MessageInitShape } from "@bufbuild/protobuf"
import { type Duration, DurationSchema, type StringValue, StringValueSchema } from "@bufbuild/protobuf/wkt"
import { type Context, Effect, type Layer, Schema, type Scope } from "effect"
import * as Client from "../src/Client.ts"
import type { MessageBus } from "../src/MessageBus.ts"
import * as Payload from "../src/Payload.ts"
import * as PsrpcError from "../src/PsrpcError.ts"
import * as Rpc from "../src/Rpc.ts"
import * as Selection from "../src/Selection.ts"
import * as Service from "../src/Service.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(equal: Equal<A, B>): boolean => equal

class Hello extends Schema.Class<Hello>("Hello")({
  name: Schema.String,
  at: Schema.Date,
  loud: Schema.Boolean.pipe(Schema.withConstructorDefault(Effect.succeed(false)))
}) {}
class NameTaken extends Schema.TaggedError<NameTaken>()("NameTaken", { name: Schema.String }) {}
class TooLong extends Schema.TaggedError<TooLong>()("TooLong", { limit: Schema.Int }) {}
class NotFound extends Schema.TaggedError<NotFound>()("NotFound", {}) {}
const Region = Schema.Literals(["eu", "us"])

class Kinds extends Service.make("Kinds", {
  schema: Rpc.unary({ request: Hello, response: Schema.Struct({ at: Schema.Date }), error: NameTaken }),
  proto: Rpc.unary({ request: DurationSchema, response: StringValueSchema, error: DurationSchema }),
  bytes: Rpc.unary({ request: Payload.bytes, response: Payload.bytes }),
  union: Rpc.unary({ response: Schema.String, error: Schema.Union([NameTaken, TooLong]) }),
  nothing: Rpc.unary({}),
  bare: Rpc.unary(),
  affinity: Rpc.unary({ request: Schema.Int, response: Schema.Int, routing: "affinity" }),
  single: Rpc.unary({ request: Schema.Int, singleServer: true }),
  topical: Rpc.unary({ request: Schema.Int, response: Schema.Int, topic: ["region", "node"] }),
  typed: Rpc.unary({ topic: { region: Region, shard: Schema.FiniteFromString }, singleServer: true }),
  many: Rpc.multi({ response: Schema.Int }),
  chat: Rpc.stream({ send: Schema.String, receive: Schema.String }),
  changed: Rpc.subscription({ message: Schema.String })
}) {}

declare const client: Client.From<typeof Kinds>

// A client has the methods that can be called.
same<
  keyof typeof client,
  | "schema"
  | "proto"
  | "bytes"
  | "union"
  | "nothing"
  | "bare"
  | "affinity"
  | "single"
  | "topical"
  | "typed"
  | "many"
  | "chat"
  | "changed"
>(true)
same<typeof Kinds.serviceName, "Kinds">(true)

// Requests and answers.
same<Parameters<typeof client.schema>[0], { readonly name: string; readonly at: Date; readonly loud?: boolean }>(true)
same<Effect.Success<ReturnType<typeof client.schema>>, { readonly at: Date }>(true)
same<Parameters<typeof client.proto>[0], MessageInitShape<typeof DurationSchema>>(true)
same<Effect.Success<ReturnType<typeof client.proto>>, StringValue>(true)
same<Parameters<typeof client.bytes>[0], Uint8Array>(true)
same<Effect.Success<ReturnType<typeof client.bytes>>, Uint8Array>(true)
same<Effect.Success<ReturnType<typeof client.nothing>>, void>(true)
same<Parameters<typeof client.nothing>, [options?: Client.QueueCallOptions]>(true)
same<Parameters<typeof client.bare>, [options?: Client.QueueCallOptions]>(true)
same<Parameters<typeof client.affinity>, [request: number, options?: Client.AffinityCallOptions]>(true)
same<Parameters<typeof client.single>, [request: number, options?: Client.CallOptions]>(true)
client.schema({ name: "Ada", at: new Date(0) })
client.schema(new Hello({ name: "Ada", at: new Date(0) }))
client.nothing()

// Errors: what the method declares, and psrpc's.
same<Effect.Error<ReturnType<typeof client.schema>>, NameTaken | PsrpcError.PsrpcError>(true)
same<Effect.Error<ReturnType<typeof client.union>>, NameTaken | TooLong | PsrpcError.PsrpcError>(true)
same<Effect.Error<ReturnType<typeof client.proto>>, Duration | PsrpcError.PsrpcError>(true)
same<Effect.Error<ReturnType<typeof client.nothing>>, PsrpcError.PsrpcError>(true)
same<Effect.Services<ReturnType<typeof client.schema>>, never>(true)
const caught = client.union().pipe(
  Effect.catchTags({
    NameTaken: (error) => Effect.succeed(error.name),
    TooLong: (error) => Effect.succeed(`${error.limit}`)
  })
)
same<Effect.Error<typeof caught>, PsrpcError.PsrpcError>(true)
const found = client.nothing().pipe(Effect.catchTag("NotFound", () => Effect.void))
same<Effect.Error<typeof found>, Exclude<PsrpcError.PsrpcError, PsrpcError.NotFound>>(true)

// Topics are required where there are any, and have their types.
client.topical(1, { topic: { region: "eu", node: "n1" } })
client.typed({ topic: { region: "eu", shard: 41 }, timeout: "1 second", metadata: { a: "b" } })
same<Parameters<typeof client.typed>[0]["topic"], { readonly region: "eu" | "us"; readonly shard: number }>(true)
// @ts-expect-error the topic is missing
client.topical(1)
// @ts-expect-error the topic is missing
client.topical(1, {})
// @ts-expect-error a parameter is missing
client.topical(1, { topic: { region: "eu" } })
// @ts-expect-error there is no such parameter
client.topical(1, { topic: { region: "eu", node: "n1", rack: "r1" } })
// @ts-expect-error no such region
client.typed({ topic: { region: "mars", shard: 41 } })
// @ts-expect-error a number, not its text
client.typed({ topic: { region: "eu", shard: "41" } })
// @ts-expect-error the method has no topic
client.affinity(1, { topic: { region: "eu" } })
// @ts-expect-error the method has no topic
client.nothing({ topic: {} })

// Payloads.
// @ts-expect-error the request is missing
client.schema()
// @ts-expect-error a field is missing
client.schema({ name: "Ada" })
// @ts-expect-error a field is misspelt
client.schema({ nane: "Ada", at: new Date(0) })
// @ts-expect-error the encoded form is not what is given
client.schema({ name: "Ada", at: "1970-01-01" })
// @ts-expect-error no such field
client.proto({ minutes: 1n })
// @ts-expect-error a text is not bytes
client.bytes("text")
// @ts-expect-error it takes nothing
client.nothing(1)
// @ts-expect-error no such method
client.missing()

// Options.
client.affinity(1, { selection: Selection.best({ affinityTimeout: "200 millis" }), timeout: 100 })
client.affinity(1, { selection: undefined, timeout: undefined, metadata: undefined })
// @ts-expect-error a single server is not chosen
client.single(1, { selection: Selection.first })
// @ts-expect-error no such option
client.affinity(1, { timeOut: 100 })
// @ts-expect-error not a duration
client.affinity(1, { timeout: "soon" })
// @ts-expect-error metadata are texts
client.affinity(1, { metadata: { a: 1 } })
client.schema({ name: "Ada", at: new Date(0) }, { selection: Selection.first })
client.schema(
  { name: "Ada", at: new Date(0) },
  { selection: Selection.make({ acceptFirstAvailable: true, affinityTimeout: "Infinity", minimumAffinity: undefined }) }
)
// @ts-expect-error a queue call compares no affinities
client.schema({ name: "Ada", at: new Date(0) }, { selection: Selection.best() })
// @ts-expect-error nor does it wait for further claims
client.schema({ name: "Ada", at: new Date(0) }, { selection: Selection.make({ affinityTimeout: "1 second" }) })
// @ts-expect-error a limit makes it compare
client.nothing({ selection: Selection.make({ acceptFirstAvailable: true, minimumAffinity: 0.5 }) })
same<ReturnType<typeof Selection.best>, Selection.Selection<"compare">>(true)
same<typeof Selection.first, Selection.Selection<"first">>(true)
// @ts-expect-error the options have one name each
Selection.best({ within: "200 millis" })
// @ts-expect-error one server sends no claim
Rpc.unary({ singleServer: true, routing: "affinity" })
// @ts-expect-error nor for a stream
Rpc.stream({ send: undefined, receive: undefined, singleServer: true, routing: "affinity" })
Rpc.unary({ singleServer: true, routing: "queue" })
Rpc.unary({ singleServer: false, routing: "affinity" })
// @ts-expect-error a selection is made by Selection
client.affinity(1, { selection: { minimumAffinity: 1 } })
Selection.make({ selectionFunc: (claims) => claims[0]!.serverId })
Selection.make({ selectionFunc: () => new PsrpcError.NotFound({ message: "m" }) })
// @ts-expect-error it fails with errors of psrpc
Selection.make({ selectionFunc: () => Effect.fail("x") })
// @ts-expect-error no such option
Selection.make({ minimum: 1 })
// @ts-expect-error a function gives a server's id
Selection.make({ selectionFunc: () => 1 })

// Making a client.
const made = Client.make(Kinds, { clientId: "CLI_1", timeout: "1 second", selection: Selection.first })
same<Effect.Success<typeof made>, Client.From<typeof Kinds>>(true)
same<Effect.Error<typeof made>, PsrpcError.PsrpcError>(true)
same<Effect.Services<typeof made>, MessageBus | Scope.Scope>(true)
// @ts-expect-error no such option
void Client.make(Kinds, { clientID: "CLI_1" })
// @ts-expect-error not a service
void Client.make({ serviceName: "x", methods: {} })

// The client as a service of the program.
class KindsClient extends Client.Service<KindsClient>()("typetest/KindsClient", Kinds) {}
same<typeof KindsClient.layer, Layer.Layer<KindsClient, PsrpcError.PsrpcError, MessageBus>>(true)
const withOptions = KindsClient.layerWith({ timeout: "1 second" })
same<typeof withOptions, Layer.Layer<KindsClient, PsrpcError.PsrpcError, MessageBus>>(true)
same<Context.Service.Shape<typeof KindsClient>, Client.From<typeof Kinds>>(true)
const program = Effect.gen(function* () {
  const kinds = yield* KindsClient
  return yield* kinds.affinity(1)
})
same<Effect.Success<typeof program>, number>(true)
same<Effect.Services<typeof program>, KindsClient>(true)
// @ts-expect-error no such option
KindsClient.layerWith({ clientID: "CLI_1" })

// A part of a service.
const picked = Service.pick(Kinds, "affinity", "typed")
same<keyof Client.From<typeof picked>, "affinity" | "typed">(true)
const rest = Service.omit(Kinds, "affinity", "many", "chat", "changed", "proto", "schema", "bytes", "union", "nothing")
same<keyof Client.From<typeof rest>, "bare" | "single" | "topical" | "typed">(true)
same<typeof picked.serviceName, "Kinds">(true)
// @ts-expect-error no such method
Service.pick(Kinds, "missing")
// @ts-expect-error no such method
Service.omit(Kinds, "missing")

// Definitions.
// @ts-expect-error the tag is one of the codes'
Rpc.unary({ error: NotFound })
// @ts-expect-error one of the tags is
Rpc.unary({ error: Schema.Union([NameTaken, NotFound]) })
// @ts-expect-error a Schema without a tag is no error
Rpc.unary({ error: Schema.String })
// @ts-expect-error no such routing
Rpc.unary({ routing: "random" })
// @ts-expect-error an integer does not keep its place
Rpc.unary({ topic: { 1: Schema.String } })
// @ts-expect-error not even as a text
Rpc.unary({ topic: { "0": Schema.String, node: Schema.String } })
// @ts-expect-error a parameter is a text on the wire
Rpc.unary({ topic: { shard: Schema.Int } })
// @ts-expect-error no such option
Rpc.unary({ requests: Schema.String })
// @ts-expect-error not a payload
Rpc.unary({ request: "text" })
// @ts-expect-error a payload needs no services
Rpc.unary({ request: null! as Schema.Codec<string, string, Context.Reference<number>> })
// @ts-expect-error not a method
Service.make("S", { hello: Schema.String })
