import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema, Stream } from "effect"
import * as Client from "../../src/Client.ts"
import * as Metadata from "../../src/Metadata.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { onBus } from "../helpers/harness.ts"

const Texts = Schema.Record(Schema.String, Schema.String)

/** What each kind of method has heard. */
class Kinds extends Service.make("Kinds", {
  unary: Rpc.unary({ response: Texts }),
  multi: Rpc.multi({ response: Texts }),
  stream: Rpc.stream({ send: Schema.String, receive: Texts })
}) {}

const heard = (call: Server.Call<object>) => ({ ...call.header.metadata })

const setUp = Effect.gen(function* () {
  yield* Server.make(Kinds, {
    unary: (_, call) => Effect.succeed(heard(call)),
    multi: (_, call) => Effect.succeed(heard(call)),
    stream: (stream, call) => stream.send(heard(call))
  })
  return yield* Client.make(Kinds)
})

/** What is outgoing inside of a combinator, beside `a` and `b`. */
const inside = (change: (self: Effect.Effect<Metadata.Metadata>) => Effect.Effect<Metadata.Metadata>) =>
  change(Metadata.outgoing).pipe(Metadata.with({ a: "1", b: "2" }))

describe("what is outgoing", () => {
  it.effect("is empty by default", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(Object.keys(yield* Metadata.outgoing), [])
      assert.strictEqual(yield* Metadata.outgoing, Metadata.empty)
    })
  )

  it.effect("with: more, over what is there", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* inside(Metadata.with({ b: "3", c: "4" })), { a: "1", b: "3", c: "4" })
      assert.deepStrictEqual(yield* inside((self) => Metadata.with(self, { c: "4" })), { a: "1", b: "2", c: "4" })
    })
  )

  it.effect("replace: exactly this", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* inside(Metadata.replace({ c: "4" })), { c: "4" })
      assert.deepStrictEqual(yield* inside((self) => Metadata.replace(self, { b: "5" })), { b: "5" })
      assert.deepStrictEqual(yield* inside(Metadata.replace({})), {})
    })
  )

  it.effect("append: a value behind the one that is there", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* inside(Metadata.append("a", "x")), { a: "1, x", b: "2" })
      assert.deepStrictEqual(yield* inside((self) => Metadata.append(self, "c", "x")), { a: "1", b: "2", c: "x" })
      const twice = inside((self) => self.pipe(Metadata.append("c", "second"), Metadata.append("c", "first")))
      assert.deepStrictEqual(yield* twice, { a: "1", b: "2", c: "first, second" })
      const empty = Metadata.outgoing.pipe(Metadata.append("a", "x"), Metadata.with({ a: "" }))
      assert.deepStrictEqual(yield* empty, { a: ", x" })
    })
  )

  it.effect("remove: without these keys", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* inside(Metadata.remove("a")), { b: "2" })
      assert.deepStrictEqual(yield* inside(Metadata.remove("a", "c")), { b: "2" })
      assert.deepStrictEqual(yield* inside(Metadata.remove("a", "b")), {})
      assert.deepStrictEqual(yield* inside(Metadata.remove()), { a: "1", b: "2" })
      assert.deepStrictEqual(yield* inside((self) => Metadata.remove(self, "b", "a")), {})
      assert.deepStrictEqual(yield* inside((self) => Metadata.remove(self)), { a: "1", b: "2" })
    })
  )

  it.effect("takes names of the language for keys like others", () =>
    Effect.gen(function* () {
      const program = Metadata.outgoing.pipe(
        Metadata.remove("toString", "valueOf"),
        Metadata.append("__proto__", "p"),
        Metadata.append("constructor", "c"),
        Metadata.with({ valueOf: "v" })
      )
      assert.deepStrictEqual(Object.entries(yield* program), [
        ["constructor", "c"],
        ["__proto__", "p"]
      ])
    })
  )

  it.effect("is what it was outside, also of fibers that were forked before, and does not change what was given", () =>
    Effect.gen(function* () {
      const given = { a: "1" }
      const program = Effect.gen(function* () {
        const before = yield* Effect.forkChild(Effect.andThen(Effect.yieldNow, Metadata.outgoing))
        const within = yield* Metadata.outgoing.pipe(Metadata.append("a", "2"), Metadata.with({ b: "3" }))
        const forked = yield* Effect.forkChild(Metadata.outgoing).pipe(
          Effect.flatMap(Fiber.join),
          Metadata.replace({ c: "4" })
        )
        return [yield* Fiber.join(before), within, forked, yield* Metadata.outgoing]
      })
      assert.deepStrictEqual(yield* program.pipe(Metadata.with(given)), [
        { a: "1" },
        { a: "1, 2", b: "3" },
        { c: "4" },
        { a: "1" }
      ])
      assert.deepStrictEqual(given, { a: "1" })
    })
  )
})

