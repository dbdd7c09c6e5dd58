// What the compiler knows of streams.
import { type Context, Effect, Schema, type Scope, Stream } from "effect"
import type { BidiStream, SendOptions, ServerStream } from "../src/BidiStream.ts"
import type * as Client from "../src/Client.ts"
import type { MessageBus } from "../src/MessageBus.ts"
import * as Payload from "../src/Payload.ts"
import * as PsrpcError from "../src/PsrpcError.ts"
import * as Rpc from "../src/Rpc.ts"
import * as Selection from "../src/Selection.ts"
import * as Server from "../src/Server.ts"
import * as Service from "../src/Service.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(equal: Equal<A, B>): boolean => equal

const Point = Schema.Struct({ x: Schema.Finite, at: Schema.Date })
interface PointType {
  readonly x: number
  readonly at: Date
}

class Streams extends Service.make("Streams", {
  chat: Rpc.stream({ send: Schema.String, receive: Schema.Finite }),
  best: Rpc.stream({ send: Point, receive: Payload.bytes, routing: "affinity" }),
  alone: Rpc.stream({ send: Schema.String, receive: Schema.String, singleServer: true }),
  room: Rpc.stream({ send: undefined, receive: Schema.String, topic: ["room"] }),
  grouped: Rpc.stream({ send: Schema.String, receive: Schema.String, topic: ["node"], group: "nodes" })
}) {}

declare const client: Client.From<typeof Streams>
declare const dep: Context.Service<{ readonly dep: true }, { readonly n: number }>

// ── the client's end ────────────────────────────────────────────────────────────────────────────────────────────────

// What it sends is the method's `send`, what it reads the method's `receive`.
same<Effect.Success<ReturnType<typeof client.chat>>, BidiStream<string, number>>(true)
same<Effect.Success<ReturnType<typeof client.best>>, BidiStream<PointType, Uint8Array>>(true)
same<Effect.Success<ReturnType<typeof client.room>>, BidiStream<void, string>>(true)
// It fails as any call does, and wants a scope.
same<Effect.Error<ReturnType<typeof client.chat>>, PsrpcError.PsrpcError>(true)
same<Effect.Services<ReturnType<typeof client.chat>>, Scope.Scope>(true)
// Options: a selection where there are servers to choose from, a topic where the method has one.
same<Parameters<typeof client.chat>, [options?: Client.QueueStreamOptions]>(true)
same<Parameters<typeof client.alone>, [options?: Client.StreamOptions]>(true)
// @ts-expect-error a stream with queue routing compares no affinities
client.chat({ selection: Selection.affinity })
client.chat({ selection: Selection.first, timeout: "1 second", streamBufferSize: 10, metadata: { a: "b" } })
client.room({ topic: { room: "r" } })
// @ts-expect-error one server alone: nothing to select
client.alone({ selection: Selection.first })
// @ts-expect-error a topic is missing
client.room()
// @ts-expect-error a topic is missing
client.room({ timeout: 10 })
// @ts-expect-error a topic that is not the method's
client.room({ topic: { node: "n" } })
// @ts-expect-error no topic here
client.chat({ topic: { room: "r" } })
// @ts-expect-error an option of through
client.chat({ idleTimeout: "1 second" })

declare const chat: BidiStream<string, number>
same<ReturnType<typeof chat.send>, Effect.Effect<void, PsrpcError.PsrpcError>>(true)
same<Parameters<typeof chat.send>, [message: string, options?: SendOptions | undefined]>(true)
same<typeof chat.messages, Stream.Stream<number, PsrpcError.PsrpcError>>(true)
same<typeof chat.closeSend, Effect.Effect<boolean, PsrpcError.PsrpcError>>(true)
same<typeof chat.closed, Effect.Effect<void, PsrpcError.PsrpcError>>(true)
same<ReturnType<typeof chat.close>, Effect.Effect<void>>(true)
chat.send("text", { timeout: "1 second" })
chat.close(PsrpcError.fromCode("aborted"))
// @ts-expect-error what it receives, not what it sends
chat.send(1)
// @ts-expect-error a cause is a PsrpcError
chat.close(new Error("no"))
// @ts-expect-error a cause is a PsrpcError
chat.close("no")
// @ts-expect-error the server's alone
void chat.hijack

// An end takes less to send and gives more to read, and not the other way.
const narrower: BidiStream<"a", number | string> = chat
// @ts-expect-error it sends texts
const wider: BidiStream<string | number, number> = chat
// @ts-expect-error it may receive any number
const only: BidiStream<string, 1> = chat

