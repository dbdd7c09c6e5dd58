import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema, Stream } from "effect"
import * as Client from "../../src/Client.ts"
import * as Interceptor from "../../src/Interceptor.ts"
import * as Publisher from "../../src/Publisher.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { onBus } from "../helpers/harness.ts"

class Kinds extends Service.make("Kinds", {
  ask: Rpc.unary({ request: Schema.String, response: Schema.String }),
  all: Rpc.multi({ request: Schema.String, response: Schema.String }),
  talk: Rpc.stream({ send: Schema.String, receive: Schema.String }),
  news: Rpc.subscription({ message: Schema.String })
}) {}

/** Writes down when it is entered and left, on every kind. */
const traced = (name: string, events: Array<string>) => {
  const note = (what: string) => Effect.sync(() => events.push(`${name} ${what}`))
  const around =
    (side: string) =>
    <A, E, R>(rest: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.andThen(
        note(`${side} in`),
        Effect.tap(rest, () => note(`${side} out`))
      )
  return Interceptor.all(
    Interceptor.server((call, next) => around(`server ${call.kind}`)(next())),
    Interceptor.serverStream((call, next) => around("server stream")(next())),
    Interceptor.client((_, next) => around("client")(next())),
    Interceptor.clientMulti((_, next) =>
      Stream.unwrap(Effect.as(note("multi in"), next().pipe(Stream.tap(() => note("multi answer")))))
    ),
    Interceptor.clientStream((_, next) => around("open")(next())),
    Interceptor.subscribe((_, next) =>
      Effect.map(around("subscribe")(next()), (updates) => Stream.tap(updates, () => note("update")))
    ),
    Interceptor.publish((_, next) => around("publish")(next()))
  )
}

const setUp = Effect.gen(function* () {
  const events: Array<string> = []
  const interceptors = [traced("a", events), traced("b", events)] as const
  yield* Server.make(
    Kinds,
    {
      ask: (request) =>
        Effect.as(
          Effect.sync(() => events.push("handler")),
          request
        ),
      all: (request) =>
        Effect.as(
          Effect.sync(() => events.push("handler")),
          request
        ),
      talk: (stream) =>
        Effect.andThen(
          Effect.sync(() => events.push("handler")),
          Stream.runForEach(stream.messages, stream.send)
        )
    },
    { interceptors }
  )
  const client = yield* Client.make(Kinds, { interceptors })
  const publisher = yield* Publisher.make(Kinds, { interceptors })
  return { client, events, publisher, own: [traced("c", events)] }
})

describe("interceptors run in the order given, the first outermost", () => {
  it.effect("around a call with one answer", () =>
    Effect.gen(function* () {
      const { client, events, own } = yield* setUp
      assert.strictEqual(yield* client.ask("x", { interceptors: own }), "x")
      assert.deepStrictEqual(events, [
        "a client in",
        "b client in",
        "c client in",
        "a server unary in",
        "b server unary in",
        "handler",
        "b server unary out",
        "a server unary out",
        "c client out",
        "b client out",
        "a client out"
      ])
    }).pipe(onBus)
  )

  it.effect("around a call that every server answers", () =>
    Effect.gen(function* () {
      const { client, events, own } = yield* setUp
      yield* Stream.runDrain(client.all("x", { expect: 1, interceptors: own }))
      assert.deepStrictEqual(events, [
        "a multi in",
        "b multi in",
        "c multi in",
        "a server multi in",
        "b server multi in",
        "handler",
        "b server multi out",
        "a server multi out",
        "c multi answer",
        "b multi answer",
        "a multi answer"
      ])
    }).pipe(onBus)
  )

  it.effect("around a stream, opened or gone through", () =>
    Effect.gen(function* () {
      const { client, events, own } = yield* setUp
      const expected = [
        "a open in",
        "b open in",
        "c open in",
        "a server stream in",
        "b server stream in",
        "handler",
        "c open out",
        "b open out",
        "a open out",
        "b server stream out",
        "a server stream out"
      ]
      const stream = yield* client.talk({ interceptors: own })
      yield* stream.send("x")
      assert.strictEqual((yield* Stream.runCollect(Stream.take(stream.messages, 1)))[0], "x")
      yield* stream.close()
      yield* Effect.yieldNow
      assert.deepStrictEqual(events, expected)
      events.length = 0
      const answers = yield* Stream.runCollect(client.talk.through(Stream.make("1", "2"), { interceptors: own }))
      assert.deepStrictEqual(answers, ["1", "2"])
      assert.deepStrictEqual(events.toSorted(), expected.toSorted())
    }).pipe(onBus)
  )

  it.effect("around a subscription, its updates and their publishing", () =>
    Effect.gen(function* () {
      const { client, events, own, publisher } = yield* setUp
      const updates = yield* client.news({ interceptors: own })
      const reading = yield* Effect.forkChild(Stream.runCollect(Stream.take(updates, 1)))
      yield* publisher.news("x", { interceptors: own })
      assert.deepStrictEqual(yield* Fiber.join(reading), ["x"])
      assert.deepStrictEqual(events, [
        "a subscribe in",
        "b subscribe in",
        "c subscribe in",
        "c subscribe out",
        "b subscribe out",
        "a subscribe out",
        "a publish in",
        "b publish in",
        "c publish in",
        "c publish out",
        "b publish out",
        "a publish out",
        "c update",
        "b update",
        "a update"
      ])
    }).pipe(onBus)
  )
})
