import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Option, References, Schema, Scope, Tracer } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Envelope from "../../src/internal/wire/callEnvelope.ts"
import type * as Metadata from "../../src/Metadata.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Selection from "../../src/Selection.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { fakeClient, fakeServers, Logs, onBus, settle, start, Traffic } from "../helpers/harness.ts"
import { attributesOf, eventsOf, only, Recorded, recorded } from "./recording.ts"

class Taken extends Schema.TaggedError<Taken>()("Taken", { name: Schema.String }, { psrpcCode: "already_exists" }) {}

class Greeter extends Service.make("Greeter", {
  hello: Rpc.unary({ request: Schema.String, response: Schema.String, error: Taken }),
  alone: Rpc.unary({ request: Schema.String, response: Schema.String, topic: ["room"], singleServer: true }),
  work: Rpc.unary({ request: Schema.String, response: Schema.String, routing: "affinity" }),
  steady: Rpc.unary({ request: Schema.String, response: Schema.String, runToCompletion: true })
}) {}

const echo = (text: string) => Effect.succeed(text)

const handlers = Greeter.of({ hello: echo, alone: echo, work: { affinity: 0.5, handle: echo }, steady: echo })

const traced = <A, E, R>(effect: Effect.Effect<A, E, R>) => effect.pipe(onBus, Effect.provide(recorded))

