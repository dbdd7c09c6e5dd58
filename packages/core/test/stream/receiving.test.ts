import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as PsrpcError from "../../src/PsrpcError.ts"
import { dropped, errorOf, exitOf, isRunning, onBus, settle, start } from "../helpers/harness.ts"
import { numbered, pair, reading, sending, withFakeServer } from "./streamPairs.ts"

describe("the messages of a stream", () => {
  for (const [name, cause] of [
    ["normally", undefined],
    ["with a cause", PsrpcError.fromCode("aborted", { message: "enough" })]
  ] as const) {
    it.effect(`what has come before a close is read first, closed ${name}`, () =>
      Effect.gen(function* () {
        const { here, there } = yield* pair()
        yield* Effect.forEach(yield* sending(there, numbered(3)), Fiber.join)
        yield* there.close(cause)
        yield* settle
        for (const end of [here, there]) yield* start(Effect.exit(end.closed))
        const { fiber, seen } = yield* reading(here.messages)
        assert.deepStrictEqual(seen, numbered(3))
        if (cause === undefined) yield* Fiber.join(fiber)
        else assert.strictEqual(errorOf(fiber).message, "enough")
        // and so does every later run
        const again = yield* reading(here.messages)
        assert.deepStrictEqual(again.seen, [])
        assert.strictEqual(Exit.isSuccess(exitOf(again.fiber)), cause === undefined)
      }).pipe(onBus)
    )
  }

  it.effect("this end's own close ends them, behind what has come", () =>
    Effect.gen(function* () {
      const { here, there } = yield* pair()
      const waiting = yield* reading(there.messages)
      yield* here.send("one")
      yield* there.close()
      yield* Fiber.join(waiting.fiber)
      assert.deepStrictEqual(waiting.seen, ["one"])
    }).pipe(onBus)
  )

  it.effect("are read in several goes: each goes on where the last stopped", () =>
    Effect.gen(function* () {
      const { here, there } = yield* pair()
      yield* Effect.forEach(yield* sending(here, numbered(6)), Fiber.join)
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(there.messages, 2)), ["m0", "m1"])
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(there.messages, 1)), ["m2"])
      const head = yield* Stream.runHead(there.messages)
      assert.deepStrictEqual(head._tag === "Some" ? head.value : undefined, "m3")
      yield* here.close()
      yield* settle
      assert.deepStrictEqual(yield* Stream.runCollect(there.messages), ["m4", "m5"])
    }).pipe(onBus)
  )

  it.effect("of two readers each message reaches one, and both end", () =>
    Effect.gen(function* () {
      const { here, there } = yield* pair()
      const readers = [yield* reading(there.messages), yield* reading(there.messages)]
      for (const message of numbered(50)) yield* here.send(message)
      yield* here.close()
      yield* settle
      for (const { fiber } of readers) yield* Fiber.join(fiber)
      const seen = readers.flatMap(({ seen }) => seen)
      assert.strictEqual(seen.length, 50)
      assert.deepStrictEqual(new Set(seen), new Set(numbered(50)))
    }).pipe(onBus)
  )

  it.effect("a reader that is interrupted loses nothing, wherever it has got to", () =>
    Effect.gen(function* () {
      const { here, there } = yield* pair()
      const seen: Array<string> = []
      const all = numbered(60)
      const take = Stream.runForEach(there.messages, (message) => Effect.sync(() => seen.push(message)))
      let next = 0
      for (let turns = 0; next < all.length; turns = (turns + 1) % 6) {
        const reader = yield* start(take)
        const sends = yield* sending(here, all.slice(next, next + 3))
        next += 3
        for (let turn = 0; turn < turns; turn++) yield* Effect.yieldNow
        yield* Fiber.interrupt(reader)
        yield* Effect.forEach(sends, Fiber.join)
      }
      yield* here.close()
      yield* settle
      yield* take
      assert.deepStrictEqual(seen, all)
    }).pipe(onBus)
  )

  it.effect("a reader that closes the stream at a message has acknowledged it", () =>
    Effect.gen(function* () {
      const { here, there } = yield* pair()
      yield* start(Stream.runForEach(there.messages, () => there.close(PsrpcError.fromCode("aborted"))))
      yield* here.send("the last")
      yield* settle
      assert.strictEqual((yield* Effect.flip(here.closed))._tag, "Aborted")
    }).pipe(onBus)
  )

  for (const side of ["client", "server"] as const) {
    it.effect(`a buffer of one at the ${side} is enough for many messages`, () =>
      Effect.gen(function* () {
        const made = yield* pair({ [side]: { streamBufferSize: 1 } })
        const [from, to] = side === "client" ? [made.there, made.here] : [made.here, made.there]
        const { seen } = yield* reading(
          Stream.mapEffect(to.messages, (message) => Effect.as(Effect.sleep(10), message))
        )
        const send = yield* start(Effect.forEach(numbered(20), (message) => from.send(message), { discard: true }))
        for (let i = 0; isRunning(send) && i < 25; i++) yield* TestClock.adjust(10)
        assert.isFalse(isRunning(send))
        yield* TestClock.adjust(20)
        assert.deepStrictEqual(seen, numbered(20))
      }).pipe(onBus)
    )
  }

  it.effect("a message that cannot be decoded closes the stream with malformed_request, at both ends", () =>
    Effect.gen(function* () {
      const { here, server } = yield* withFakeServer()
      const send = yield* start(here.send("waits"))
      server.send("good")
      server.sendRaw(new Uint8Array([255]))
      server.send("too late")
      yield* settle
      const { fiber, seen } = yield* reading(here.messages)
      assert.deepStrictEqual(seen, ["good"])
      assert.strictEqual(errorOf(fiber)._tag, "MalformedRequest")
      assert.include(errorOf(fiber).message, "the message cannot be decoded (Chat.Talk)")
      assert.strictEqual(errorOf(send)._tag, "MalformedRequest")
      assert.strictEqual((yield* Effect.flip(here.closed))._tag, "MalformedRequest")
      assert.strictEqual(server.closes().length, 1)
      assert.strictEqual(server.closes()[0]![0], "malformed_request")
      assert.strictEqual(server.count("ack"), 1)
      assert.strictEqual(yield* dropped("malformed", "client"), 1)
    }).pipe(onBus)
  )

  it.effect("a message past its expiry is discarded and counted, not acknowledged", () =>
    Effect.gen(function* () {
      const { here, server } = yield* withFakeServer()
      yield* TestClock.adjust(1000)
      const late = server.send("late", 1000)
      const inTime = server.send("in time", 1001)
      yield* settle
      const { seen } = yield* reading(here.messages)
      assert.deepStrictEqual(seen, ["in time"])
      assert.deepStrictEqual([server.acked(late), server.acked(inTime)], [false, true])
      assert.strictEqual(yield* dropped("expired", "client"), 1)
    }).pipe(onBus)
  )

  it.effect("nothing arrives at a stream that is closed, and what is of no stream is nothing", () =>
    Effect.gen(function* () {
      const { here, server } = yield* withFakeServer()
      const { fiber, seen } = yield* reading(here.messages)
      server.close()
      const late = server.send("late")
      yield* settle
      assert.isFalse(isRunning(fiber))
      assert.deepStrictEqual(seen, [])
      assert.isFalse(server.acked(late))
    }).pipe(onBus)
  )
})
