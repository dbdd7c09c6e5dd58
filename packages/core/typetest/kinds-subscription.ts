// What the compiler knows of subscriptions, and of those who publish to them.
import type { MessageInitShape } from "@bufbuild/protobuf"
import { type Duration, DurationSchema } from "@bufbuild/protobuf/wkt"
import { type Context, Effect, type Layer, Schema, type Scope, Stream } from "effect"
import type * as Client from "../src/Client.ts"
import type { MessageBus } from "../src/MessageBus.ts"
import * as Payload from "../src/Payload.ts"
import type * as PsrpcError from "../src/PsrpcError.ts"
import * as Publisher from "../src/Publisher.ts"
import * as Rpc from "../src/Rpc.ts"
import * as Service from "../src/Service.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(equal: Equal<A, B>): boolean => equal

class News extends Service.make("News", {
  schema: Rpc.subscription({
    message: Schema.Struct({
      at: Schema.Date,
      loud: Schema.Boolean.pipe(Schema.withConstructorDefault(Effect.succeed(false)))
    })
  }),
  proto: Rpc.subscription({ message: DurationSchema, routing: "multi" }),
  bytes: Rpc.subscription({ message: Payload.bytes, routing: "queue" }),
  bare: Rpc.subscription(),
  plain: Rpc.subscription({ message: Schema.String, topic: ["region", "node"] }),
  typed: Rpc.subscription({
    topic: { region: Schema.Literals(["eu", "us"]), shard: Schema.FiniteFromString },
    routing: "multi"
  }),
  hello: Rpc.unary({ request: Schema.String }),
  load: Rpc.multi(),
  chat: Rpc.stream({ send: Schema.String, receive: Schema.String })
}) {}

declare const client: Client.From<typeof News>
declare const publisher: Publisher.From<typeof News>

// Subscribing takes a scope, and gives a Stream that needs nothing.
const subscribing = client.schema()
same<
  typeof subscribing,
  Effect.Effect<
    Stream.Stream<{ readonly at: Date; readonly loud: boolean }, PsrpcError.PsrpcError>,
    PsrpcError.PsrpcError,
    Scope.Scope
  >
>(true)
type UpdateOf<Call extends (...args: never) => unknown> =
  ReturnType<Call> extends Effect.Effect<Stream.Stream<infer A, infer _E>, infer _F, infer _R> ? A : never
same<UpdateOf<typeof client.proto>, Duration>(true)
same<UpdateOf<typeof client.bytes>, Uint8Array>(true)
same<UpdateOf<typeof client.bare>, void>(true)
same<UpdateOf<typeof client.plain>, string>(true)
same<UpdateOf<typeof client.typed>, void>(true)
// @ts-expect-error it is subscribed to first
Stream.runDrain(client.bare())

// Options, and topics where there are any.
same<Parameters<typeof client.schema>, [options?: Client.SubscribeOptions]>(true)
client.schema({ subscriptionBufferSize: 10, overflow: "sliding" })
client.schema({ subscriptionBufferSize: undefined, overflow: undefined })
client.plain({ topic: { region: "eu", node: "n1" }, overflow: "fail" })
client.typed({ topic: { region: "eu", shard: 41 } })
// @ts-expect-error the topic is missing
client.plain()
// @ts-expect-error the topic is missing
client.typed({ overflow: "fail" })
// @ts-expect-error a parameter is missing
client.plain({ topic: { region: "eu" } })
// @ts-expect-error no such parameter
client.plain({ topic: { region: "eu", node: "n1", rack: "r1" } })
// @ts-expect-error no such region
client.typed({ topic: { region: "mars", shard: 41 } })
// @ts-expect-error the method has no topic
client.schema({ topic: {} })
// @ts-expect-error no such policy
client.schema({ overflow: "suspend" })
// @ts-expect-error a subscription lasts
client.schema({ timeout: "1 second" })
// @ts-expect-error a subscriber sends nothing
client.schema({ at: new Date(0) })