describe("the spans of a unary call", () => {
  it.effect("are one of the client's and one of the server's, in one trace", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      const server = yield* Server.make(Greeter, handlers, { serverId: "SRV_1", topics: { alone: [{ room: "a" }] } })
      const client = yield* Client.make(Greeter, { clientId: "CLI_1" })
      yield* client.hello("Ada")
      const [sent, received] = [only(spans, "client"), only(spans, "server")]
      assert.strictEqual(sent.name, "Greeter/Hello")
      assert.strictEqual(received.name, "Greeter/Hello")
      assert.strictEqual(received.traceId, sent.traceId)
      assert.strictEqual(received.parentId, sent.spanId)
      assert.strictEqual(sent.parentId, undefined)
      const requestId = sent.attributes.get("rpc.psrpc.request_id")
      assert.match(String(requestId), /^REQ_/)
      assert.deepStrictEqual(attributesOf(sent), {
        "rpc.system.name": "psrpc",
        "rpc.service": "Greeter",
        "rpc.method": "Greeter/Hello",
        "rpc.psrpc.request_id": requestId,
        "rpc.psrpc.peer_id": server.serverId
      })
      assert.deepStrictEqual(attributesOf(received), {
        "rpc.system.name": "psrpc",
        "rpc.service": "Greeter",
        "rpc.method": "Greeter/Hello",
        "rpc.psrpc.request_id": requestId,
        "rpc.psrpc.peer_id": "CLI_1"
      })
      assert.deepStrictEqual(eventsOf(sent), ["claim", "chosen"])
      assert.deepStrictEqual(sent.events[0]![2], { "rpc.psrpc.peer_id": "SRV_1", "rpc.psrpc.affinity": 1 })
      assert.deepStrictEqual([sent.ends, received.ends, sent.hasFailed, received.hasFailed], [1, 1, false, false])
    }).pipe(traced)
  )

  it.effect("without a claim tell the server and the topic", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      yield* Server.make(Greeter, handlers, { serverId: "SRV_1", topics: { alone: [{ room: "a" }] } })
      const client = yield* Client.make(Greeter, { clientId: "CLI_1" })
      yield* client.alone("Ada", { topic: { room: "a" } })
      for (const span of spans) assert.strictEqual(span.attributes.get("rpc.psrpc.topic.room"), "a")
      assert.strictEqual(only(spans, "client").attributes.get("rpc.psrpc.peer_id"), "SRV_1")
      assert.deepStrictEqual(eventsOf(only(spans, "client")), [])
    }).pipe(traced)
  )

  it.effect("are children of the caller's, and parents of the handler's and of the calls made inside", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      const client = yield* Client.make(Greeter)
      yield* Server.make(Service.pick(Greeter, "hello"), {
        hello: (name) => client.work(name).pipe(Effect.withSpan("inside"), Effect.orDie)
      })
      yield* Server.make(Service.pick(Greeter, "work"), { work: { affinity: 1, handle: echo } })
      const call = client.hello("Ada").pipe(Effect.withSpan("outside"))
      const running = yield* start(call)
      yield* settle
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(running)
      const names = spans.map((span) => `${span.kind} ${span.name}`)
      assert.deepStrictEqual(names, [
        "internal outside",
        "client Greeter/Hello",
        "server Greeter/Hello",
        "internal inside",
        "client Greeter/Work",
        "server Greeter/Work"
      ])
      for (let i = 1; i < spans.length; i++) assert.strictEqual(spans[i]!.parentId, spans[i - 1]!.spanId)
      assert.strictEqual(new Set(spans.map((span) => span.traceId)).size, 1)
    }).pipe(traced)
  )

  it.effect("of a server do not hang on the span that it was made in", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      yield* Server.make(Greeter, handlers).pipe(Effect.withSpan("layer"))
      const peer = yield* fakeClient("Greeter")
      peer.request("Hello", { id: "REQ_1", expiry: 1000, raw: new TextEncoder().encode('"Ada"') })
      yield* settle
      peer.choose("Hello", "REQ_1", peer.claims[0]!.serverId)
      yield* settle
      assert.strictEqual(peer.responses.length, 1)
      assert.strictEqual(only(spans, "server").parentId, undefined)
      assert.notStrictEqual(only(spans, "server").traceId, spans.find((span) => span.name === "layer")!.traceId)
    }).pipe(traced)
  )

  it.effect("begin at a server once the request is its own: what its affinity does is in the caller's trace", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      const weigh = (affinity: number) => Effect.withSpan(Effect.succeed(affinity), `weigh ${affinity}`)
      for (const affinity of [0.25, 0.75]) {
        yield* Server.make(Service.pick(Greeter, "work"), { work: { affinity: () => weigh(affinity), handle: echo } })
      }
      const client = yield* Client.make(Greeter)
      const running = yield* start(client.work("Ada"))
      yield* settle
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(running)
      const sent = only(spans, "client")
      assert.deepStrictEqual(
        spans.filter(({ kind }) => kind === "internal").map(({ ends, name, parentId }) => [name, parentId, ends]),
        [
          ["weigh 0.25", sent.spanId, 1],
          ["weigh 0.75", sent.spanId, 1]
        ]
      )
      assert.strictEqual(only(spans, "server").parentId, sent.spanId)
    }).pipe(traced)
  )

  it.effect("do not exist at a server with too many in-flight requests, or for a request that cannot be decoded", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      yield* Server.make(
        Service.pick(Greeter, "alone"),
        { alone: () => Effect.never },
        { topics: { alone: [{ room: "a" }] }, maxInFlight: 1 }
      )
      const client = yield* Client.make(Greeter)
      yield* start(Effect.exit(client.alone("Ada", { topic: { room: "a" } })))
      yield* settle
      yield* Effect.exit(client.alone("Ada", { topic: { room: "a" } }))
      const peer = yield* fakeClient("Greeter")
      peer.request("Alone", { id: "REQ_1", expiry: 1000, raw: new Uint8Array([1]) }, { topic: ["a"] })
      yield* settle
      assert.strictEqual(peer.responses[0]!.code, "malformed_request")
      assert.deepStrictEqual(
        spans.map(({ code, ends, kind }) => [kind, code, ends]),
        [
          ["client", undefined, 0],
          ["server", undefined, 0],
          ["client", "resource_exhausted", 1]
        ]
      )
    }).pipe(traced)
  )

  it.effect("compare claims, each of them an event", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      const servers = yield* fakeServers("Greeter", "Work")
      const client = yield* Client.make(Greeter)
      const running = yield* start(client.work("Ada", { selection: Selection.best({ affinityTimeout: "1 second" }) }))
      yield* settle
      servers.claim("SRV_a", 0.25)
      servers.claim("SRV_b", 0.75)
      yield* settle
      yield* TestClock.adjust("1 second")
      servers.answer("SRV_b", { raw: new TextEncoder().encode('"Ada"') })
      assert.strictEqual(yield* Fiber.join(running), "Ada")
      const span = only(spans, "client")
      assert.deepStrictEqual(
        span.events.map(([name, , attributes]) => [name, attributes?.["rpc.psrpc.peer_id"]]),
        [
          ["claim", "SRV_a"],
          ["claim", "SRV_b"],
          ["chosen", "SRV_b"]
        ]
      )
    }).pipe(traced)
  )

  it.effect("end with what the call failed with, and its code", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      let fail: Effect.Effect<never, PsrpcError.PsrpcError | Taken> = Effect.die("secret")
      yield* Server.make(Service.pick(Greeter, "hello"), { hello: () => fail })
      const client = yield* Client.make(Greeter)
      const codes = [
        [Effect.die("secret"), "internal"],
        [Effect.fail(new PsrpcError.NotFound({ message: "no" })), "not_found"],
        [Effect.fail(PsrpcError.fromCode("of_tomorrow", { message: "no" })), "of_tomorrow"],
        [Effect.fail(new Taken({ name: "Ada" })), "already_exists"]
      ] as const
      for (const [failure, code] of codes) {
        spans.length = 0
        fail = failure
        const exit = yield* Effect.exit(client.hello("Ada"))
        assert.strictEqual(exit._tag, "Failure")
        for (const kind of ["client", "server"] as const) {
          const span = only(spans, kind)
          assert.isTrue(span.hasFailed)
          assert.strictEqual(span.ends, 1)
          assert.strictEqual(span.code, code, kind)
        }
      }
    }).pipe(traced)
  )

  it.effect("end where nobody answers, and where nothing is sent", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      const servers = yield* fakeServers("Greeter", "Hello", { queue: true })
      const scope = yield* Scope.make()
      const client = yield* Client.make(Greeter).pipe(Scope.provide(scope))
      const silent = yield* start(Effect.exit(client.hello("Ada")))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(silent)
      const late = yield* start(Effect.exit(client.hello("Ada")))
      yield* settle
      servers.claim("SRV_a")
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(late)
      yield* Effect.exit(client.alone("Ada", { topic: { room: "a" } }))
      yield* Effect.exit(client.alone("Ada", { topic: {} as never }))
      yield* Effect.exit(client.hello(1 as never))
      const interrupted = yield* start(client.hello("Ada"))
      yield* Fiber.interrupt(interrupted)
      const closed = yield* start(Effect.exit(client.hello("Ada")))
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(closed)
      yield* Effect.exit(client.hello("Ada"))
      assert.deepStrictEqual(
        spans.map(({ code, ends, kind }) => [kind, code, ends]),
        [
          ["client", "unavailable", 1],
          ["client", "deadline_exceeded", 1],
          ["client", "unavailable", 1],
          ["client", "invalid_argument", 1],
          ["client", "malformed_request", 1],
          ["client", "canceled", 1],
          ["client", "canceled", 1],
          ["client", "canceled", 1]
        ]
      )
    }).pipe(traced)
  )

  it.effect("end on a server whose handler is interrupted, in each way", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      const scope = yield* Scope.make()
      const gate = yield* Deferred.make<void>()
      const server = yield* Server.make(
        Service.pick(Greeter, "hello", "steady"),
        { hello: () => Effect.never, steady: () => Effect.as(Effect.uninterruptible(Deferred.await(gate)), "done") },
        { drainTimeout: "1 second" }
      ).pipe(Scope.provide(scope))
      const client = yield* Client.make(Greeter)
      const late = yield* start(Effect.exit(client.hello("Ada", { timeout: "2 seconds" })))
      yield* settle
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(late)
      const cancelled = yield* start(client.hello("Ada"))
      yield* settle
      yield* Fiber.interrupt(cancelled)
      yield* settle
      const killed = yield* start(Effect.exit(client.hello("Ada")))
      const unhurried = yield* start(Effect.exit(client.steady("Ada")))
      yield* settle
      const kill = yield* start(server.kill)
      yield* Fiber.join(killed)
      yield* Fiber.join(unhurried)
      // the caller was told; the handler takes its time
      assert.strictEqual(spans.filter((span) => span.kind === "server" && span.ends === 0).length, 1)
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(kill)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(
        spans.filter(({ kind }) => kind === "server").map(({ code, ends }) => [code, ends]),
        [
          ["deadline_exceeded", 1],
          ["canceled", 1],
          ["unavailable", 1],
          ["unavailable", 1]
        ]
      )
      const [, cancel] = spans.filter(({ kind }) => kind === "server")
      assert.isTrue(
        cancel!.status._tag === "Ended" &&
          cancel!.status.exit._tag === "Failure" &&
          Cause.hasInterruptsOnly(cancel!.status.exit.cause)
      )
    }).pipe(traced)
  )

  it.effect("end where the answer cannot be encoded, and where it cannot be read", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      yield* Server.make(Service.pick(Greeter, "hello"), { hello: () => Effect.succeed(1 as never) })
      const client = yield* Client.make(Greeter)
      yield* Effect.exit(client.hello("Ada"))
      assert.deepStrictEqual(
        spans.map(({ code, ends }) => [code, ends]),
        [
          ["malformed_result", 1],
          ["malformed_result", 1]
        ]
      )
    }).pipe(traced)
  )
})

