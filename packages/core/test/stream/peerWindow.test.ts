// `through` has no more messages under way than the other end takes in unread: none would be a gap in the middle.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import { dropped, isRunning, onBus, settle, start } from "../helpers/harness.ts"
import { Chat, fakeStreamServer, keeping, numbered, serve, type ServerEnd, streamTraffic } from "./streamPairs.ts"

/** A handler that takes so long over each message, and what it has read. */
const slowly = (millis: number) => {
  const seen: Array<string> = []
  const handle = (stream: ServerEnd) =>
    Stream.runForEach(stream.messages, (text) =>
      Effect.andThen(
        Effect.sleep(millis),
        Effect.sync(() => seen.push(text))
      )
    )
  return { handle, seen }
}

/** The most messages that were without an ack at a time. */
const mostUnderWay = Effect.map(streamTraffic, (all) => {
  const underWay = new Set<string>()
  let most = 0
  for (const { kind, requestId } of all) {
    if (kind === "message") underWay.add(requestId)
    else if (kind === "ack") underWay.delete(requestId)
    most = Math.max(most, underWay.size)
  }
  return most
})

describe("through, to a reader that is slower than what it is sent", () => {
  for (const { streamBufferSize, concurrency, count, most } of [
    { streamBufferSize: 4, concurrency: undefined, count: 60, most: 4 },
    { streamBufferSize: 1, concurrency: undefined, count: 20, most: 1 },
    { streamBufferSize: 4, concurrency: 2, count: 20, most: 2 },
    { streamBufferSize: undefined, concurrency: undefined, count: 300, most: 16 },
    { streamBufferSize: undefined, concurrency: 1000, count: 500, most: 100 },
    { streamBufferSize: 300, concurrency: 1000, count: 900, most: 300 }
  ]) {
    it.effect(
      `with room for ${streamBufferSize ?? "100"}, ${concurrency ?? "16"} at a time: all arrive, in order`,
      () =>
        Effect.gen(function* () {
          const { handle, seen } = slowly(20)
          yield* serve({ talk: handle }, { streamBufferSize })
          const client = yield* Client.make(Chat)
          const run = yield* start(
            Stream.runCollect(
              client.talk.through(Stream.fromIterable(numbered(count)), { concurrency, timeout: "10 seconds" })
            )
          )
          for (let i = 0; isRunning(run) && i < count + 100; i++) yield* TestClock.adjust(20)
          assert.deepStrictEqual(yield* Fiber.join(run), [])
          assert.deepStrictEqual(seen, numbered(count))
          assert.strictEqual(yield* mostUnderWay, most)
          assert.strictEqual((yield* dropped("overflow")) + (yield* dropped("expired")), 0)
        }).pipe(onBus)
    )
  }

  it.effect("of Go, which does not say how much room it has: 100 at most", () =>
    Effect.gen(function* () {
      const server = yield* fakeStreamServer("Alone")
      const client = yield* Client.make(Chat)
      const run = yield* start(
        Stream.runCollect(client.alone.through(Stream.fromIterable(numbered(250)), { concurrency: 1000 }))
      )
      yield* settle
      server.accept()
      for (const expected of [100, 200, 250]) {
        for (let i = 0; i < 20; i++) yield* settle
        assert.strictEqual(server.texts().length, expected)
        server.ackAll()
      }
      yield* settle
      assert.deepStrictEqual(server.texts(), numbered(250))
      server.close()
      assert.deepStrictEqual(yield* Fiber.join(run), [])
    }).pipe(onBus)
  )
})

describe("sends of one's own", () => {
  it.effect("are not counted: what the other end has no room for is the sender's to know", () =>
    Effect.gen(function* () {
      const { ends, handle } = keeping()
      yield* serve({ talk: handle }, { streamBufferSize: 2 })
      const client = yield* Client.make(Chat)
      const here = yield* client.talk()
      const sends = yield* Effect.forEach(numbered(5), (text) => start(here.send(text)))
      yield* settle
      assert.strictEqual(yield* dropped("overflow", "server"), 1)
      yield* TestClock.adjust(3000)
      const ended = sends.map((send) => send.pollUnsafe())
      assert.deepStrictEqual(
        ended.map((exit) => exit !== undefined && Exit.isSuccess(exit)),
        [true, true, false, false, false]
      )
      yield* ends[0]!.close()
    }).pipe(onBus)
  )
})