describe("calls inside carry what is outgoing", () => {
  it.effect("of every kind, whether the Stream or who runs it says so", () =>
    Effect.gen(function* () {
      const client = yield* setUp
      const answers = client.multi({ expect: 1 }).pipe(Client.successes)
      const received = client.stream.through(Stream.never).pipe(Stream.take(1))
      const opened = Effect.flatMap(client.stream(), ({ messages }) => Stream.runCollect(Stream.take(messages, 1)))
      const said = { a: "1", b: "2" }
      const programs = [
        client.unary().pipe(
          Metadata.with(said),
          Effect.map((answer) => [answer])
        ),
        answers.pipe(Metadata.with(said), Stream.runCollect),
        answers.pipe(Stream.runCollect, Metadata.with(said)),
        received.pipe(Metadata.with(said), Stream.runCollect),
        received.pipe(Stream.runCollect, Metadata.with(said)),
        opened.pipe(Metadata.with(said), Effect.scoped)
      ]
      for (const program of programs) assert.deepStrictEqual(yield* program, [said])
    }).pipe(onBus)
  )

  it.effect("of Streams: each combinator", () =>
    Effect.gen(function* () {
      const client = yield* setUp
      const answers = client.multi({ expect: 1 }).pipe(Client.successes)
      const told = (stream: Stream.Stream<Metadata.Metadata, unknown>) =>
        stream.pipe(Metadata.with({ a: "1", b: "2" }), Stream.runCollect)
      assert.deepStrictEqual(yield* told(Metadata.with(answers, { b: "3" })), [{ a: "1", b: "3" }])
      assert.deepStrictEqual(yield* told(answers.pipe(Metadata.replace({ c: "3" }))), [{ c: "3" }])
      assert.deepStrictEqual(yield* told(answers.pipe(Metadata.append("a", "3"))), [{ a: "1, 3", b: "2" }])
      assert.deepStrictEqual(yield* told(Metadata.append(answers, "a", "3")), [{ a: "1, 3", b: "2" }])
      assert.deepStrictEqual(yield* told(answers.pipe(Metadata.remove("a"))), [{ b: "2" }])
      assert.deepStrictEqual(yield* told(Metadata.remove(answers, "a", "b")), [{}])
    }).pipe(onBus)
  )

  it.effect("of a Stream that makes calls, and not of who reads it", () =>
    Effect.gen(function* () {
      const client = yield* setUp
      const stream = Stream.fromIterable([1, 2]).pipe(
        Stream.mapEffect(() => client.unary()),
        Metadata.with({ a: "stream" }),
        Stream.mapEffect((inner) => Effect.map(client.unary(), (outer) => [inner, outer]))
      )
      assert.deepStrictEqual(yield* Stream.runCollect(stream), [
        [{ a: "stream" }, {}],
        [{ a: "stream" }, {}]
      ])
    }).pipe(onBus)
  )

  it.effect("under the call's own, over the client's, which nothing takes away", () =>
    Effect.gen(function* () {
      yield* setUp
      const client = yield* Client.make(Kinds, { metadata: { client: "c", both: "c" } })
      const call = client.unary({ metadata: { call: "m" } })
      assert.deepStrictEqual(yield* call.pipe(Metadata.remove("client", "call")), { client: "c", both: "c", call: "m" })
      const replaced = call.pipe(Metadata.replace({ both: "f", call: "f" }))
      assert.deepStrictEqual(yield* replaced, { client: "c", both: "f", call: "m" })
    }).pipe(onBus)
  )
})
