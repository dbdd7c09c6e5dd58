// An end of ours that acknowledges nothing is asked before it is taken for gone: one lost message proves nothing.
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { BidiStream } from "../../src/BidiStream.ts"
import * as Client from "../../src/Client.ts"
import type * as Streams from "../../src/internal/wire/streamEnvelope.ts"
import { MessageBus } from "../../src/MessageBus.ts"
import { errorOf, isRunning, onBus, settle, start } from "../helpers/harness.ts"
import {
  Chat,
  keeping,
  numbered,
  pair,
  reading,
  serve,
  streamTraffic,
  swallowing,
  withFakeClient,
  withFakeServer
} from "./streamPairs.ts"

const ours = { features: 1, keepalive: 0, buffer: 0 }

/** When and why a stream ends. */
const endOf = (stream: BidiStream<string, string>) =>
  start(
    Effect.gen(function* () {
      const { code, message, reason } = yield* Effect.flip(stream.closed)
      return { at: yield* Clock.currentTimeMillis, code, reason, message }
    })
  )

const goneAt = (at: number) =>
  ({
    at,
    code: "unavailable",
    reason: "peer_lost",
    message: "the peer of the stream is lost: no acks (Chat.Talk)"
  }) as const

/** How many probes have come to an end that is played by hand. */
const probes = (heard: ReadonlyArray<Streams.Stream>): number =>
  heard.filter((message) => message.kind === "keepalive" && message.probe).length

describe("an end of ours that acknowledges nothing", () => {
  it.effect("is asked at the stream's timeout; where it answers, the stream stays open", () =>
    Effect.gen(function* () {
      const { here, server } = yield* withFakeServer({ capabilities: ours, client: { keepalive: "Infinity" } })
      const end = yield* endOf(here)
      const send = yield* start(here.send("lost"))
      yield* TestClock.adjust(2999)
      assert.strictEqual(probes(server.heard), 0)
      yield* TestClock.adjust(1)
      assert.strictEqual(errorOf(send)._tag, "DeadlineExceeded")
      assert.strictEqual(probes(server.heard), 1)
      yield* TestClock.adjust(999)
      server.keepalive()
      yield* TestClock.adjust("1 hour")
      assert.isTrue(isRunning(end))
      // and nobody is asked again for nothing
      assert.strictEqual(probes(server.heard), 1)
    }).pipe(onBus)
  )

  it.effect("is gone a second later, where it does not answer", () =>
    Effect.gen(function* () {
      const { here, server } = yield* withFakeServer({ capabilities: ours, client: { keepalive: "Infinity" } })
      const end = yield* endOf(here)
      yield* start(here.send("lost"))
      yield* TestClock.adjust(3999)
      assert.isTrue(isRunning(end))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* Fiber.join(end), goneAt(4000))
      yield* settle
      // in case that it is there after all
      assert.strictEqual(server.closes()[0]?.[0], "unavailable")
    }).pipe(onBus)
  )

  it.effect("or after the stream's timeout, where that is shorter than a second", () =>
    Effect.gen(function* () {
      const { there } = yield* withFakeClient({
        capabilities: ours,
        server: { sendTimeout: 200, keepalive: "Infinity" }
      })
      const end = yield* endOf(there)
      yield* start(there.send("lost"))
      yield* TestClock.adjust(400)
      assert.deepStrictEqual(yield* Fiber.join(end), goneAt(400))
    }).pipe(onBus)
  )

  it.effect("is asked once for all that was sent, and is gone though more is sent", () =>
    Effect.gen(function* () {
      const { here, server } = yield* withFakeServer({ capabilities: ours, client: { keepalive: "Infinity" } })
      const end = yield* endOf(here)
      // each times out after the one before, as the probe waits for its answer
      yield* start(
        Effect.forEach(numbered(100), (text) => Effect.andThen(start(here.send(text)), Effect.sleep(100)), {
          discard: true
        })
      )
      yield* TestClock.adjust(3999)
      assert.isTrue(isRunning(end))
      assert.strictEqual(probes(server.heard), 1)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* Fiber.join(end), goneAt(4000))
    }).pipe(onBus)
  )

  it.effect("that has answered may go silent again: it is asked again", () =>
    Effect.gen(function* () {
      const { here, server } = yield* withFakeServer({ capabilities: ours, client: { keepalive: "Infinity" } })
      const end = yield* endOf(here)
      yield* start(here.send("lost"))
      yield* TestClock.adjust(3000)
      server.keepalive()
      yield* TestClock.adjust(500)
      yield* start(here.send("lost too"))
      yield* TestClock.adjust(3999)
      assert.isTrue(isRunning(end))
      assert.strictEqual(probes(server.heard), 2)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* Fiber.join(end), goneAt(7500))
    }).pipe(onBus)
  )

  it.effect("is not asked where it is Go's: it is gone at the stream's timeout", () =>
    Effect.gen(function* () {
      const { here, server } = yield* withFakeServer()
      const end = yield* endOf(here)
      yield* start(here.send("lost"))
      yield* TestClock.adjust(3000)
      assert.deepStrictEqual(yield* Fiber.join(end), goneAt(3000))
      yield* settle
      assert.strictEqual(server.count("keepalive"), 0)
    }).pipe(onBus)
  )
})

