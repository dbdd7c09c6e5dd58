import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Schema, Stream, Tracer } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Publisher from "../../src/Publisher.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { fakeClient, json, onBus, settle, start } from "../helpers/harness.ts"
import { only, Recorded, recorded } from "./recording.ts"

class Shop extends Service.make("Shop", {
  buy: Rpc.unary({ request: Schema.String, response: Schema.String }),
  weigh: Rpc.unary({ request: Schema.String, response: Schema.String, routing: "affinity" }),
  news: Rpc.subscription({ message: Schema.String, routing: "multi" })
}) {}

const traced = <A, E, R>(effect: Effect.Effect<A, E, R>) => effect.pipe(onBus, Effect.provide(recorded))

/** Without a tracer. */
const untraced = Effect.updateContext((context: Context.Context<never>) =>
  Context.omit(Tracer.Tracer)(context as Context.Context<any>)
)

describe("a span of what comes from who has no tracer begins a trace", () => {
  it.effect("that of an update, whatever span the subscription is made in", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      const client = yield* Client.make(Shop)
      const publisher = yield* Publisher.make(Shop)
      yield* Effect.gen(function* () {
        const news = yield* client.news()
        yield* untraced(publisher.news("tea"))
        assert.strictEqual(yield* Effect.map(Stream.runHead(news), (head) => head._tag), "Some")
      }).pipe(Effect.withSpan("reader"))
      const received = only(spans, "consumer")
      assert.strictEqual(received.parentId, undefined)
      assert.notStrictEqual(received.traceId, only(spans, "internal").traceId)
    }).pipe(traced)
  )

  it.effect("that of what an affinity does, whatever span the server is made in", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      const affinity = () => Effect.succeed(1).pipe(Effect.withSpan("weighing"))
      const weigh = { affinity, handle: (text: string) => Effect.succeed(text) }
      yield* Server.make(Service.pick(Shop, "weigh"), { weigh }).pipe(Effect.withSpan("layer"))
      const peer = yield* fakeClient("Shop")
      peer.request("Weigh", { id: "REQ_1", expiry: 1000, raw: json("tea") }, { queue: false })
      yield* settle
      assert.strictEqual(peer.claims.length, 1)
      const weighing = spans.find(({ name }) => name === "weighing")
      assert.strictEqual(weighing?.parentId, undefined)
      assert.notStrictEqual(weighing?.traceId, spans.find(({ name }) => name === "layer")?.traceId)
    }).pipe(traced)
  )
})

describe("the span of a handler that a closing server cannot interrupt", () => {
  it.effect("fails with what its caller was told, when the handler ends", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      const running = yield* Deferred.make<void>()
      const buy = (text: string) =>
        Effect.uninterruptible(
          Effect.andThen(Deferred.succeed(running, undefined), Effect.delay(Effect.succeed(text), 100))
        )
      const server = yield* Server.make(Service.pick(Shop, "buy"), { buy })
      const client = yield* Client.make(Shop)
      const call = yield* start(Effect.flip(client.buy("tea")))
      yield* Deferred.await(running)
      const killing = yield* start(server.kill)
      assert.strictEqual((yield* Fiber.join(call)).code, "unavailable")
      const span = only(spans, "server")
      assert.strictEqual(span.ends, 0)
      yield* TestClock.adjust(100)
      yield* Fiber.join(killing)
      assert.deepStrictEqual([span.ends, span.code], [1, "unavailable"])
    }).pipe(traced)
  )
})
