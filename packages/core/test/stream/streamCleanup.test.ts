import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import type { BidiStream } from "../../src/BidiStream.ts"
import { opener, type StreamOpener } from "../../src/internal/client/streamCall.ts"
import * as Channels from "../../src/internal/wire/channel.ts"
import * as Deadlines from "../../src/internal/time/deadlines.ts"
import * as Drops from "../../src/internal/telemetry/drops.ts"
import * as MethodMetrics from "../../src/internal/telemetry/metrics/methodMetrics.ts"
import { BoundedCache } from "../../src/internal/support/boundedCache.ts"
import { methodOf, type StreamMethod } from "../../src/internal/definition/method.ts"
import { Idle } from "../../src/internal/server/idle.ts"
import type { Replies, ServerState } from "../../src/internal/server/serverState.ts"
import { StreamDispatch, type StreamHandler } from "../../src/internal/server/streamDispatch.ts"
import { MessageBus } from "../../src/MessageBus.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import { openClient } from "../helpers/openClient.ts"
import { onBus, settle, start } from "../helpers/harness.ts"
import { Chat, numbered } from "./streamPairs.ts"

const method = methodOf(Chat, "talk") as StreamMethod

/** A client whose state the test can see, and its streams. */
const openChat = Effect.map(openClient("Chat", { streamBufferSize: 2, keepalive: 1000 }), (state) => ({
  state,
  open: opener(state, method).open
}))

/** A dispatch of streams whose state the test can see, with nothing of a server around it. */
const openServer = Effect.fnUntraced(function* (handler: StreamHandler["handle"]) {
  const bus = yield* MessageBus
  const context = yield* Effect.context<never>()
  const metrics = MethodMetrics.make(context, "server", "Chat")
  const state: ServerState = {
    serverId: "SRV_open",
    bus,
    deadlines: yield* Deadlines.make,
    metrics,
    drops: Drops.make(context, metrics),
    context,
    replies: new BoundedCache<string, Replies>(10, (clientId) => ({
      claim: bus.target(Channels.claimRequest("Chat", clientId)),
      response: bus.target(Channels.response("Chat", clientId)),
      stream: bus.target(Channels.clientStream("Chat", clientId))
    })),
    streamBufferSize: 2,
    maxPendingAffinity: 2,
    maxInFlight: 10_000,
    sendTimeout: 3000,
    keepalive: 1000,
    idle: new Idle(),
    isKilled: false
  }
  const dispatch = new StreamDispatch(state, method, {}, { handle: handler, affinity: undefined })
  yield* bus.subscribe(Channels.claimResponse("Chat", "Talk", []), dispatch.gate.onClaimResponse)
  yield* bus.subscribe(Channels.stream("Chat", "Talk", []), dispatch.onRequest)
  return { state, dispatch }
})

type Client = Effect.Success<typeof openChat>
type Server = Effect.Success<ReturnType<typeof openServer>>

const assertEmpty = (client: Client, { dispatch, state }: Server) =>
  assert.deepStrictEqual(
    {
      calls: client.state.calls.size,
      streams: client.state.streams.size,
      clientDeadlines: client.state.deadlines.size,
      requests: dispatch.gate.size,
      serverDeadlines: state.deadlines.size
    },
    { calls: 0, streams: 0, clientDeadlines: 0, requests: 0, serverDeadlines: 0 }
  )

const scopedly = (
  open: StreamOpener["open"],
  use: (stream: BidiStream<unknown, unknown>) => Effect.Effect<unknown, unknown>
) => Effect.exit(Effect.scoped(Effect.flatMap(open(), use)))

describe("what streams leave behind", () => {
  it.effect("10,000 opened and closed: no entry and no timer, at either end", () =>
    Effect.gen(function* () {
      const client = yield* openChat
      const server = yield* openServer((stream) => Effect.exit(stream.closed))
      yield* Effect.forEach(numbered(10_000), () => scopedly(client.open, () => Effect.void), { concurrency: 500 })
      yield* settle
      assertEmpty(client, server)
    }).pipe(onBus)
  )

  const ways: Record<string, (stream: BidiStream<unknown, unknown>) => Effect.Effect<unknown, unknown>> = {
    "messages sent and acknowledged": (stream) => stream.send("a"),
    "messages held and unread": (stream) =>
      Effect.forEach(numbered(7), (text) => Effect.forkChild(stream.send(text)), { discard: true }),
    "sends that are interrupted": (stream) => Effect.timeoutOption(stream.send("a", { timeout: "Infinity" }), 0),
    "sends that time out": (stream) =>
      Effect.forEach(numbered(7), (text) => Effect.exit(stream.send(text, { timeout: 10 })), {
        concurrency: "unbounded"
      }),
    "an end of messages": (stream) => stream.closeSend,
    "a close by hand": (stream) => stream.close(PsrpcError.fromCode("aborted")),
    "a failure": () => Effect.fail("oh"),
    "some time of nothing": () => Effect.sleep("1 hour")
  }
  for (const [name, way] of Object.entries(ways)) {
    it.effect(`${name}: nothing`, () =>
      Effect.gen(function* () {
        const client = yield* openChat
        const server = yield* openServer((stream) => Effect.exit(stream.closed))
        const all = yield* start(
          Effect.forEach(numbered(50), () => scopedly(client.open, way), { concurrency: "unbounded" })
        )
        yield* TestClock.adjust("2 hours")
        yield* Fiber.join(all)
        yield* settle
        assertEmpty(client, server)
      }).pipe(onBus)
    )
  }

  it.effect("streams that their handlers end, or that are still open, have what they need and no more", () =>
    Effect.gen(function* () {
      const client = yield* openChat
      const server = yield* openServer((stream) => Effect.andThen(stream.hijack, Effect.void))
      const scope = yield* Scope.make()
      yield* Effect.forEach(numbered(10), () => Scope.provide(client.open(), scope))
      yield* settle
      // each end of each stream gives signs of life, and watches for the other's
      assert.deepStrictEqual(
        [client.state.deadlines.size, server.state.deadlines.size, client.state.calls.size, server.dispatch.gate.size],
        [20, 20, 0, 10]
      )
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(server.dispatch.gate.size, 10)
      server.dispatch.beginDrain()
      yield* settle
      assertEmpty(client, server)
      yield* Scope.close(scope, Exit.void)
    }).pipe(onBus)
  )

  it.effect("openings that fail: nothing", () =>
    Effect.gen(function* () {
      const client = yield* openChat
      const open = (timeout: number) => Effect.exit(Effect.scoped(client.open({ timeout })))
      // nobody listens
      yield* Effect.forEach(numbered(100), () => open(1000))
      const server = yield* openServer(() => Effect.fail(PsrpcError.fromCode("aborted")))
      yield* Effect.forEach(numbered(100), () => open(1000))
      server.dispatch.beginDrain()
      const late = yield* start(Effect.forEach(numbered(100), () => open(1000), { concurrency: "unbounded" }))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(late)
      assertEmpty(client, server)
    }).pipe(onBus)
  )
})
