// What calls that every server answers leave behind: nothing.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { type AnyMultiOptions, multi } from "../../src/internal/client/multiCall.ts"
import { type CallMethod, methodOf } from "../../src/internal/definition/method.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { openClient } from "../helpers/openClient.ts"
import { read } from "../helpers/readers.ts"
import { exitOf, isRunning, onBus, settle, start } from "../helpers/harness.ts"

class Farm extends Service.make("Farm", { load: Rpc.multi({ request: Schema.Finite, response: Schema.Finite }) }) {}

const setUp = Effect.map(openClient("Farm"), (state) => {
  const call = multi(state, methodOf(Farm, "load") as CallMethod)
  const assertNothing = () => assert.deepStrictEqual([state.calls.size, state.deadlines.size], [0, 0])
  return { assertNothing, load: (millis: unknown, options?: AnyMultiOptions) => call(millis, options), state }
})

/** Servers that take as long as they are asked to. */
const twoServers = Effect.all(
  ["a", "b"].map((serverId) =>
    Server.make(Farm, { load: (millis) => Effect.delay(Effect.succeed(millis), millis) }, { serverId })
  )
)

describe("what is left behind", () => {
  it.effect("a reader that has enough: no entry of the call, no deadline of its timeout or its idle time", () =>
    Effect.gen(function* () {
      yield* twoServers
      const { assertNothing, load, state } = yield* setUp
      const taking = yield* read(Stream.take(load(5, { idleTimeout: "1 hour", timeout: "1 day" }), 1))
      yield* settle
      assert.deepStrictEqual([state.calls.size, state.deadlines.size], [1, 1])
      yield* TestClock.adjust(5)
      yield* settle
      assert.isTrue(Exit.isSuccess(exitOf(taking.fiber)))
      assertNothing()
      const idle = yield* read(load(5, { idleTimeout: "1 hour", timeout: "1 day" }))
      yield* TestClock.adjust(5)
      yield* settle
      assert.deepStrictEqual([idle.seen.length, state.calls.size, state.deadlines.size], [2, 1, 2])
      yield* Fiber.interrupt(idle.fiber)
      assertNothing()
    }).pipe(onBus)
  )

  it.effect("one that wants nothing of it", () =>
    Effect.gen(function* () {
      yield* twoServers
      const { assertNothing, load } = yield* setUp
      assert.strictEqual(yield* Stream.runCount(Stream.take(load(5), 0)), 0)
      assertNothing()
    }).pipe(onBus)
  )

  it.effect("10,000 runs, however they end, leave no entry, no deadline and no handler", () =>
    Effect.gen(function* () {
      const servers = yield* twoServers
      const { assertNothing, load, state } = yield* setUp
      const many = (count: number, stream: Stream.Stream<unknown, unknown>) =>
        Effect.forEach(Array.from({ length: count }), () => Effect.exit(Stream.runDrain(stream)), {
          concurrency: 500,
          discard: true
        })
      /** Starts them, and lets time go on until they have ended. */
      const ended = Effect.fnUntraced(function* (runs: Effect.Effect<void>, step: number) {
        const fiber = yield* start(runs)
        yield* settle
        while (isRunning(fiber)) {
          yield* TestClock.adjust(step)
          yield* settle
        }
        assertNothing()
      })
      yield* ended(many(3000, load(0, { expect: 2 })), 1)
      yield* ended(many(1000, load(5, { expect: 1, idleTimeout: 50 })), 5)
      yield* ended(many(1000, load(5, { idleTimeout: 50 })), 5)
      yield* ended(many(1000, load(5, { timeout: 20 })), 5)
      yield* ended(many(1000, load(50, { timeout: 20 })), 5)
      yield* ended(many(1000, Stream.take(load(5), 1)), 5)
      yield* ended(many(500, load("no number")), 1)
      yield* ended(many(500, load(5, { expect: 0 })), 1)

      const interrupted = yield* start(many(500, load(1e6, { timeout: "1 hour", idleTimeout: 50 })))
      yield* settle
      assert.deepStrictEqual([state.calls.size, state.deadlines.size], [500, 500])
      yield* Fiber.interrupt(interrupted)
      assertNothing()
      yield* settle
      const draining = yield* start(Effect.all(servers.map(({ drain }) => drain)))
      yield* settle
      assert.isFalse(isRunning(draining))
      yield* many(500, load(5)) // nobody listens
      assertNothing()
    }).pipe(onBus)
  )
})