// ── through ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const plain = client.chat.through(Stream.make("a"))
same<typeof plain, Stream.Stream<number, PsrpcError.PsrpcError>>(true)
declare const failing: Stream.Stream<string, "mine", { readonly dep: true }>
const typed = client.chat.through(failing, { concurrency: 4, idleTimeout: "1 second", selection: Selection.first })
same<typeof typed, Stream.Stream<number, PsrpcError.PsrpcError | "mine", { readonly dep: true }>>(true)
client.room.through(Stream.make(undefined), { topic: { room: "r" }, streamBufferSize: 1 })
// @ts-expect-error it sends texts
client.chat.through(Stream.make(1))
// @ts-expect-error a topic is missing
client.room.through(Stream.make(undefined))
// @ts-expect-error one server alone: nothing to select
client.alone.through(Stream.make("a"), { selection: Selection.first })
// @ts-expect-error an outgoing Stream is missing
client.chat.through()

// ── the server's end ────────────────────────────────────────────────────────────────────────────────────────────────

// It sends what the client receives, reads what the client sends, and may hijack.
type Handlers = Server.Handlers<typeof Streams.methods>
same<Parameters<Handlers["chat"]>[0], ServerStream<number, string>>(true)
same<Parameters<Handlers["best"]["handle"]>[0], ServerStream<Uint8Array, PointType>>(true)
same<Parameters<Handlers["room"]>[1], Server.Call<{ readonly room: string }>>(true)

const { best, ...rest } = Server.unimplemented(Streams)
same<typeof best.affinity, number>(true)
const handlers = { ...rest, best }
Server.make(Streams, handlers)

const made = Server.make(Streams, {
  ...handlers,
  chat: (stream, call) => {
    same<typeof stream, ServerStream<number, string>>(true)
    same<typeof call.deadline, number>(true)
    return Effect.andThen(stream.hijack, stream.send(1))
  },
  best: {
    affinity: (call) => Effect.succeed(call.header.remoteId.length),
    handle: (stream) => Stream.runForEach(stream.messages, ({ at, x }) => stream.send(new Uint8Array([x, +at])))
  }
})
same<Effect.Services<typeof made>, MessageBus | Scope.Scope>(true)

// What handlers and affinities require, the server requires; a scope and the call they have.
const requiring = Server.make(Streams, {
  ...handlers,
  chat: () => Effect.andThen(dep, Effect.andThen(Effect.scope, Server.CurrentCall)),
  best: { affinity: Effect.map(dep, ({ n }) => n), handle: () => Effect.void }
})
same<Effect.Services<typeof requiring>, MessageBus | Scope.Scope | { readonly dep: true }>(true)

// An affinity is a number, an Effect of one, or a function of the call to either.
const handle = () => Effect.void
Server.make(Streams, { ...handlers, best: { affinity: 0.5, handle } })
Server.make(Streams, { ...handlers, best: { affinity: Effect.succeed(0.5), handle } })
Server.make(Streams, { ...handlers, best: { affinity: () => 0.5, handle } })
Server.make(Streams, { ...handlers, best: { affinity: Effect.fail("none"), handle } })
// @ts-expect-error an affinity is missing
Server.make(Streams, { ...handlers, best: { handle } })
// @ts-expect-error an affinity method's handler is an object
Server.make(Streams, { ...handlers, best: handle })
// @ts-expect-error no affinity in a method without
Server.make(Streams, { ...handlers, chat: { affinity: 1, handle } })
// @ts-expect-error an affinity is a number
Server.make(Streams, { ...handlers, best: { affinity: "high", handle } })
// @ts-expect-error a handler fails with a PsrpcError
Server.make(Streams, { ...handlers, chat: () => Effect.fail("oh") })
// @ts-expect-error a handler is a function to an Effect
Server.make(Streams, { ...handlers, chat: () => 1 })
// @ts-expect-error it sends numbers
Server.make(Streams, { ...handlers, chat: (stream) => stream.send("text") })
// @ts-expect-error a handler is missing
Server.make(Streams, rest)

// Topics: by method, or by group.
declare const server: Server.Server<typeof Streams.methods>
server.register("room", { room: "r" })
server.registerGroup("nodes", { node: "n" })
// @ts-expect-error a method of a group is registered with it
server.register("grouped", { node: "n" })
// @ts-expect-error a method without a topic is registered anyway
server.register("chat", {})

// A stream has no errors of its own, and says what it sends and receives.
// @ts-expect-error no errors of its own
Rpc.stream({ send: Schema.String, receive: Schema.String, error: Point })
// @ts-expect-error it says what it receives
Rpc.stream({ send: Schema.String })
// @ts-expect-error a routing that streams do not have
Rpc.stream({ send: Schema.String, receive: Schema.String, routing: "multi" })

export { narrower, only, wider }
