import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { BidiStream } from "../../src/BidiStream.ts"
import * as Client from "../../src/Client.ts"
import { decodeStream } from "../../src/internal/wire/streamEnvelope.ts"
import { MessageBus } from "../../src/MessageBus.ts"
import { countingClock } from "../helpers/clocks.ts"
import { isRunning, onBus, settle, start } from "../helpers/harness.ts"
import { Chat, keeping, kinds, pair, serve, swallowing, withFakeClient, withFakeServer } from "./streamPairs.ts"

/** Waits for the end of a stream, and says when it was and why. */
const endOf = (stream: BidiStream<string, string>) =>
  start(
    Effect.gen(function* () {
      const error = yield* Effect.flip(stream.closed)
      return { at: yield* Clock.currentTimeMillis, tag: error._tag, reason: error.reason, message: error.message }
    })
  )

const gone = {
  tag: "Unavailable",
  reason: "peer_lost",
  message: "the peer of the stream is lost: no keepalives (Chat.Talk)"
} as const

describe("signs of life", () => {
  it.effect("keep an idle stream open for a day, at one each way in 10 seconds, and few timers", () =>
    Effect.gen(function* () {
      const { counted, counts } = yield* countingClock
      const { here, there } = yield* Effect.provideService(pair(), Clock.Clock, counted)
      const ends = [yield* start(here.closed), yield* start(there.closed)]
      yield* TestClock.adjust("1 day")
      assert.isAtMost(counts.started, 2 * 8640 + 10)
      assert.deepStrictEqual(ends.map(isRunning), [true, true])
      const signs = (yield* kinds).filter((kind) => kind === "keepalive").length
      assert.isAtMost(signs, 2 * 8640)
      assert.isAtLeast(signs, 8640)
      yield* here.send("still there")
    }).pipe(onBus)
  )

  it.effect("are not given where messages go anyway", () =>
    Effect.gen(function* () {
      const { here, there } = yield* pair()
      yield* start(Effect.forever(Effect.andThen(Effect.sleep(5000), here.send("x"))))
      yield* TestClock.adjust("5 minutes")
      assert.notInclude(yield* kinds, "keepalive")
      assert.isTrue(isRunning(yield* start(there.closed)))
    }).pipe(onBus)
  )

  for (const silent of ["client", "server"] as const) {
    it.effect(`a ${silent} that goes silent is noticed within 4 of its intervals`, () =>
      Effect.gen(function* () {
        const bus = yield* MessageBus
        let isSilent = false
        const muted = swallowing(bus, () => isSilent)
        const { ends, handle } = keeping()
        const busOf = (side: string): MessageBus["Service"] => (side === silent ? muted : bus)
        yield* Effect.provideService(serve({ talk: handle }, { keepalive: 1000 }), MessageBus, busOf("server"))
        const client = yield* Effect.provideService(Client.make(Chat, { keepalive: 1000 }), MessageBus, busOf("client"))
        const here = yield* client.talk()
        const end = yield* endOf(silent === "client" ? ends[0]! : here)
        yield* TestClock.adjust(60_500)
        assert.isTrue(isRunning(end))
        isSilent = true
        yield* TestClock.adjust(4000)
        const { at, ...why } = yield* Fiber.join(end)
        assert.deepStrictEqual(why, gone)
        assert.isAbove(at, 62_500)
      }).pipe(onBus)
    )
  }

  it.effect("each end has its own interval, and the other goes by it", () =>
    Effect.gen(function* () {
      const bus = yield* MessageBus
      let isSilent = false
      const muted = swallowing(bus, () => isSilent)
      const { ends, handle } = keeping()
      yield* serve({ talk: handle }, { keepalive: "30 seconds" })
      const client = yield* Effect.provideService(Client.make(Chat, { keepalive: 200 }), MessageBus, muted)
      const here = yield* client.talk()
      const alive = yield* start(here.closed)
      yield* TestClock.adjust("10 minutes")
      assert.isTrue(isRunning(alive))
      const end = yield* endOf(ends[0]!)
      isSilent = true
      yield* TestClock.adjust(800)
      assert.strictEqual((yield* Fiber.join(end)).reason, "peer_lost")
    }).pipe(onBus)
  )

  it.effect("Go's ends get none, and are not expected to give any", () =>
    Effect.gen(function* () {
      const { here, server } = yield* withFakeServer()
      const end = yield* start(here.closed)
      yield* TestClock.adjust("1 day")
      assert.isTrue(isRunning(end))
      assert.deepStrictEqual(
        server.heard.map(({ kind }) => kind),
        ["open"]
      )
    }).pipe(onBus)
  )

  it.effect("nor do Go's clients", () =>
    Effect.gen(function* () {
      const { client, there } = yield* withFakeClient()
      const end = yield* start(there.closed)
      yield* TestClock.adjust("1 day")
      assert.isTrue(isRunning(end))
      assert.deepStrictEqual(
        client.heard.map(({ kind }) => kind),
        ["ack"]
      )
    }).pipe(onBus)
  )

  it.effect("an end that gives none is not watched, and still gets the other's", () =>
    Effect.gen(function* () {
      const { here, server } = yield* withFakeServer({ capabilities: { features: 1, keepalive: 0, buffer: 0 } })
      const end = yield* start(here.closed)
      yield* TestClock.adjust("1 minute")
      assert.isTrue(isRunning(end))
      assert.strictEqual(server.count("keepalive"), 6)
    }).pipe(onBus)
  )

  it.effect("that reach nobody end the stream at the third in a row, unless something is heard", () =>
    Effect.gen(function* () {
      const bus = yield* MessageBus
      let isUnheard = false
      const partly = MessageBus.of({
        ...bus,
        publishUnsafe(target, message, expiry, delivery) {
          const stream = decodeStream(message)
          if (isUnheard && typeof stream !== "string" && stream.kind === "keepalive") return delivery.delivered(0)
          bus.publishUnsafe(target, message, expiry, delivery)
        }
      })
      const capabilities = { features: 1, keepalive: 0, buffer: 0 }
      const { here, server } = yield* Effect.provideService(withFakeServer({ capabilities }), MessageBus, partly)
      const end = yield* endOf(here)
      // two of each three
      for (let i = 0; i < 3; i++) {
        isUnheard = true
        yield* TestClock.adjust("20 seconds")
        assert.isTrue(isRunning(end))
        isUnheard = false
        server.keepalive()
        yield* settle
      }
      isUnheard = true
      yield* TestClock.adjust(29_999)
      assert.isTrue(isRunning(end))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* Fiber.join(end), {
        at: 90_000,
        tag: "Unavailable",
        reason: "no_listeners",
        message: "the peer of the stream is lost: no listeners (Chat.Talk)"
      })
    }).pipe(onBus)
  )

  it.effect("Infinity: none are given, and the other end is told so", () =>
    Effect.gen(function* () {
      const { here, server } = yield* withFakeServer({
        client: { keepalive: "Infinity" },
        capabilities: { features: 1, keepalive: 5000, buffer: 0 }
      })
      assert.deepInclude(server.opening(), { features: 1, keepalive: 0 })
      const end = yield* endOf(here)
      yield* TestClock.adjust(14_999)
      assert.isTrue(isRunning(end))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* Fiber.join(end), { at: 15_000, ...gone })
      assert.strictEqual(server.count("keepalive"), 0)
    }).pipe(onBus)
  )

  it.effect("both ends tell their intervals; one that is very short is taken for 100 ms", () =>
    Effect.gen(function* () {
      const { here, server } = yield* withFakeServer({
        client: { keepalive: "2 seconds" },
        capabilities: { features: 1, keepalive: 1, buffer: 0 }
      })
      assert.deepInclude(server.opening(), { features: 1, keepalive: 2000 })
      const end = yield* endOf(here)
      yield* TestClock.adjust(299)
      assert.isTrue(isRunning(end))
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(end)).at, 300)
      const next = yield* withFakeClient({ server: { keepalive: "1 minute" } })
      assert.deepInclude(
        next.client.heard.find(({ kind }) => kind === "ack"),
        { features: 1, keepalive: 60_000 }
      )
    }).pipe(onBus)
  )

  it.effect("intervals that are none, or too short, are refused", () =>
    Effect.gen(function* () {
      for (const keepalive of [0, 99, -1, NaN, "often" as never]) {
        for (const make of [Effect.asVoid(Client.make(Chat, { keepalive })), serve({}, { keepalive })]) {
          const error = yield* Effect.flip(Effect.scoped(Effect.asVoid(make)))
          assert.strictEqual(error._tag, "InvalidArgument")
          assert.include(error.message, "keepalive")
        }
      }
      yield* Effect.scoped(Effect.all([Client.make(Chat, { keepalive: 100 }), serve({}, { keepalive: "60 days" })]))
      yield* settle
    }).pipe(onBus)
  )
})
