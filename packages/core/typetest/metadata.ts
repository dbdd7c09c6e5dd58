import { Context, Effect, Schema, type Stream } from "effect"
import { Client, Metadata, type PsrpcError, Rpc, Service } from "../src/index.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(equal: Equal<A, B>): boolean => equal

class Db extends Context.Service<Db, number>()("typetest/Db") {}
declare const effect: Effect.Effect<string, "e", Db>
declare const stream: Stream.Stream<string, "e", Db>

// An Effect stays an Effect, a Stream a Stream, with what they give, fail with and need.
const effects = [
  effect.pipe(Metadata.with({ a: "b" })),
  effect.pipe(Metadata.replace({ a: "b" })),
  effect.pipe(Metadata.append("a", "b")),
  effect.pipe(Metadata.remove("a", "b")),
  effect.pipe(Metadata.forward()),
  effect.pipe(Metadata.forward(["a"])),
  Metadata.with(effect, { a: "b" }),
  Metadata.replace(effect, { a: "b" }),
  Metadata.append(effect, "a", "b"),
  Metadata.remove(effect, "a", "b"),
  Metadata.forward(effect),
  Metadata.forward(effect, ["a"])
] as const
same<(typeof effects)[number], Effect.Effect<string, "e", Db>>(true)
const streams = [
  stream.pipe(Metadata.with({ a: "b" })),
  stream.pipe(Metadata.replace({ a: "b" })),
  stream.pipe(Metadata.append("a", "b")),
  stream.pipe(Metadata.remove("a", "b")),
  stream.pipe(Metadata.forward()),
  stream.pipe(Metadata.forward(["a"])),
  Metadata.with(stream, { a: "b" }),
  Metadata.replace(stream, { a: "b" }),
  Metadata.append(stream, "a", "b"),
  Metadata.remove(stream, "a", "b"),
  Metadata.forward(stream),
  Metadata.forward(stream, ["a"])
] as const
same<(typeof streams)[number], Stream.Stream<string, "e", Db>>(true)

// In between others, and where the types are still open.
const piped = effect.pipe(
  Effect.map((text) => text.length),
  Metadata.with({ a: "b" }),
  Effect.map((length) => length + 1)
)
same<typeof piped, Effect.Effect<number, "e", Db>>(true)
const open = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  self.pipe(Metadata.forward(), Metadata.with({ a: "b" }))
const openStream = <A, E, R>(self: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> =>
  Metadata.append(Metadata.remove(self, "a"), "a", "b")
same<ReturnType<typeof open<1, 2, 3>>, Effect.Effect<1, 2, 3>>(true)
same<ReturnType<typeof openStream<1, 2, 3>>, Stream.Stream<1, 2, 3>>(true)
// What is more than an Effect comes back as an Effect.
const tag = Metadata.with(Db, { a: "b" })
same<typeof tag, Effect.Effect<number, never, Db>>(true)

// Calls.
class Kinds extends Service.make("Kinds", {
  one: Rpc.unary({ response: Schema.String }),
  all: Rpc.multi({ response: Schema.String })
}) {}
declare const client: Client.From<typeof Kinds>
const one = client.one().pipe(Metadata.with({ a: "b" }))
same<typeof one, Effect.Effect<string, PsrpcError.PsrpcError>>(true)
const all = client.all().pipe(Metadata.with({ a: "b" }), Client.successes)
same<typeof all, Stream.Stream<string, PsrpcError.PsrpcError>>(true)

// What is asked needs nothing.
same<typeof Metadata.outgoing, Effect.Effect<Metadata.Metadata>>(true)
same<typeof Metadata.incoming, Effect.Effect<Metadata.Metadata>>(true)
Client.make(Kinds, { maxMetadataSize: 1024 })

// @ts-expect-error values are texts
effect.pipe(Metadata.with({ a: 1 }))
// @ts-expect-error values are texts
effect.pipe(Metadata.append("a", 1))
// @ts-expect-error the value is missing
effect.pipe(Metadata.append("a"))
// @ts-expect-error keys are texts
effect.pipe(Metadata.remove(1))
// @ts-expect-error keys are a list
effect.pipe(Metadata.forward("a"))
// @ts-expect-error neither an Effect nor a Stream
Metadata.with("a", { a: "b" })
// @ts-expect-error bytes are a number
Client.make(Kinds, { maxMetadataSize: "1 KiB" })
