import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { dropped, errorOf, exitOf, isRunning, onBus, settle, start } from "../helpers/harness.ts"
import { numbered, pair, reading, sending, withFakeClient, withFakeServer } from "./streamPairs.ts"

/** How the sends stand: a letter each. */
const stateOf = (fibers: ReadonlyArray<Fiber.Fiber<void, unknown>>): string =>
  fibers.map((fiber) => (isRunning(fiber) ? "w" : Exit.isSuccess(exitOf(fiber)) ? "y" : "n")).join("")

describe("a slow reader", () => {
  it.effect("slows the sender down: acks wait for room, and are given in order", () =>
    Effect.gen(function* () {
      const { here, there } = yield* pair({ server: { streamBufferSize: 3 } })
      const sends = yield* sending(here, numbered(6))
      yield* settle
      assert.strictEqual(stateOf(sends), "yyywww")
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(there.messages, 1)), ["m0"])
      yield* settle
      assert.strictEqual(stateOf(sends), "yyyyww")
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(there.messages, 5)), numbered(5, 1))
      yield* settle
      assert.strictEqual(stateOf(sends), "yyyyyy")
      assert.strictEqual((yield* dropped("overflow")) + (yield* dropped("expired")), 0)
    }).pipe(onBus)
  )

  it.effect("loses nothing of a sender that takes its time, however long it takes", () =>
    Effect.gen(function* () {
      const { here, there } = yield* pair({ server: { streamBufferSize: 2 } })
      const send = yield* start(Effect.forEach(numbered(30), (message) => here.send(message), { discard: true }))
      const { seen } = yield* reading(
        Stream.mapEffect(there.messages, (message) => Effect.as(Effect.sleep(2000), message))
      )
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(send)
      assert.deepStrictEqual(seen, numbered(30))
    }).pipe(onBus)
  )

  it.effect("held messages are given up at their expiry, exactly, discarded and counted", () =>
    Effect.gen(function* () {
      const { client, there } = yield* withFakeClient({ server: { streamBufferSize: 2 } })
      const sent = [client.send("a"), client.send("b"), client.send("c", 1000), client.send("d", 2000)]
      const acks = () => sent.map((id) => client.acked(id))
      yield* TestClock.adjust(999)
      assert.strictEqual(yield* dropped("expired", "server"), 0)
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* dropped("expired", "server"), 1)
      // the room that it leaves is for the next
      sent.push(client.send("e", 3000))
      yield* settle
      assert.deepStrictEqual(acks(), [true, true, false, false, false])
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(there.messages, 4)), ["a", "b", "d", "e"])
      yield* settle
      assert.deepStrictEqual(acks(), [true, true, false, true, true])
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* dropped("expired", "server"), 1)
    }).pipe(onBus)
  )

  it.effect("as many again as the buffer are held; those beyond are discarded at once, and counted", () =>
    Effect.gen(function* () {
      const { client, there } = yield* withFakeClient({ server: { streamBufferSize: 2 } })
      const sent = numbered(6).map((message) => client.send(message))
      yield* settle
      assert.strictEqual(yield* dropped("overflow", "server"), 2)
      const { seen } = yield* reading(there.messages)
      yield* settle
      assert.deepStrictEqual(seen, numbered(4))
      assert.deepStrictEqual(
        sent.map((id) => client.acked(id)),
        [true, true, true, true, false, false]
      )
      // a gap, and then it goes on
      client.send("next")
      yield* settle
      assert.deepStrictEqual(seen, [...numbered(4), "next"])
    }).pipe(onBus)
  )

  it.effect("the default: 100 in the buffer, 100 held", () =>
    Effect.gen(function* () {
      const { here } = yield* pair()
      const sends = yield* sending(here, numbered(250))
      yield* settle
      assert.strictEqual(stateOf(sends), "y".repeat(100) + "w".repeat(150))
      assert.strictEqual(yield* dropped("overflow", "server"), 50)
      yield* TestClock.adjust(3000)
      assert.strictEqual(stateOf(sends), "y".repeat(100) + "n".repeat(150))
    }).pipe(onBus)
  )

  it.effect("is not taken for gone by a sender of ours, whose sends time out", () =>
    Effect.gen(function* () {
      const { here, there } = yield* pair({ server: { streamBufferSize: 1 } })
      const sends = yield* sending(here, numbered(4))
      yield* TestClock.adjust(3000)
      assert.strictEqual(stateOf(sends), "ynnn")
      for (const send of sends.slice(1)) assert.strictEqual(errorOf(send)._tag, "DeadlineExceeded")
      yield* TestClock.adjust("1 hour")
      const closed = yield* start(here.closed)
      assert.isTrue(isRunning(closed))
      // what was given up is not read
      const { seen } = yield* reading(there.messages)
      yield* here.send("next")
      assert.deepStrictEqual(seen, ["m0", "next"])
    }).pipe(onBus)
  )

  for (const { interval, timeout } of [
    { interval: 250, timeout: 3000 },
    { interval: 100, timeout: 400 }
  ]) {
    it.effect(
      `says that it is here every ${interval} ms at most, for all that it holds or discards, at ${timeout}`,
      () =>
        Effect.gen(function* () {
          const { client, there } = yield* withFakeClient({
            capabilities: { features: 1, keepalive: 0, buffer: 0 },
            server: { streamBufferSize: 1, keepalive: "Infinity", sendTimeout: timeout }
          })
          const signs = () => client.count("keepalive")
          client.send("read")
          yield* settle
          assert.strictEqual(signs(), 0)
          for (const message of numbered(50)) client.send(message)
          yield* settle
          assert.strictEqual(signs(), 1)
          yield* TestClock.adjust(interval - 1)
          client.send("too many")
          yield* settle
          assert.strictEqual(signs(), 1)
          yield* TestClock.adjust(1)
          // nothing has come since
          assert.strictEqual(signs(), 1)
          for (const message of numbered(50)) client.send(message)
          yield* settle
          assert.strictEqual(signs(), 2)
          // a second's worth of a busy sender
          for (let i = 0; i < 100; i++) {
            client.send("too many")
            yield* TestClock.adjust(10)
          }
          assert.isAtMost(signs(), 2 + 1000 / interval)
          assert.isAtLeast(signs(), 1000 / interval)
          yield* there.close()
        }).pipe(onBus)
    )
  }

  it.effect("of a Go client: sees its timeout at worst, and nothing but acks is sent to it", () =>
    Effect.gen(function* () {
      const { client } = yield* withFakeClient({ server: { streamBufferSize: 1 } })
      for (const message of numbered(4)) client.send(message, 3000)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(
        client.heard.map(({ kind }) => kind),
        ["ack", "ack"]
      )
    }).pipe(onBus)
  )

  it.effect("that closes: what was held is read, and its senders fail with the close", () =>
    Effect.gen(function* () {
      const { here, there } = yield* pair({ server: { streamBufferSize: 1 } })
      const sends = yield* sending(here, numbered(2))
      yield* settle
      yield* there.close()
      yield* settle
      assert.strictEqual(stateOf(sends), "yn")
      assert.strictEqual(errorOf(sends[1]!).reason, "stream_closed")
      const { seen } = yield* reading(there.messages)
      assert.deepStrictEqual(seen, numbered(2))
    }).pipe(onBus)
  )

  it.effect("of which the sender says that no more follows: what was held has arrived", () =>
    Effect.gen(function* () {
      const { here, there } = yield* pair({ server: { streamBufferSize: 1 } })
      const sends = yield* sending(here, numbered(2))
      yield* settle
      assert.isTrue(yield* here.closeSend)
      yield* settle
      assert.strictEqual(stateOf(sends), "yy")
      const { fiber, seen } = yield* reading(there.messages)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(seen, numbered(2))
    }).pipe(onBus)
  )

  it.effect("on one stream holds up no other, nor its own other direction", () =>
    Effect.gen(function* () {
      const { client, here, server, there } = yield* pair({ client: { streamBufferSize: 1 } })
      assert.isString(server.serverId)
      const stuck = yield* sending(there, numbered(3))
      const other = yield* client.talk()
      const { seen } = yield* reading(there.messages)
      yield* here.send("up")
      yield* other.send("other")
      assert.deepStrictEqual(seen, ["up"])
      assert.strictEqual(stateOf(stuck), "yww")
      assert.strictEqual(yield* dropped("overflow", "client"), 1)
    }).pipe(onBus)
  )

  it.effect("at the client, as at the server", () =>
    Effect.gen(function* () {
      const { here, server } = yield* withFakeServer({ stream: { streamBufferSize: 2 } })
      const sent = numbered(5).map((message) => server.send(message))
      yield* settle
      assert.deepStrictEqual(
        sent.map((id) => server.acked(id)),
        [true, true, false, false, false]
      )
      assert.strictEqual(yield* dropped("overflow", "client"), 1)
      const { seen } = yield* reading(here.messages)
      yield* settle
      assert.deepStrictEqual(seen, numbered(4))
    }).pipe(onBus)
  )
})
