import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import { MessageBus } from "../../src/MessageBus.ts"
import type { PsrpcError } from "../../src/PsrpcError.ts"
import * as FaultyMessageBus from "../../src/testing/FaultyMessageBus.ts"
import { errorOf, exitOf, isRunning, onBus, settle, start } from "../helpers/harness.ts"
import { Chat, numbered, reading, serve, type ServerEnd } from "./streamPairs.ts"

/** A faulty connection of the client's, and a server that keeps what it reads and sends it back. */
const withFaults = Effect.fnUntraced(function* (faults: FaultyMessageBus.Faults = FaultyMessageBus.none) {
  const bus = yield* FaultyMessageBus.make(yield* MessageBus, faults)
  const read: Array<string> = []
  const ends: Array<ServerEnd> = []
  const server = yield* serve({
    talk: (stream) => {
      ends.push(stream)
      return Stream.runForEach(stream.messages, (text) => Effect.sync(() => read.push(text)))
    }
  })
  const client = yield* Effect.provideService(Client.make(Chat), MessageBus, bus)
  return { bus, client, ends, read, server }
})

/** Fails the test unless the server has nothing in hand within its drain timeout. */
const isFree = Effect.fnUntraced(function* (server: { readonly drain: Effect.Effect<void> }) {
  const draining = yield* start(server.drain)
  yield* settle
  assert.isFalse(isRunning(draining))
})

describe("streams over a bus that loses messages", () => {
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    it.effect(`what is acknowledged was read, once and in order; the rest fails, and all ends (seed ${seed})`, () =>
      Effect.gen(function* () {
        const { client, ends, read, server } = yield* withFaults(FaultyMessageBus.random({ seed, lose: 0.2 }))
        const results: Array<readonly [string, Exit.Exit<void, PsrpcError>]> = []
        const user = Effect.gen(function* () {
          const here = yield* Effect.retry(client.talk(), { times: 20 })
          yield* Effect.forEach(
            numbered(40),
            (text) => Effect.map(Effect.exit(here.send(text, { timeout: 200 })), (exit) => results.push([text, exit])),
            { concurrency: 4 }
          )
        })
        const run = yield* start(Effect.scoped(user))
        for (let i = 0; isRunning(run) && i < 2000; i++) yield* TestClock.adjust(50)
        yield* Fiber.join(run)
        assert.strictEqual(results.length, 40)
        const arrived = results.filter(([, exit]) => Exit.isSuccess(exit)).map(([text]) => text)
        const order = new Map(numbered(40).map((text, i) => [text, i]))
        const sorted = (texts: ReadonlyArray<string>) => [...texts].sort((a, b) => order.get(a)! - order.get(b)!)
        // a retry of the opening may have opened a stream whose ack was lost: one alone was used
        assert.deepStrictEqual(read, sorted(read))
        assert.strictEqual(new Set(read).size, read.length)
        for (const text of arrived) assert.include(read, text)
        for (const [, exit] of results) {
          if (Exit.isFailure(exit)) for (const reason of exit.cause.reasons) assert.strictEqual(reason._tag, "Fail")
        }
        // a close that was lost is found out by its silence
        yield* TestClock.adjust("1 minute")
        for (const { closed } of ends) assert.isFalse(isRunning(yield* start(Effect.exit(closed))))
        yield* isFree(server)
      }).pipe(onBus)
    )
  }

  it.effect("a message that is lost is a gap, and what follows arrives", () =>
    Effect.gen(function* () {
      const { bus, client, read } = yield* withFaults()
      const here = yield* client.talk()
      yield* here.send("a")
      yield* bus.setFaults(FaultyMessageBus.lose)
      const lost = yield* start(here.send("b", { timeout: 100 }))
      yield* settle
      yield* bus.setFaults(FaultyMessageBus.none)
      yield* here.send("c")
      yield* TestClock.adjust(100)
      assert.strictEqual(errorOf(lost)._tag, "DeadlineExceeded")
      assert.deepStrictEqual(read, ["a", "c"])
      // it was heard since, so the stream is not given up
      yield* TestClock.adjust("1 minute")
      yield* here.send("d")
    }).pipe(onBus)
  )
})

