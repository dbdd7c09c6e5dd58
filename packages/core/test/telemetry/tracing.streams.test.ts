import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import { onBus, settle, start, Traffic } from "../helpers/harness.ts"
import { Chat, keeping, pair, reading, serve, streamTraffic } from "../stream/streamPairs.ts"
import { eventsOf, only, Recorded, recorded, type RecordedSpan } from "./recording.ts"

const traced = <A, E, R>(effect: Effect.Effect<A, E, R>) => effect.pipe(onBus, Effect.provide(recorded))

const counts = (span: RecordedSpan) => [
  span.attributes.get("rpc.psrpc.messages_sent"),
  span.attributes.get("rpc.psrpc.messages_received")
]

/** How the spans of the test ended: kind, code, how often. */
const endings = (spans: ReadonlyArray<RecordedSpan>) => spans.map(({ code, ends, kind }) => [kind, code, ends])

describe("the spans of a stream", () => {
  it.effect("last as long as it does, and have an event for each message", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      const { here, server, there } = yield* pair({ client: { clientId: "CLI_1" } })
      const [sent, received] = [only(spans, "client"), only(spans, "server")]
      assert.strictEqual(received.name, "Chat/Talk")
      assert.strictEqual(received.parentId, sent.spanId)
      assert.strictEqual(received.traceId, sent.traceId)
      assert.strictEqual(sent.attributes.get("rpc.psrpc.peer_id"), server.serverId)
      assert.strictEqual(received.attributes.get("rpc.psrpc.peer_id"), "CLI_1")
      for (const span of spans) assert.strictEqual(span.attributes.get("rpc.psrpc.stream_id"), here.streamId)
      yield* here.send("one")
      yield* here.send("two")
      yield* there.send("three")
      assert.deepStrictEqual([sent.ends, received.ends], [0, 0])
      yield* here.close()
      yield* settle
      assert.deepStrictEqual(endings(spans), [
        ["client", undefined, 1],
        ["server", undefined, 1]
      ])
      assert.deepStrictEqual(eventsOf(sent), ["claim", "chosen", "rpc.message", "rpc.message", "rpc.message"])
      assert.deepStrictEqual(
        received.events.map(([, , attributes]) => attributes),
        [
          { "rpc.message.type": "RECEIVED", "rpc.message.id": 1, "rpc.message.uncompressed_size": 5 },
          { "rpc.message.type": "RECEIVED", "rpc.message.id": 2, "rpc.message.uncompressed_size": 5 },
          { "rpc.message.type": "SENT", "rpc.message.id": 1, "rpc.message.uncompressed_size": 7 }
        ]
      )
      assert.deepStrictEqual(counts(sent), [2, 1])
      assert.deepStrictEqual(counts(received), [1, 2])
      assert.isFalse(sent.hasFailed || received.hasFailed)
    }).pipe(traced)
  )

  it.effect("keep the first 128 events, and count all messages", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      const { here, there } = yield* pair()
      yield* reading(there.messages)
      for (let i = 0; i < 200; i++) yield* here.send("again")
      yield* here.close()
      yield* settle
      for (const span of spans) assert.strictEqual(span.events.length, 128)
      assert.deepStrictEqual(counts(only(spans, "client")), [200, 0])
      assert.deepStrictEqual(counts(only(spans, "server")), [0, 200])
    }).pipe(traced)
  )

  it.effect("tell at the server the defect that its client is not told of", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      const defect = new Error("a defect")
      yield* serve({ talk: () => Effect.die(defect) })
      const client = yield* Client.make(Chat)
      yield* Effect.scoped(Effect.flatMap(client.talk(), ({ closed }) => Effect.exit(closed)))
      yield* settle
      const causes = spans.map(({ status }) => (status._tag === "Ended" ? String(status.exit) : "not ended"))
      const [sent, received] = [spans.indexOf(only(spans, "client")), spans.indexOf(only(spans, "server"))]
      assert.include(causes[received], "a defect")
      assert.notInclude(causes[sent], "a defect")
      assert.deepStrictEqual(endings(spans), [
        ["client", "internal", 1],
        ["server", "internal", 1]
      ])
    }).pipe(traced)
  )

  it.effect("are the parents of what the handler does", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      yield* serve({ talk: (stream) => Effect.asVoid(Effect.withSpan(Stream.runDrain(stream.messages), "reading")) })
      const client = yield* Client.make(Chat)
      yield* Effect.scoped(Effect.andThen(client.talk(), settle))
      yield* settle
      const inside = spans.find((span) => span.name === "reading")!
      assert.strictEqual(inside.parentId, only(spans, "server").spanId)
      assert.strictEqual(inside.ends, 1)
    }).pipe(traced)
  )

  it.effect("of `through` end with it", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      yield* serve({ talk: (stream) => Stream.runForEach(stream.messages, stream.send) })
      const client = yield* Client.make(Chat)
      assert.deepStrictEqual(yield* Stream.runCollect(client.talk.through(Stream.make("a", "b"))), ["a", "b"])
      yield* settle
      assert.deepStrictEqual(endings(spans), [
        ["client", undefined, 1],
        ["server", undefined, 1]
      ])
      assert.deepStrictEqual(counts(only(spans, "client")), [2, 2])
    }).pipe(traced)
  )

  it.effect("end with the cause of a close, at both ends", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      const { here } = yield* pair()
      yield* here.close(PsrpcError.fromCode("aborted", { message: "enough" }))
      yield* settle
      assert.deepStrictEqual(endings(spans), [
        ["client", "aborted", 1],
        ["server", "aborted", 1]
      ])
    }).pipe(traced)
  )

  it.effect("end with what the handler fails with, or dies of", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      let ending: Effect.Effect<never, PsrpcError.PsrpcError> = Effect.die("secret")
      yield* serve({ talk: () => ending })
      const client = yield* Client.make(Chat)
      for (const [failure, code] of [
        [Effect.die("secret"), "internal"],
        [Effect.fail(PsrpcError.fromCode("not_found", { message: "no" })), "not_found"]
      ] as const) {
        spans.length = 0
        ending = failure
        yield* Effect.scoped(Effect.andThen(Effect.exit(client.talk()), settle))
        yield* settle
        assert.deepStrictEqual(endings(spans), [
          ["client", code, 1],
          ["server", code, 1]
        ])
      }
    }).pipe(traced)
  )

  it.effect("outlive a handler that gives the stream away", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      yield* serve({ talk: (stream) => stream.hijack })
      const client = yield* Client.make(Chat)
      const stream = yield* client.talk()
      yield* settle
      assert.strictEqual(only(spans, "server").ends, 0)
      yield* stream.close()
      yield* settle
      assert.deepStrictEqual(endings(spans), [
        ["client", undefined, 1],
        ["server", undefined, 1]
      ])
    }).pipe(traced)
  )

  it.effect("wait for a handler that goes on when the stream is closed", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      const gate = yield* Deferred.make<void>()
      yield* serve({ talk: () => Deferred.await(gate) })
      const client = yield* Client.make(Chat)
      yield* Effect.scoped(client.talk())
      yield* settle
      assert.deepStrictEqual([only(spans, "client").ends, only(spans, "server").ends], [1, 0])
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      assert.strictEqual(only(spans, "server").ends, 1)
    }).pipe(traced)
  )

  it.effect("end when the client is closed, when the server drains, and when it is killed", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      const scope = yield* Scope.make()
      const { handle } = keeping()
      const first = yield* serve({ talk: handle })
      const client = yield* Client.make(Chat).pipe(Scope.provide(scope))
      const other = yield* Client.make(Chat)
      yield* client.talk()
      yield* Scope.close(scope, Exit.void)
      yield* settle
      yield* other.talk()
      yield* start(first.drain)
      yield* settle
      const second = yield* serve({ talk: () => Effect.never })
      yield* other.talk()
      yield* start(second.kill)
      yield* settle
      assert.deepStrictEqual(endings(spans), [
        ["client", "canceled", 1],
        ["server", "canceled", 1],
        ["client", "unavailable", 1],
        ["server", "unavailable", 1],
        ["client", "unavailable", 1],
        ["server", "unavailable", 1]
      ])
    }).pipe(traced)
  )

  it.effect("end where no stream is opened", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      const client = yield* Client.make(Chat)
      const silent = yield* start(Effect.exit(Effect.scoped(client.alone())))
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(silent)
      yield* Effect.exit(Effect.scoped(client.talk({ streamBufferSize: 0 })))
      yield* serve({ best: { affinity: () => Effect.never, handle: () => Effect.void } })
      const interrupted = yield* start(Effect.scoped(client.best()))
      yield* settle
      yield* Fiber.interrupt(interrupted)
      assert.deepStrictEqual(endings(spans), [
        ["client", "unavailable", 1],
        ["client", "invalid_argument", 1],
        ["client", "canceled", 1]
      ])
    }).pipe(traced)
  )

  it.effect("go along with the opening, and only with a tracer", () =>
    Effect.gen(function* () {
      const traffic = yield* Traffic
      const opened = Effect.map(streamTraffic, (all) => {
        traffic.length = 0
        return all.flatMap((message) => (message.kind === "open" ? [Object.assign({}, message.metadata)] : []))
      })
      yield* pair()
      assert.deepStrictEqual(yield* opened, [{}])
      yield* Effect.gen(function* () {
        const spans = yield* Recorded
        const client = yield* Client.make(Chat)
        yield* client.talk()
        const { spanId, traceId } = only(spans, "client")
        assert.deepStrictEqual(yield* opened, [{ traceparent: `00-${traceId}-${spanId}-01` }])
      }).pipe(Effect.provide(recorded))
    }).pipe(onBus)
  )
})