// A publisher has the subscriptions, and nothing that is called.
same<keyof typeof publisher, "schema" | "proto" | "bytes" | "bare" | "plain" | "typed">(true)
// @ts-expect-error it is called
publisher.hello("Ada")
// @ts-expect-error no such method
publisher.missing()

// What is published, and how.
same<Parameters<typeof publisher.schema>[0], { readonly at: Date; readonly loud?: boolean }>(true)
same<Parameters<typeof publisher.proto>[0], MessageInitShape<typeof DurationSchema>>(true)
same<Parameters<typeof publisher.bytes>, [message: Uint8Array, options?: Publisher.PublishOptions]>(true)
same<Parameters<typeof publisher.bare>, [options?: Publisher.PublishOptions]>(true)
const published = publisher.plain("up", { topic: { region: "eu", node: "n1" }, timeout: "1 second" })
same<typeof published, Effect.Effect<void, PsrpcError.PsrpcError>>(true)
publisher.schema({ at: new Date(0) })
publisher.bare({ timeout: 100 })
publisher.typed({ topic: { region: "us", shard: 41 } })
// @ts-expect-error the message is missing
publisher.schema()
// @ts-expect-error the encoded form is not what is given
publisher.schema({ at: "1970-01-01" })
// @ts-expect-error no such field
publisher.proto({ minutes: 1n })
// @ts-expect-error a text is not bytes
publisher.bytes("text")
// @ts-expect-error it carries nothing
publisher.bare(1)
// @ts-expect-error the topic is missing
publisher.plain("up")
// @ts-expect-error the topic is missing
publisher.typed()
// @ts-expect-error a number, not its text
publisher.typed({ topic: { region: "us", shard: "41" } })
// @ts-expect-error the method has no topic
publisher.bytes(new Uint8Array(0), { topic: {} })
// @ts-expect-error not a duration
publisher.bare({ timeout: "soon" })
// @ts-expect-error an update has no metadata
publisher.bare({ metadata: { a: "b" } })

// Making a publisher takes the bus alone.
const made = Publisher.make(News, { timeout: "1 second" })
same<Effect.Success<typeof made>, Publisher.From<typeof News>>(true)
same<Effect.Error<typeof made>, PsrpcError.PsrpcError>(true)
same<Effect.Services<typeof made>, MessageBus>(true)
// @ts-expect-error no such option
void Publisher.make(News, { timeOut: "1 second" })
// @ts-expect-error not a service
void Publisher.make({ serviceName: "x", methods: {} })

// The publisher as a service of the program.
class NewsPublisher extends Publisher.Service<NewsPublisher>()("typetest/NewsPublisher", News) {}
same<typeof NewsPublisher.layer, Layer.Layer<NewsPublisher, PsrpcError.PsrpcError, MessageBus>>(true)
const withOptions = NewsPublisher.layerWith({ timeout: "1 second" })
same<typeof withOptions, Layer.Layer<NewsPublisher, PsrpcError.PsrpcError, MessageBus>>(true)
same<Context.Service.Shape<typeof NewsPublisher>, Publisher.From<typeof News>>(true)
const program = Effect.flatMap(NewsPublisher, (news) => news.bare())
same<Effect.Services<typeof program>, NewsPublisher>(true)
// @ts-expect-error no such option
NewsPublisher.layerWith({ timeOut: "1 second" })

// Definitions.
// @ts-expect-error no such routing
Rpc.subscription({ routing: "affinity" })
// @ts-expect-error subscriptions are in no topic group
Rpc.subscription({ topic: ["region"], group: "g" })
// @ts-expect-error nobody answers
Rpc.subscription({ response: Schema.String })
// @ts-expect-error not a payload
Rpc.subscription({ message: "text" })
// @ts-expect-error an integer does not keep its place
Rpc.subscription({ topic: { 1: Schema.String } })
