import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { onBus, settle, start } from "../helpers/harness.ts"
import { attributesOf, eventsOf, only, Recorded, recorded } from "./recording.ts"

class Farm extends Service.make("Farm", {
  load: Rpc.multi({ request: Schema.String, response: Schema.String, topic: ["region"] })
}) {}

const traced = <A, E, R>(effect: Effect.Effect<A, E, R>) => effect.pipe(onBus, Effect.provide(recorded))

const topic = { region: "eu" }

const serve = (serverId: string, load: () => Effect.Effect<string, PsrpcError.PsrpcError>) =>
  Server.make(Farm, { load }, { serverId, topics: { load: [topic] } })

describe("the spans of a call to every server", () => {
  it.effect("are one of the client's, with an event for each answer, and one of each server's", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      yield* serve("a", () => Effect.succeed("1"))
      yield* serve("b", () => Effect.fail(PsrpcError.fromCode("not_found", { message: "no" })))
      const client = yield* Client.make(Farm)
      const answers = yield* Stream.runCollect(client.load("x", { topic, expect: 2 }))
      assert.strictEqual(answers.length, 2)
      const span = only(spans, "client")
      const { "rpc.psrpc.request_id": requestId, ...others } = attributesOf(span)
      assert.match(String(requestId), /^REQ_/)
      assert.deepStrictEqual(others, {
        "rpc.system.name": "psrpc",
        "rpc.service": "Farm",
        "rpc.method": "Farm/Load",
        "rpc.psrpc.topic.region": "eu",
        "rpc.psrpc.answers": 2
      })
      assert.deepStrictEqual(
        span.events.map(([name, , attributes]) => [name, attributes]),
        [
          ["answer", { "rpc.psrpc.peer_id": "a" }],
          ["answer", { "rpc.psrpc.peer_id": "b", "rpc.psrpc.status_code": "not_found" }]
        ]
      )
      const servers = spans.filter(({ kind }) => kind === "server")
      assert.deepStrictEqual(
        servers.map(({ code, ends, parentId }) => [code, ends, parentId]),
        [
          [undefined, 1, span.spanId],
          ["not_found", 1, span.spanId]
        ]
      )
      assert.deepStrictEqual([span.ends, span.hasFailed], [1, false])
    }).pipe(traced)
  )

  it.effect("begin with each run of the Stream, and not with the call", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      yield* serve("a", () => Effect.succeed("1"))
      const client = yield* Client.make(Farm)
      const answers = client.load("x", { topic, expect: 1 })
      assert.strictEqual(spans.length, 0)
      yield* Stream.runDrain(answers).pipe(Effect.withSpan("outside"))
      yield* Stream.runDrain(answers)
      const own = spans.filter(({ kind }) => kind === "client")
      assert.strictEqual(own.length, 2)
      assert.strictEqual(own[0]!.parentId, spans[0]!.spanId)
      assert.strictEqual(own[1]!.parentId, undefined)
    }).pipe(traced)
  )

  it.effect("end however the Stream ends", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      const scope = yield* Scope.make()
      yield* serve("a", () => Effect.succeed("1"))
      const client = yield* Client.make(Farm).pipe(Scope.provide(scope))
      const collect = Stream.runCollect(client.load("x", { topic }))
      const ended = yield* start(collect)
      yield* settle
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(ended)
      yield* Stream.runHead(client.load("x", { topic }))
      yield* Effect.exit(Stream.runForEach(client.load("x", { topic }), () => Effect.fail("the reader's own")))
      const interrupted = yield* start(collect)
      yield* settle
      yield* Fiber.interrupt(interrupted)
      yield* Effect.exit(Stream.runDrain(client.load("x", { topic: { region: "us" } })))
      yield* Effect.exit(Stream.runDrain(client.load("x", { topic, expect: 0 })))
      yield* Effect.exit(Stream.runDrain(client.load(1 as never, { topic })))
      const closed = yield* start(Effect.exit(collect))
      yield* settle
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(closed)
      yield* Effect.exit(collect)
      assert.deepStrictEqual(
        spans.filter(({ kind }) => kind === "client").map(({ code, ends }) => [code, ends]),
        [
          [undefined, 1],
          [undefined, 1],
          [undefined, 1],
          ["canceled", 1],
          ["unavailable", 1],
          ["invalid_argument", 1],
          ["malformed_request", 1],
          ["canceled", 1],
          ["canceled", 1]
        ]
      )
      for (const span of spans) assert.strictEqual(span.ends, 1)
    }).pipe(traced)
  )

  it.effect("keep the first 128 answers", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      for (let i = 0; i < 130; i++) yield* serve(`s${i}`, () => Effect.succeed("1"))
      const client = yield* Client.make(Farm)
      yield* Stream.runDrain(client.load("x", { topic, expect: 130, multiBufferSize: 200 }))
      const span = only(spans, "client")
      assert.strictEqual(eventsOf(span).length, 128)
      assert.strictEqual(span.attributes.get("rpc.psrpc.answers"), 130)
    }).pipe(traced)
  )
})
