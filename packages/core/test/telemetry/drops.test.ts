// Dropped messages are counted. Drops that a user should see are warnings, and do not fill the log.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as Client from "../../src/Client.ts"
import * as Channels from "../../src/internal/wire/channel.ts"
import * as Drops from "../../src/internal/telemetry/drops.ts"
import * as MethodMetrics from "../../src/internal/telemetry/metrics/methodMetrics.ts"
import * as Publisher from "../../src/Publisher.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Service from "../../src/Service.ts"
import { between, inTurn, read } from "../helpers/readers.ts"
import { pair, sending, numbered, withFakeClient } from "../stream/streamPairs.ts"
import { dropped, Logs, onBus, publish, settle } from "../helpers/harness.ts"

/** What was warned of so far. */
const warnings = Effect.map(Logs, (logs) => logs.filter(({ level }) => level === "Warn").map(({ text }) => text))

class News extends Service.make("News", {
  told: Rpc.subscription({ message: Schema.Finite, routing: "multi" }),
  other: Rpc.subscription({ message: Schema.Finite, routing: "multi" })
}) {}

/** Publishes what cannot be read. */
const nonsense = (method: string, count: number) =>
  Effect.gen(function* () {
    const channel = Channels.request("News", method, [], false)
    for (let i = 0; i < count; i++) yield* publish(channel, new Uint8Array([0x0a, 0x7f]))
    yield* settle
  })

describe("what is warned of", () => {
  it.effect("is so the first time, the tenth, the hundredth and so on, and says how often it was", () =>
    Effect.gen(function* () {
      const context = yield* Effect.context<never>()
      const drops = Drops.make(context, MethodMetrics.make(context, "client", "News"))
      for (let i = 0; i < 10_001; i++) drops("overflow", "News.Told", "updates", "updates are lost")
      for (let i = 0; i < 9; i++) drops("malformed", "News.Told", undefined, "updates cannot be read")
      for (let i = 0; i < 9; i++) drops("expired", "News.Told")
      assert.deepStrictEqual(
        yield* warnings,
        [1, 10, 100, 1000, 10_000]
          .map((count) => `psrpc: updates are lost, ${count} so far`)
          .concat("psrpc: updates cannot be read, 1 so far")
      )
      assert.strictEqual(yield* dropped("overflow", "client"), 10_001)
      assert.strictEqual(yield* dropped("malformed", "client"), 9)
      assert.strictEqual(yield* dropped("expired", "client"), 9)
      const debug = (yield* Logs).filter(({ level }) => level === "Debug")
      assert.strictEqual(debug.length, 10_019)
      assert.strictEqual(debug[0]?.text, "psrpc: message dropped (overflow) at News.Told updates")
    }).pipe(onBus)
  )

  it.effect("updates that cannot be read, by method", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(News)
      yield* client.told()
      yield* client.other()
      yield* nonsense("Told", 12)
      yield* nonsense("Other", 2)
      const text = (method: string, count: number) =>
        `psrpc: updates of News.${method} cannot be decoded and are dropped, ${count} so far`
      assert.deepStrictEqual(yield* warnings, [text("Told", 1), text("Told", 10), text("Other", 1)])
      assert.strictEqual(yield* dropped("malformed", "client"), 14)
    }).pipe(onBus)
  )

  it.effect("messages of a stream that find no room, and not those that find room later", () =>
    Effect.gen(function* () {
      const { here, there } = yield* pair({ server: { streamBufferSize: 1 } })
      yield* sending(here, numbered(2))
      yield* settle
      assert.deepStrictEqual(yield* warnings, [])
      yield* sending(here, numbered(10))
      yield* settle
      const text = (count: number) =>
        `psrpc: messages of the stream Chat.Talk are dropped: they arrive faster than they are read, and more are pending than wait for room, ${count} so far`
      assert.deepStrictEqual(yield* warnings, [text(1), text(10)])
      assert.strictEqual(yield* dropped("overflow", "server"), 10)
      yield* there.close()
    }).pipe(onBus)
  )

  it.effect("and not what has merely expired", () =>
    Effect.gen(function* () {
      const { client } = yield* withFakeClient()
      client.send("late", 0)
      yield* settle
      assert.strictEqual(yield* dropped("expired", "server"), 1)
      assert.deepStrictEqual(yield* warnings, [])
    }).pipe(onBus)
  )
})

describe("a subscription that is full", () => {
  for (const [overflow, reason] of [
    ["dropping", "overflow"],
    ["fail", "overflow"],
    ["sliding", "malformed"]
  ] as const) {
    it.effect(`${overflow}: what cannot be read is ${reason === "overflow" ? "not read" : "skipped"}`, () =>
      Effect.gen(function* () {
        const client = yield* Client.make(News)
        const publisher = yield* Publisher.make(News)
        const updates = yield* client.told({ subscriptionBufferSize: 2, overflow })
        yield* inTurn(publisher.told, between(1, 2))
        yield* nonsense("Told", 3)
        assert.strictEqual(yield* dropped(reason, "client"), 3)
        assert.strictEqual(yield* dropped(reason === "overflow" ? "malformed" : "overflow", "client"), 0)
        // and takes no place of what can be
        assert.deepStrictEqual((yield* read(updates)).seen, [1, 2])
      }).pipe(onBus)
    )
  }
})
