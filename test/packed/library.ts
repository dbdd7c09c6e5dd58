/**
 * A library on the published packages: it exports what users export without writing its type. The test compiles it with
 * declarations, and `app.ts` uses it from another package.
 */
import { DurationSchema, TimestampSchema } from "@bufbuild/protobuf/wkt"
import {
  Client,
  Idempotency,
  Interceptor,
  LocalMessageBus,
  Metadata,
  Payload,
  PsrpcError,
  Publisher,
  Retry,
  Rpc,
  Selection,
  Server,
  Service
} from "@effect-psrpc/core"
import { FaultyMessageBus, PsrpcTest } from "@effect-psrpc/core/testing"
import { NatsMessageBus } from "@effect-psrpc/nats"
import { RedisMessageBus } from "@effect-psrpc/redis"
import { Config, Context, Effect, Layer, Schema, Stream } from "effect"

export class User extends Context.Service<User, { readonly name: string }>()("library/User") {}
export class Tokens extends Context.Service<Tokens, { readonly nameOf: (token: string) => string }>()(
  "library/Tokens"
) {}

export class NoSuchScene extends Schema.TaggedError<NoSuchScene>()("library/NoSuchScene", {
  scene: Schema.String
}) {
  static readonly psrpcCode = "not_found"
}

export class Farm extends Service.make("Farm", {
  render: Rpc.unary({
    request: Schema.String,
    response: Schema.String,
    error: NoSuchScene,
    routing: "affinity"
  }),
  load: Rpc.multi({ response: Schema.Finite }),
  chat: Rpc.stream({ send: Schema.String, receive: Schema.String }),
  done: Rpc.subscription({ message: Schema.String, topic: ["region"] }),
  read: Rpc.unary({ request: Schema.String, response: Payload.bytes })
}) {}
export class FarmClient extends Client.Service<FarmClient>()("library/FarmClient", Farm) {}
export class FarmServer extends Server.Service<FarmServer>()("library/FarmServer", Farm) {}
export class FarmPublisher extends Publisher.Service<FarmPublisher>()("library/FarmPublisher", Farm) {}

/** Messages of protobuf-es that ship with it, which a service names without an import of their types. */
export class Clock extends Service.make("Clock", {
  now: Rpc.unary({ request: DurationSchema, response: TimestampSchema }),
  ticks: Rpc.subscription({ message: TimestampSchema })
}) {}
export class ClockClient extends Client.Service<ClockClient>()("library/ClockClient", Clock) {}
export const clock = Client.make(Clock)
export const clockMethods = { now: Rpc.unary({ request: DurationSchema, response: TimestampSchema }) }

export const authentication = Interceptor.provide(User, (call) =>
  Effect.map(Tokens, ({ nameOf }) => ({ name: nameOf(call.header.metadata["token"] ?? "") }))
)
export const timed = Interceptor.server((_call, next) => next())
export const named = Interceptor.server({ provides: User }, (_call, next) =>
  Effect.provideService(next(), User, { name: "nobody" })
)
export const streamed = Interceptor.serverStream((call, next) => next({ stream: call.stream }))
export const patient = Interceptor.client((_call, next) => next({ timeout: "1 second" }))
export const everyone = Interceptor.clientMulti((_call, next) => next())
export const opened = Interceptor.clientStream((_call, next) => next())
export const updated = Interceptor.subscribe((_call, next) => next())
export const published = Interceptor.publish((_call, next) => next())
export const counted = Interceptor.stream((stream) => ({ ...stream }))
export const tokened = Interceptor.metadata(() => Effect.map(Tokens, ({ nameOf }) => ({ token: nameOf("token") })))
export const trimmed = Interceptor.method(Farm, "render", {
  client: (call, next) => next({ request: call.request.trim() }),
  server: (call, next) => Effect.flatMap(Tokens, ({ nameOf }) => next({ request: nameOf(call.request) }))
})
export const hooked = Interceptor.hooks({ request: () => Effect.void })
export const all = Interceptor.all(authentication, timed, patient)
export const retries = Retry.unary({ attempts: 2 })
export const streamRetries = Retry.stream()
export const idempotent = Idempotency.interceptor({ size: 10 })

export const handlers = Farm.of({
  render: { affinity: 1, handle: Effect.succeed },
  load: () => Effect.succeed(1),
  chat: (stream) => Stream.runForEach(stream.messages, (text) => stream.send(text)),
  read: () => Effect.succeed(new Uint8Array())
})
export const server = () => Server.layer(Farm, handlers)
export const made = Server.make(Farm, handlers)
export const asService = FarmServer.layer(handlers)
export const authenticated = Server.layer(
  Farm,
  { ...handlers, load: () => Effect.map(User, ({ name }) => name.length) },
  { interceptors: [authentication] }
)
export const client = Client.make(Farm, { interceptors: [retries, tokened] })
export const publisher = Publisher.make(Farm)
export const render = (job: string) => FarmClient.use((farm) => farm.render(job, { selection: Selection.best() }))
export const loads = Effect.map(FarmClient, (farm) => farm.load({ expect: 1 }).pipe(Client.successes))
export const chat = FarmClient.use((farm) => farm.chat())
export const done = FarmClient.use((farm) => farm.done({ topic: { region: "eu" } }))
export const tell = FarmPublisher.use((farm) => farm.done("forest", { topic: { region: "eu" } }))
export const asTenant = Metadata.with({ tenant: "acme" })
export const missing = new PsrpcError.NotFound({ message: "no such scene" })

export const OnRedis = RedisMessageBus.layerConfig({ url: Config.Redacted("REDIS_URL") })
export const OnNats = NatsMessageBus.layer({ servers: "nats://127.0.0.1:4222" })
export const InMemory = LocalMessageBus.layer
export const Faulty = FaultyMessageBus.layer()
export const Live = Layer.merge(server(), FarmClient.layer).pipe(Layer.provide(OnNats))
export const Test = PsrpcTest.layer(FarmClient, [{ handlers, affinity: 0.2 }])
export const network = PsrpcTest.network(FarmClient)
export const joined = PsrpcTest.make(Farm, [{ handlers, affinity: 0.2 }], { client: { interceptors: [tokened] } })
