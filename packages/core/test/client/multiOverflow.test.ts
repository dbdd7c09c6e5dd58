// Answers that come faster than they are read: what the buffer has no room for is told of, in the Stream itself.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Latch, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import { MessageBus } from "../../src/MessageBus.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Service from "../../src/Service.ts"
import { readSlowly } from "../helpers/readers.ts"
import { dropped, errorOf, exitOf, fakeServers, isRunning, json, onBus, settle, start } from "../helpers/harness.ts"
import { broken, steeredBus } from "../helpers/steeredBus.ts"

class Farm extends Service.make("Farm", { load: Rpc.multi({ response: Schema.Finite }) }) {}

type Answer = Client.Answer<number, PsrpcError.PsrpcError>

/** The value, or how many were lost. */
const told = ({ result, serverId }: Answer): number | string => {
  if (result._tag === "Success") return result.success
  const error = result.failure
  assert.strictEqual(error._tag, "ResourceExhausted")
  assert.isTrue(PsrpcError.isOverflow(error))
  assert.strictEqual(serverId, "")
  return `lost ${/^(\d+) responses were dropped/.exec(error.message)?.[1]}`
}

const setUp = Effect.gen(function* () {
  const client = yield* Client.make(Farm)
  const servers = yield* fakeServers("Farm", "Load")
  const answer = (...values: ReadonlyArray<number>) =>
    Effect.sync(() => values.forEach((value) => servers.answer(`s${value}`, { raw: json(value) })))
  return { client, answer }
})

