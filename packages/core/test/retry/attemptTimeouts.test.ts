import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Fiber, Schedule, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Interceptor from "../../src/Interceptor.ts"
import * as Retry from "../../src/Retry.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { movableClock } from "../helpers/clocks.ts"
import { errorOf, isRunning, onBus, start } from "../helpers/harness.ts"
import { counting, failing, never, Prices, retries, schedule } from "./countingServer.ts"

class Shop extends Service.make("Shop", {
  sell: Rpc.unary({ request: Schema.String, response: Schema.Int })
}) {}

describe("the time of attempts", () => {
  it.effect("is each one's own, and grows; all together have the client's timeout", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(10, never)
      const client = yield* Client.make(Prices, {
        timeout: 1000,
        interceptors: [Retry.unary({ schedule, attempts: 9, timeout: 100, timeoutGrowth: 2 })]
      })
      const call = yield* start(Effect.flip(client.of("tea")))
      // 100 + 100, 200 + 100, 400 + 100 (= 1000): nothing would be left for a fourth
      yield* TestClock.adjust(899)
      assert.strictEqual(calls.length, 3)
      assert.isTrue(isRunning(call))
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(call)).code, "deadline_exceeded")
      assert.strictEqual(calls.length, 3)
    }).pipe(onBus)
  )

  it.effect("is cut short by what is left of the whole, for the last one", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(10, never)
      const client = yield* Client.make(Prices, {
        interceptors: [Retry.unary({ schedule, attempts: 9, timeout: 400 })]
      })
      // 400 + 100, 400 + 100, and 150 are left
      const call = yield* start(client.of("tea", { timeout: 1150 }))
      yield* TestClock.adjust(1149)
      assert.strictEqual(calls.length, 3)
      assert.isTrue(isRunning(call))
      yield* TestClock.adjust(1)
      assert.strictEqual(errorOf(call).code, "deadline_exceeded")
    }).pipe(onBus)
  )

  it.effect("is what is left of the call's, where it is not said: what times out is over", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(10, never)
      const client = yield* Client.make(Prices, { interceptors: [Retry.unary({ schedule, attempts: 9 })] })
      const call = yield* start(client.of("tea"))
      yield* TestClock.adjust(2999)
      assert.isTrue(isRunning(call))
      yield* TestClock.adjust(1)
      assert.strictEqual(errorOf(call).code, "deadline_exceeded")
      assert.strictEqual(calls.length, 1)
    }).pipe(onBus)
  )

  it.effect("is told to each server as its deadline", () =>
    Effect.gen(function* () {
      const left: Array<number> = []
      yield* Server.make(
        Prices,
        { of: () => Effect.succeed(1), buy: () => Effect.never, ask: () => Effect.never },
        {
          interceptors: [
            Interceptor.server((call, next) =>
              Effect.flatMap(Clock.currentTimeMillis, (now) => {
                left.push(call.deadline - now)
                return left.length < 3 ? Effect.never : next()
              })
            )
          ]
        }
      )
      const client = yield* Client.make(Prices, {
        interceptors: [Retry.unary({ schedule, timeout: 200, timeoutGrowth: 1.5 })]
      })
      const call = yield* start(client.of("tea"))
      yield* TestClock.adjust(2000)
      assert.strictEqual(yield* Fiber.join(call), 1)
      assert.deepStrictEqual(left, [200, 300, 450])
    }).pipe(onBus)
  )

  it.effect("is never more than the deadline of the handler that the call is made in leaves", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(10, never)
      const prices = yield* Client.make(Prices, {
        timeout: "1 hour",
        interceptors: [Retry.unary({ schedule, attempts: 9, timeout: 300 })]
      })
      const ended: Array<string> = []
      yield* Server.make(Shop, {
        sell: () =>
          prices
            .of("tea", { timeout: "1 minute" })
            .pipe(Effect.onExit((exit) => Effect.sync(() => ended.push(exit._tag))))
      })
      const client = yield* Client.make(Shop)
      const call = yield* start(client.sell("tea", { timeout: 1000 }))
      // 300 + 100, 300 + 100, 200
      yield* TestClock.adjust(999)
      assert.strictEqual(calls.length, 3)
      assert.isTrue(isRunning(call))
      yield* TestClock.adjust(1)
      assert.strictEqual(errorOf(call).code, "deadline_exceeded")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(calls.length, 3)
      assert.deepStrictEqual(ended, ["Failure"])
    }).pipe(onBus)
  )

  it.effect("may be without an end", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(99, (n) => (n < 99 ? failing("unavailable")(n) : never(n)))
      const client = yield* Client.make(Prices, {
        timeout: "Infinity",
        interceptors: [Retry.unary({ schedule: Schedule.spaced("1 day"), attempts: Infinity })]
      })
      const call = yield* start(client.of("tea"))
      yield* TestClock.adjust("200 days")
      assert.isTrue(isRunning(call))
      assert.strictEqual(calls.length, 99)
      yield* Fiber.interrupt(call)
    }).pipe(onBus)
  )

  it.effect("without an end is still cut by that of each attempt", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(1, never)
      const client = yield* Client.make(Prices, {
        timeout: "Infinity",
        interceptors: [Retry.unary({ schedule, timeout: 250 })]
      })
      const call = yield* start(client.of("tea"))
      yield* TestClock.adjust(350)
      assert.strictEqual(yield* Fiber.join(call), 2)
      assert.strictEqual(calls.length, 2)
    }).pipe(onBus)
  )

  it.effect("is not waited for where the next attempt would come too late", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(9, failing("unavailable"))
      const client = yield* Client.make(Prices, {
        timeout: 1000,
        interceptors: [Retry.unary({ schedule: Schedule.spaced("1 second") })]
      })
      // at once: the second attempt would be made when the time is over
      assert.strictEqual((yield* Effect.flip(client.of("tea"))).message, "busy")
      assert.strictEqual(calls.length, 1)
    }).pipe(onBus)
  )

  it.effect("that is over before the first attempt fails at once", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(0, never)
      const client = yield* Client.make(Prices, { interceptors: [Retry.unary({ schedule })] })
      const error = yield* Effect.flip(client.of("tea", { timeout: 0 }))
      assert.strictEqual(error.message, "request timed out before it was sent (Prices.Of)")
      assert.strictEqual(calls.length, 0)
    }).pipe(onBus)
  )

  it.effect("does not care whether the wall clock is corrected", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(99, failing("unavailable"))
      const { moved, wall } = yield* movableClock
      const many = Retry.unary({ schedule, attempts: Infinity })
      const client = yield* Client.make(Prices, { interceptors: [many], timeout: 1000 }).pipe(
        Effect.provideService(Clock.Clock, wall)
      )
      const call = yield* start(Effect.provideService(client.of("tea"), Clock.Clock, wall))
      yield* TestClock.adjust(450)
      moved.by = 3_600_000
      yield* TestClock.adjust(449)
      assert.isTrue(isRunning(call))
      yield* TestClock.adjust(1)
      assert.strictEqual(errorOf(call).message, "busy")
      // at 0, 100, … 900
      assert.strictEqual(calls.length, 10)
    }).pipe(onBus)
  )

  it.effect("that a late timer has used up is none for another attempt: the failure says what was wrong", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const late: Clock.Clock = {
        ...clock,
        sleep: (duration) => clock.sleep(Duration.sum(duration, Duration.millis(50)))
      }
      const { calls } = yield* counting(99, failing("unavailable"))
      const client = yield* Client.make(Prices, { interceptors: [Retry.unary({ schedule })] })
      const call = yield* start(Effect.provideService(client.of("tea", { timeout: 120 }), Clock.Clock, late))
      yield* TestClock.adjust(150)
      assert.strictEqual(errorOf(call).message, "busy")
      assert.strictEqual(calls.length, 1)
      assert.deepStrictEqual(yield* retries, [])
    }).pipe(onBus)
  )

  it.effect("of retries inside of retries: the inner ones keep to their attempt's", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(99, never)
      const client = yield* Client.make(Prices, {
        interceptors: [Retry.unary({ schedule, attempts: 2, timeout: 500 })]
      })
      const inner = Retry.unary({ schedule, attempts: 9, timeout: 150 })
      const call = yield* start(client.of("tea", { interceptors: [inner] }))
      // twice: 150 + 100, 150 + 100 (= 500)
      yield* TestClock.adjust(2000)
      assert.strictEqual(errorOf(call).code, "deadline_exceeded")
      assert.strictEqual(calls.length, 4)
    }).pipe(onBus)
  )
})