describe("an end that is asked", () => {
  for (const [side, fake] of [
    [
      "client",
      Effect.map(withFakeServer({ capabilities: ours, client: { keepalive: "Infinity" } }), (made) => made.server)
    ],
    [
      "server",
      Effect.map(withFakeClient({ capabilities: ours, server: { keepalive: "Infinity" } }), (made) => made.client)
    ]
  ] as const) {
    it.effect(`answers at once, as a ${side}, and its answer asks for none`, () =>
      Effect.gen(function* () {
        const { heard, keepalive } = yield* fake
        const before = heard.length
        keepalive()
        yield* settle
        assert.strictEqual(heard.length, before)
        keepalive(true)
        yield* settle
        assert.strictEqual(heard.length, before + 1)
        assert.deepInclude(heard.at(-1), { kind: "keepalive", probe: false })
      }).pipe(onBus)
    )
  }

  it.effect("says nothing where it is closed", () =>
    Effect.gen(function* () {
      const { client, there } = yield* withFakeClient({ capabilities: ours })
      yield* there.close()
      yield* settle
      const before = client.heard.length
      client.keepalive(true)
      yield* settle
      assert.strictEqual(client.heard.length, before)
    }).pipe(onBus)
  )
})

describe("an idle stream between two ends of ours", () => {
  for (const lost of ["message", "ack"] as const) {
    it.effect(`outlives one lost ${lost}`, () =>
      Effect.gen(function* () {
        const bus = yield* MessageBus
        let left = 0
        const lossy = swallowing(bus, ({ kind }) => kind === lost && left-- > 0)
        const { ends, handle } = keeping()
        yield* Effect.provideService(serve({ talk: handle }, { keepalive: "Infinity" }), MessageBus, lossy)
        const client = yield* Effect.provideService(Client.make(Chat, { keepalive: "Infinity" }), MessageBus, lossy)
        const here = yield* client.talk()
        const closed = [yield* start(here.closed), yield* start(ends[0]!.closed)]
        left = 1
        const send = yield* start(here.send("a"))
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(errorOf(send)._tag, "DeadlineExceeded")
        assert.deepStrictEqual(closed.map(isRunning), [true, true])
        const { seen } = yield* reading(ends[0]!.messages)
        yield* here.send("b")
        assert.deepStrictEqual(seen, lost === "message" ? ["b"] : ["a", "b"])
        const signs = (yield* streamTraffic).filter(({ kind }) => kind === "keepalive")
        assert.deepStrictEqual(
          signs.map((sign) => sign.kind === "keepalive" && sign.probe),
          [true, false]
        )
      }).pipe(onBus)
    )
  }

  it.effect("does not outlive the other end's process", () =>
    Effect.gen(function* () {
      const bus = yield* MessageBus
      let isGone = false
      const dead = swallowing(bus, () => isGone)
      const { here } = yield* Effect.provideService(pair({ client: { keepalive: "Infinity" } }), MessageBus, dead)
      isGone = true
      const end = yield* endOf(here)
      yield* start(here.send("anybody?"))
      yield* TestClock.adjust(4000)
      assert.deepStrictEqual(yield* Fiber.join(end), goneAt(4000))
    }).pipe(onBus)
  )
})