describe("answers beyond the buffer", () => {
  it.effect("are lost, and an error in their place says how many: in order, with a count in the metric", () =>
    Effect.gen(function* () {
      const { answer, client } = yield* setUp
      const { fiber, open, seen } = yield* readSlowly(client.load({ multiBufferSize: 2 }))
      yield* settle
      // the first is taken at once
      yield* answer(1, 2, 3, 4, 5, 6)
      yield* settle
      assert.strictEqual(yield* dropped("overflow", "client"), 3)
      yield* open
      yield* settle
      assert.deepStrictEqual(seen.map(told), [1, 2, 3, "lost 3"])
      yield* answer(7)
      yield* settle
      assert.deepStrictEqual(seen.map(told), [1, 2, 3, "lost 3", 7])
      assert.isTrue(isRunning(fiber))
      yield* TestClock.adjust(3000)
      yield* settle
      assert.isTrue(Exit.isSuccess(exitOf(fiber)))
      assert.strictEqual(seen.length, 5)
    }).pipe(onBus)
  )

  it.effect("are so beyond 100 by default, or beyond the client's option", () =>
    Effect.gen(function* () {
      const { answer, client } = yield* setUp
      const values = Array.from({ length: 151 }, (_, i) => i)
      const { open, seen } = yield* readSlowly(client.load())
      yield* settle
      yield* answer(...values)
      yield* settle
      yield* open
      yield* settle
      assert.deepStrictEqual(seen.map(told), [...values.slice(0, 101), "lost 50"])
      const small = yield* Client.make(Farm, { multiBufferSize: 3 })
      for (const [options, kept] of [
        [{}, 3],
        [{ multiBufferSize: 4 }, 4]
      ] as const) {
        const reader = yield* readSlowly(small.load(options))
        yield* settle
        yield* answer(...values.slice(0, 10))
        yield* settle
        yield* reader.open
        yield* settle
        assert.deepStrictEqual(reader.seen.map(told), [...values.slice(0, kept + 1), `lost ${9 - kept}`])
      }
    }).pipe(onBus)
  )

  it.effect("are answers as far as `expect` goes: the error is the last that is read", () =>
    Effect.gen(function* () {
      const { answer, client } = yield* setUp
      const { fiber, open, seen } = yield* readSlowly(client.load({ multiBufferSize: 1, expect: 4 }))
      yield* settle
      yield* answer(1, 2, 3, 4, 5)
      yield* settle
      yield* open
      yield* settle
      assert.deepStrictEqual(seen.map(told), [1, 2, "lost 2"])
      assert.isTrue(Exit.isSuccess(exitOf(fiber)))
    }).pipe(onBus)
  )

  it.effect("put the end by `idle` off, as others do", () =>
    Effect.gen(function* () {
      const { answer, client } = yield* setUp
      const { fiber, open, seen } = yield* readSlowly(client.load({ multiBufferSize: 1, idleTimeout: 100 }))
      yield* settle
      yield* answer(1)
      yield* settle
      yield* answer(2)
      yield* TestClock.adjust(60)
      yield* answer(3)
      yield* TestClock.adjust(60)
      yield* answer(4)
      yield* TestClock.adjust(100)
      yield* answer(5) // too late
      yield* settle
      yield* open
      yield* settle
      assert.deepStrictEqual(seen.map(told), [1, 2, "lost 2"])
      assert.isFalse(isRunning(fiber))
    }).pipe(onBus)
  )

  it.effect("are told of also when the time was over before anything was read", () =>
    Effect.gen(function* () {
      const { answer, client } = yield* setUp
      const { fiber, open, seen } = yield* readSlowly(client.load({ multiBufferSize: 2, timeout: 50 }))
      yield* settle
      yield* answer(1)
      yield* settle
      yield* answer(2, 3, 4, 5, 6)
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual(seen, [])
      yield* open
      yield* settle
      assert.deepStrictEqual(seen.map(told), [1, 2, 3, "lost 3"])
      assert.isTrue(Exit.isSuccess(exitOf(fiber)))
    }).pipe(onBus)
  )

  it.effect("are told of before what the Stream fails with", () =>
    Effect.gen(function* () {
      const { bus, steering } = yield* steeredBus
      const { answer, client } = yield* Effect.provideService(setUp, MessageBus, bus)
      const { fiber, open, seen } = yield* readSlowly(client.load({ multiBufferSize: 1, timeout: 50 }))
      yield* settle
      yield* answer(1)
      yield* settle
      yield* answer(2, 3)
      yield* settle
      steering.failure = broken(false)
      yield* TestClock.adjust(50)
      yield* open
      yield* settle
      assert.deepStrictEqual(seen.map(told), [1, 2, "lost 1"])
      assert.strictEqual(errorOf(fiber).reason, "connection")
    }).pipe(onBus)
  )

  it.effect("are told of when the client closes", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { answer, client } = yield* Scope.provide(setUp, scope)
      const { fiber, open, seen } = yield* readSlowly(client.load({ multiBufferSize: 1 }))
      yield* settle
      yield* answer(1, 2, 3)
      yield* settle
      yield* Scope.close(scope, Exit.void)
      yield* open
      yield* settle
      assert.deepStrictEqual(seen.map(told), [1, 2, "lost 1"])
      assert.strictEqual(errorOf(fiber).reason, "client_closed")
    }).pipe(onBus)
  )

  it.effect("take no other answer's place with what is told of them", () =>
    Effect.gen(function* () {
      const { answer, client } = yield* setUp
      const gates = Array.from({ length: 3 }, () => Latch.makeUnsafe(false))
      const seen: Array<number | string> = []
      const reading = Stream.runForEach(client.load({ multiBufferSize: 1, expect: 5 }), (item) =>
        Effect.suspend(() => gates[seen.push(told(item)) - 1]?.await ?? Effect.void)
      )
      yield* start(reading)
      yield* settle
      yield* answer(1, 2, 3)
      yield* settle
      yield* gates[0]!.open
      yield* settle
      assert.deepStrictEqual(seen, [1, 2])
      // that 3 was lost waits to be read, and there is room for one
      yield* answer(4, 5)
      yield* settle
      yield* gates[1]!.open
      yield* settle
      assert.deepStrictEqual(seen, [1, 2, "lost 1"])
      yield* gates[2]!.open
      yield* settle
      assert.deepStrictEqual(seen, [1, 2, "lost 1", 4, "lost 1"])
    }).pipe(onBus)
  )

  it.effect("whatever the pace: what is read and what is told of as lost is all that came, in order", () =>
    Effect.gen(function* () {
      const { answer, client } = yield* setUp
      let seed = 7
      const below = (count: number): number => {
        seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
        return Math.floor((seed / 2 ** 31) * count)
      }
      for (let round = 0; round < 30; round++) {
        const multiBufferSize = 1 + below(4)
        const total = 60
        const { fiber, open, seen } = yield* readSlowly(client.load({ multiBufferSize, expect: total }))
        yield* settle
        let sent = 0
        while (sent < total) {
          const burst = Math.min(1 + below(8), total - sent)
          yield* answer(...Array.from({ length: burst }, (_, i) => sent + i))
          sent += burst
          for (let i = below(12); i > 0; i--) yield* Effect.yieldNow
          if (sent > below(total)) yield* open
        }
        yield* open
        yield* settle
        assert.isTrue(Exit.isSuccess(exitOf(fiber)))
        let accounted = 0
        let last = -1
        for (const item of seen.map(told)) {
          if (typeof item === "string") accounted += Number(item.slice(5))
          else {
            assert.isAbove(item, last)
            last = item
            accounted++
          }
        }
        assert.strictEqual(accounted, total)
      }
    }).pipe(onBus)
  )
})