/** The metadata of the requests that went over the bus. */
const sentMetadata = Effect.map(Traffic, (traffic) =>
  traffic
    .filter(({ type }) => type === "Request")
    .map(({ message }) => Object.assign({}, (Envelope.decodeRequest(message) as Envelope.Request).metadata))
)

describe("trace context in the metadata", () => {
  it.effect("is the client span's, in place of one that a user put there", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      yield* Server.make(Greeter, handlers)
      const client = yield* Client.make(Greeter)
      yield* client.hello("Ada", { metadata: { traceparent: "mine", tracestate: "a=b", other: "x" } })
      const { spanId, traceId } = only(spans, "client")
      assert.deepStrictEqual(yield* sentMetadata, [{ traceparent: `00-${traceId}-${spanId}-01`, other: "x" }])
    }).pipe(traced)
  )

  it.effect("is not there without a tracer, unless a user puts it there", () =>
    Effect.gen(function* () {
      yield* Server.make(Greeter, handlers)
      const client = yield* Client.make(Greeter)
      yield* client.hello("Ada").pipe(Effect.withSpan("outside"))
      yield* client.hello("Ada", { metadata: { traceparent: "mine" } })
      assert.deepStrictEqual(yield* sentMetadata, [{}, { traceparent: "mine" }])
    }).pipe(onBus)
  )

  for (const [how, disable] of [
    ["a disabled tracer", Effect.provideService(References.TracerEnabled, false)],
    ["disabled propagation", Effect.provideService(Tracer.DisablePropagation, true)]
  ] as const) {
    it.effect(`is not there with ${how}, and neither is a span`, () =>
      Effect.gen(function* () {
        const spans = yield* Recorded
        const peers = yield* fakeServers("Greeter", "Hello", { queue: true })
        const client = yield* Client.make(Greeter)
        const running = yield* start(disable(client.hello("Ada", { metadata: { traceparent: "mine" } })))
        yield* settle
        peers.claim("SRV_a")
        yield* settle
        peers.answer("SRV_a", { raw: new TextEncoder().encode('"Ada"') })
        yield* Fiber.join(running)
        assert.deepStrictEqual(spans, [])
        assert.deepStrictEqual(yield* sentMetadata, [{ traceparent: "mine" }])
      }).pipe(traced)
    )
  }

  it.effect("keeps the caller's decision not to sample", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      let inside: boolean | undefined
      yield* Server.make(Service.pick(Greeter, "hello"), {
        hello: (name) =>
          Effect.map(Effect.orDie(Effect.currentSpan), (span) => {
            inside = span.sampled
            return name
          })
      })
      const client = yield* Client.make(Greeter)
      yield* client.hello("Ada").pipe(Effect.withSpan("outside", { sampled: false }))
      assert.match((yield* sentMetadata)[0]!["traceparent"]!, /-00$/)
      assert.deepStrictEqual(
        spans.map((span) => span.sampled),
        [false, false, false]
      )
      assert.isFalse(inside)
    }).pipe(traced)
  )

  it.effect("takes a trace state along, from one call to the next", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Greeter)
      yield* Server.make(Service.pick(Greeter, "hello"), {
        hello: (name) => client.steady(name).pipe(Effect.withSpan("inside"), Effect.orDie)
      })
      yield* Server.make(Service.pick(Greeter, "steady"), { steady: echo })
      const peer = yield* fakeClient("Greeter")
      const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`
      const metadata = { traceparent, tracestate: "vendor=1, other=2" }
      peer.request("Hello", { id: "REQ_1", expiry: 1000, raw: new TextEncoder().encode('"Ada"'), metadata })
      yield* settle
      peer.choose("Hello", "REQ_1", peer.claims[0]!.serverId)
      yield* settle
      const [, onwards] = yield* sentMetadata
      assert.strictEqual(onwards!["tracestate"], "vendor=1, other=2")
      assert.match(onwards!["traceparent"]!, new RegExp(`^00-${"a".repeat(32)}-`))
    }).pipe(traced)
  )

  it.effect("that cannot be read begins a new trace", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      yield* Server.make(Greeter, handlers)
      const peer = yield* fakeClient("Greeter")
      const metadata = { traceparent: `00-${"0".repeat(32)}-${"b".repeat(16)}-01`, tracestate: "a=b" }
      peer.request("Hello", { id: "REQ_1", expiry: 1000, raw: new TextEncoder().encode('"Ada"'), metadata })
      yield* settle
      peer.choose("Hello", "REQ_1", peer.claims[0]!.serverId)
      yield* settle
      const span = only(spans, "server")
      assert.isTrue(Option.isNone(span.parent))
      assert.isFalse(span.hasFailed)
    }).pipe(traced)
  )

  it.effect("of a caller does not leave a handler as metadata", () =>
    Effect.gen(function* () {
      const seen: Array<Metadata.Metadata> = []
      const client = yield* Client.make(Greeter)
      yield* Server.make(Service.pick(Greeter, "hello"), {
        hello: (name, call) => Effect.sync(() => (seen.push(call.header.metadata), name))
      })
      yield* client.hello("Ada")
      assert.hasAllKeys(seen[0]!, ["traceparent"])
    }).pipe(traced)
  )
})

/** A span of a tracer that throws at everything that is done to it, or to anything that is asked of it. */
class Broken extends Tracer.NativeSpan {
  override attribute(): void {
    throw new Error("no attributes")
  }
  override event(): void {
    throw new Error("no events")
  }
  override end(): void {
    throw new Error("no end")
  }
  override get spanId(): string {
    throw new Error("no id")
  }
}

describe("a tracer that throws", () => {
  for (const [at, make] of [
    [
      "the start of a span",
      () => {
        throw new Error("no spans")
      }
    ],
    ["what is told to a span", (options: ConstructorParameters<typeof Tracer.NativeSpan>[0]) => new Broken(options)]
  ] as const) {
    it.effect(`at ${at} loses its spans, and no call`, () =>
      Effect.gen(function* () {
        const logs = yield* Logs
        yield* Effect.gen(function* () {
          yield* Server.make(Greeter, handlers, { topics: { alone: [{ room: "a" }] } })
          const client = yield* Client.make(Greeter)
          assert.strictEqual(yield* client.hello("Ada"), "Ada")
          assert.strictEqual(yield* client.alone("Ada", { topic: { room: "a" } }), "Ada")
          const error = yield* Effect.flip(client.hello(1 as never))
          assert.strictEqual(error._tag, "MalformedRequest")
        }).pipe(Effect.provideService(Tracer.Tracer, Tracer.make({ span: make })))
        yield* settle
        const warnings = logs.filter(({ text }) => text.startsWith("psrpc: the tracer failed at a span of Greeter/"))
        assert.strictEqual(warnings.length, 5)
        for (const { cause, level } of warnings) {
          assert.strictEqual(level, "Warn")
          assert.isTrue(Cause.hasDies(cause))
        }
      }).pipe(onBus)
    )
  }
})
