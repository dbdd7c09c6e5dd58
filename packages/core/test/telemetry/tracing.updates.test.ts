import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Schema, Scope, Stream, Tracer } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import { readTrace } from "../../src/internal/wire/msgTrace.ts"
import { decodeMsg, encodeMsg } from "../../src/internal/wire/msg.ts"
import * as Publisher from "../../src/Publisher.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Service from "../../src/Service.ts"
import { onBus, settle, start, Traffic } from "../helpers/harness.ts"
import { attributesOf, only, Recorded, recorded } from "./recording.ts"

class News extends Service.make("News", {
  told: Rpc.subscription({ message: Schema.String, topic: ["region"], routing: "multi" }),
  done: Rpc.subscription({ message: Schema.String })
}) {}

const traced = <A, E, R>(effect: Effect.Effect<A, E, R>) => effect.pipe(onBus, Effect.provide(recorded))

const topic = { region: "eu" }

describe("the spans of an update", () => {
  it.effect("are one of who publishes, and one of each subscriber, from the arrival to the reading", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      const client = yield* Client.make(News)
      const updates = yield* client.told({ topic })
      const publisher = yield* Publisher.make(News)
      yield* publisher.told("up", { topic }).pipe(Effect.withSpan("outside"))
      yield* settle
      const [produced, consumed] = [only(spans, "producer"), only(spans, "consumer")]
      assert.strictEqual(produced.name, "publish News/Told")
      assert.strictEqual(consumed.name, "receive News/Told")
      assert.strictEqual(produced.parentId, spans[0]!.spanId)
      assert.strictEqual(consumed.parentId, produced.spanId)
      assert.strictEqual(consumed.traceId, produced.traceId)
      const common = {
        "rpc.service": "News",
        "rpc.method": "News/Told",
        "rpc.psrpc.topic.region": "eu",
        "messaging.system": "psrpc",
        "messaging.destination.name": "News|Told|eu|REQ",
        "messaging.destination.template": "News/Told",
        "messaging.message.body.size": 6
      }
      assert.deepStrictEqual(attributesOf(produced), {
        ...common,
        "messaging.operation.name": "publish",
        "messaging.operation.type": "send"
      })
      assert.deepStrictEqual(attributesOf(consumed), {
        ...common,
        "messaging.operation.name": "receive",
        "messaging.operation.type": "process"
      })
      assert.deepStrictEqual([produced.ends, consumed.ends], [1, 0])
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(updates, 1)), ["up"])
      assert.strictEqual(consumed.ends, 1)
      const { status } = consumed
      assert.strictEqual(status._tag === "Ended" && status.endTime - status.startTime, 2_000_000_000n)
      assert.isFalse(produced.hasFailed || consumed.hasFailed)
    }).pipe(traced)
  )

  it.effect("end where an update makes room, and where nobody reads it", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      const scope = yield* Scope.make()
      const client = yield* Client.make(News)
      const updates = yield* client
        .told({ topic, subscriptionBufferSize: 2, overflow: "sliding" })
        .pipe(Scope.provide(scope))
      const publisher = yield* Publisher.make(News)
      for (const message of ["one", "two", "three", "four"]) yield* publisher.told(message, { topic })
      yield* settle
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(updates, 1)), ["three"])
      yield* Scope.close(scope, Exit.void)
      const consumed = spans.filter(({ kind }) => kind === "consumer")
      assert.deepStrictEqual(
        consumed.map(({ code, ends }) => [code, ends]),
        [
          ["resource_exhausted", 1],
          ["resource_exhausted", 1],
          [undefined, 1],
          ["canceled", 1]
        ]
      )
      const { status } = consumed[3]!
      assert.isTrue(
        status._tag === "Ended" && status.exit._tag === "Failure" && Cause.hasInterruptsOnly(status.exit.cause)
      )
    }).pipe(traced)
  )

  it.effect("are of those updates alone that are taken in", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      const client = yield* Client.make(News)
      const kept = yield* client.told({ topic, subscriptionBufferSize: 1 })
      const failing = yield* client.told({ topic, subscriptionBufferSize: 1, overflow: "fail" })
      const publisher = yield* Publisher.make(News)
      for (const message of ["one", "two", "three"]) yield* publisher.told(message, { topic })
      yield* settle
      yield* Stream.runDrain(Stream.take(kept, 1))
      yield* Effect.exit(Stream.runDrain(failing))
      const consumed = spans.filter(({ kind }) => kind === "consumer")
      assert.deepStrictEqual(
        consumed.map(({ code, ends }) => [code, ends]),
        [
          [undefined, 1],
          [undefined, 1]
        ]
      )
    }).pipe(traced)
  )

  it.effect("of one in a queue are one, in line with the updates before it", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      const client = yield* Client.make(News)
      const updates = yield* client.done()
      const reader = yield* start(Stream.runCollect(Stream.take(updates, 3)))
      const publisher = yield* Publisher.make(News)
      for (const message of ["one", "two", "three"]) yield* publisher.done(message)
      yield* Fiber.join(reader)
      const produced = spans.filter(({ kind }) => kind === "producer")
      const consumed = spans.filter(({ kind }) => kind === "consumer")
      assert.deepStrictEqual(
        consumed.map(({ ends, parentId }) => [ends, parentId]),
        produced.map(({ spanId }) => [1, spanId])
      )
    }).pipe(traced)
  )

  it.effect("end where nothing is published", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      const publisher = yield* Publisher.make(News)
      yield* Effect.exit(publisher.told("up", { topic: {} as never }))
      yield* Effect.exit(publisher.told(1 as never, { topic }))
      assert.deepStrictEqual(
        spans.map(({ code, ends, kind }) => [kind, code, ends]),
        [
          ["producer", "invalid_argument", 1],
          ["producer", "malformed_request", 1]
        ]
      )
    }).pipe(traced)
  )

  it.effect("begin a trace where the publisher has no tracer, and none is on the wire then", () =>
    Effect.gen(function* () {
      const traffic = yield* Traffic
      const publisher = yield* Publisher.make(News)
      yield* Effect.gen(function* () {
        const spans = yield* Recorded
        const client = yield* Client.make(News)
        const updates = yield* client.told({ topic })
        yield* Effect.updateContext(publisher.told("up", { topic }), (context: Context.Context<never>) =>
          Context.omit(Tracer.Tracer as never)(context)
        )
        yield* settle
        yield* Stream.runDrain(Stream.take(updates, 1))
        assert.deepStrictEqual([only(spans, "consumer").parentId, only(spans, "consumer").ends], [undefined, 1])
      }).pipe(Effect.provide(recorded))
      const [update] = traffic
      assert.isUndefined(readTrace(update!.message))
      // the type and the message, and nothing else
      const msg = decodeMsg(update!.message) as Exclude<ReturnType<typeof decodeMsg>, "malformed">
      assert.deepStrictEqual(new Uint8Array(update!.message), new Uint8Array(encodeMsg(msg)))
    }).pipe(onBus)
  )
})