describe("streams over a slow connection", () => {
  it.effect("sends take a round trip, many at a time no longer than one, and a close comes last", () =>
    Effect.gen(function* () {
      const { client, ends, read } = yield* withFaults(FaultyMessageBus.latency(50))
      const opening = yield* start(client.talk())
      yield* TestClock.adjust(100)
      const here = yield* Fiber.join(opening)
      const sends = yield* Effect.forEach(numbered(20), (text) => start(here.send(text)))
      yield* TestClock.adjust(49)
      assert.deepStrictEqual(read, [])
      yield* TestClock.adjust(1)
      for (const send of sends) assert.isTrue(Exit.isSuccess(exitOf(send)))
      const last = yield* start(Effect.all([here.send("last"), here.close()], { concurrency: "unbounded" }))
      yield* TestClock.adjust(50)
      assert.isFalse(isRunning(last))
      assert.deepStrictEqual(read, [...numbered(20), "last"])
      yield* ends[0]!.closed
    }).pipe(onBus)
  )
})

describe("streams while the connection is down", () => {
  it.effect("messages wait for it, and go on in order", () =>
    Effect.gen(function* () {
      const { bus, client, read } = yield* withFaults()
      const here = yield* client.talk()
      yield* bus.disconnect
      const sends = yield* Effect.forEach(numbered(5), (text) => start(here.send(text)))
      yield* TestClock.adjust(2000)
      for (const send of sends) assert.isTrue(isRunning(send))
      yield* bus.reconnect
      yield* settle
      for (const send of sends) assert.isTrue(Exit.isSuccess(exitOf(send)))
      assert.deepStrictEqual(read, numbered(5))
    }).pipe(onBus)
  )

  it.effect("a send that waits too long fails for the connection, and does not end the stream", () =>
    Effect.gen(function* () {
      const { bus, client, read } = yield* withFaults()
      const here = yield* client.talk()
      yield* bus.disconnect
      const send = yield* start(here.send("a"))
      yield* TestClock.adjust(3000)
      assert.strictEqual(errorOf(send)._tag, "Unavailable")
      assert.strictEqual(errorOf(send).reason, "connection")
      yield* bus.reconnect
      yield* settle
      assert.deepStrictEqual(read, [])
      yield* here.send("b")
      assert.deepStrictEqual(read, ["b"])
    }).pipe(onBus)
  )

  it.effect("a close does not wait for it, and is told when it is back", () =>
    Effect.gen(function* () {
      const { bus, client, ends } = yield* withFaults()
      const here = yield* client.talk()
      const { fiber } = yield* reading(here.messages)
      yield* bus.disconnect
      const closing = yield* start(here.close())
      assert.isFalse(isRunning(closing))
      assert.isFalse(isRunning(fiber))
      const closed = yield* start(ends[0]!.closed)
      yield* TestClock.adjust(1000)
      assert.isTrue(isRunning(closed))
      yield* bus.reconnect
      yield* Fiber.join(closed)
    }).pipe(onBus)
  )

  it.effect("an opening that waits too long fails for the connection, and leaves nothing at the server", () =>
    Effect.gen(function* () {
      const { bus, client, ends, server } = yield* withFaults()
      yield* bus.disconnect
      const opening = yield* start(client.talk())
      yield* TestClock.adjust(3000)
      assert.strictEqual(errorOf(opening).reason, "connection")
      yield* bus.reconnect
      yield* settle
      assert.strictEqual(ends.length, 0)
      yield* isFree(server)
    }).pipe(onBus)
  )

  it.effect("for longer than the other end's patience: both ends notice", () =>
    Effect.gen(function* () {
      const { bus, client, ends, server } = yield* withFaults()
      const here = yield* client.talk()
      yield* bus.disconnect
      yield* TestClock.adjust("40 seconds")
      assert.strictEqual((yield* Effect.flip(here.closed)).reason, "connection")
      assert.strictEqual((yield* Effect.flip(ends[0]!.closed)).reason, "no_listeners")
      yield* isFree(server)
    }).pipe(onBus)
  )

  it.effect("a client that is cut off without a word: both ends notice, by their silence", () =>
    Effect.gen(function* () {
      const { bus, client, ends, server } = yield* withFaults()
      const here = yield* client.talk()
      yield* bus.partition
      yield* TestClock.adjust("40 seconds")
      assert.strictEqual((yield* Effect.flip(here.closed)).reason, "peer_lost")
      assert.strictEqual((yield* Effect.flip(ends[0]!.closed)).reason, "peer_lost")
      yield* bus.heal
      yield* isFree(server)
    }).pipe(onBus)
  )
})
