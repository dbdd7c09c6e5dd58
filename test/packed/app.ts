/**
 * A program on the library, in another package: what the library exports has kept its types. The test compiles it with the
 * declarations of the library, which are "library" there.
 */
import { create } from "@bufbuild/protobuf"
import { DurationSchema } from "@bufbuild/protobuf/wkt"
import { Client, Interceptor, type MessageBus, type PsrpcError, Publisher, Server } from "@effect-psrpc/core"
import type { FaultyMessageBus } from "@effect-psrpc/core/testing"
import type { Layer } from "effect"
import { type Config, Effect, type Scope, type Stream } from "effect"
import * as library from "./library.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
type IsAny<T> = 0 extends 1 & T ? true : false
const same = <A, B>(_: Equal<A, B>): void => {}

/** The type parameters of an Effect or a Layer that are `any`. */
type Parts<T> =
  T extends Effect.Effect<infer A, infer E, infer R>
    ? readonly [A, E, R]
    : T extends Layer.Layer<infer A, infer E, infer R>
      ? readonly [A, E, R]
      : T extends (...args: never) => infer Result
        ? readonly [Result]
        : readonly []
/** Whether a type, or a part of it, is `any`. */
type HasAny<T> =
  IsAny<T> extends true ? true : true extends { [K in keyof Parts<T>]: IsAny<Parts<T>[K]> }[number] ? true : false

type Library = typeof library
/** The names of all exports of the library that are `any`, or have a part that is. */
type Lost = { [K in keyof Library]: HasAny<Library[K]> extends true ? K : never }[keyof Library]
same<Lost, never>(true)

// and each says so by itself, whatever is in it
declare const exported: Library[keyof Library]
// @ts-expect-error no export is any
exported satisfies number

type Requires<L> =
  L extends Layer.Layer<never, any, infer R> ? R : L extends Effect.Effect<any, any, infer R> ? R : never

// ── interceptors and retries ──────────────────────────────────────────────────────────────────────────────────────────

same<
  typeof library.authentication,
  Interceptor.Interceptor<
    readonly [
      Interceptor.Wrap<"server", library.User, library.Tokens>,
      Interceptor.Wrap<"serverStream", library.User, library.Tokens>
    ]
  >
>(true)
same<typeof library.retries, Interceptor.Interceptor<readonly [Interceptor.Wrap<"client", never, never>]>>(true)
same<Requires<typeof library.authenticated>, MessageBus.MessageBus | library.Tokens>(true)
same<Requires<typeof library.client>, MessageBus.MessageBus | library.Tokens | Scope.Scope>(true)

const userful = { ...library.handlers, load: () => Effect.map(library.User, ({ name }) => name.length) }
const guarded = Server.layer(library.Farm, userful, {
  interceptors: [library.all, library.trimmed, library.idempotent]
})
same<Requires<typeof guarded>, MessageBus.MessageBus | library.Tokens>(true)
const own = Interceptor.all(library.authentication, library.named, library.streamed, library.hooked, library.counted)
const unauthenticated = Server.layer(library.Farm, userful, { interceptors: [library.timed] })
same<Requires<typeof unauthenticated>, MessageBus.MessageBus | library.User>(true)
const open = Server.layer(library.Farm, userful, { interceptors: [own] })
same<Requires<typeof open>, MessageBus.MessageBus | library.Tokens>(true)

export const clients = library.FarmClient.layerWith({
  interceptors: [
    library.retries,
    library.streamRetries,
    library.patient,
    library.everyone,
    library.opened,
    library.updated
  ]
})
same<Requires<typeof clients>, MessageBus.MessageBus>(true)
const publisher = Publisher.make(library.Farm, { interceptors: [library.published] })
same<Requires<typeof publisher>, MessageBus.MessageBus>(true)
const tokened = library.FarmClient.layerWith({ interceptors: [library.tokened] })
same<Requires<typeof tokened>, MessageBus.MessageBus | library.Tokens>(true)

// ── services, clients and publishers ──────────────────────────────────────────────────────────────────────────────────

same<Effect.Success<ReturnType<typeof library.render>>, string>(true)
same<Effect.Error<ReturnType<typeof library.render>>, PsrpcError.PsrpcError | library.NoSuchScene>(true)
same<Requires<ReturnType<typeof library.render>>, library.FarmClient>(true)
same<Effect.Success<typeof library.loads>, Stream.Stream<number, PsrpcError.PsrpcError>>(true)
same<Layer.Success<typeof library.asService>, library.FarmServer>(true)
same<Layer.Success<typeof library.Live>, library.FarmClient>(true)
same<Layer.Error<typeof library.OnRedis>, PsrpcError.PsrpcError | Config.ConfigError>(true)
same<Layer.Success<typeof library.Faulty>, MessageBus.MessageBus | FaultyMessageBus.FaultyMessageBus>(true)

export const program = Effect.gen(function* () {
  const farm = yield* library.FarmClient
  const bytes = yield* farm.read("forest")
  same<typeof bytes, Uint8Array>(true)
  // @ts-expect-error the request is a string
  yield* farm.render(1)
  // @ts-expect-error the topic has a region
  yield* farm.done({ topic: { place: "eu" } })
  const publisher = yield* library.FarmPublisher
  // @ts-expect-error an update is a string
  yield* publisher.done(1, { topic: { region: "eu" } })
  yield* library.tell
  const chat = yield* library.chat
  // @ts-expect-error a message is a string
  yield* chat.send(1)
  return yield* library.render("forest").pipe(library.asTenant)
})
// @ts-expect-error `chat` is missing
export const incomplete = Server.layer(library.Farm, {
  render: library.handlers.render,
  load: library.handlers.load,
  read: library.handlers.read
})

// ── messages of protobuf-es ───────────────────────────────────────────────────────────────────────────────────────────

export const clock = Effect.gen(function* () {
  const client = yield* library.ClockClient
  const { seconds } = yield* client.now(create(DurationSchema, { seconds: 1n }))
  same<typeof seconds, bigint>(true)
  // @ts-expect-error seconds are a bigint
  yield* client.now({ seconds: 1 })
  const other = yield* library.clock
  return yield* other.now({ nanos: 1 })
})
same<typeof library.clockMethods.now, (typeof library.Clock.methods)["now"]>(true)
export const clockServer = Server.layer(library.Clock, {
  now: (duration) => Effect.succeed({ seconds: duration.seconds })
})
export const clockClient = Client.make(library.Clock)

// ── test networks ─────────────────────────────────────────────────────────────────────────────────────────────────────

export const rehearsal = Effect.gen(function* () {
  const network = yield* library.network
  const calls = network.calls("render")
  same<(typeof calls)[number]["request"], string>(true)
  // @ts-expect-error no such method
  network.calls("paint")
  const joined = yield* library.joined
  return yield* joined.client.load().pipe(Client.successes, (loads) => Effect.succeed(loads))
})
const ran = Effect.provide(rehearsal, library.Test)
same<Requires<typeof ran>, library.Tokens | Scope.Scope>(true)
