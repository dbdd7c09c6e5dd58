import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Logger, References, Schedule } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Interceptor from "../../src/Interceptor.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Retry from "../../src/Retry.ts"
import { errorOf, exitOf, isRunning, Logs, onBus, settle, start } from "../helpers/harness.ts"
import { counting, failing, never, Prices, retries, schedule, SoldOut } from "./countingServer.ts"

const clientWith = (options?: Retry.UnaryOptions) =>
  Client.make(Prices, { interceptors: [Retry.unary({ schedule, ...options })] })

describe("Retry.unary", () => {
  it.effect("tries an idempotent method again, by the schedule", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(2, failing("unavailable"))
      const client = yield* clientWith()
      const call = yield* start(client.of("tea"))
      yield* TestClock.adjust("199 millis")
      assert.strictEqual(calls.length, 2)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(call), 3)
    }).pipe(onBus)
  )

  it.effect("does not try a method again whose handler may have run", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(2, failing("unavailable"))
      const client = yield* clientWith()
      const error = yield* Effect.flip(client.buy("tea"))
      assert.strictEqual(error.message, "busy")
      assert.strictEqual(calls.length, 1)
    }).pipe(onBus)
  )

  it.effect("after a time out, tries again what may be repeated, and nothing else", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(3, never)
      const client = yield* clientWith({ timeout: 200 })
      for (const call of [client.buy("tea"), client.ask("tea")]) {
        const once = yield* start(call)
        yield* TestClock.adjust(200)
        assert.strictEqual(errorOf(once)._tag, "DeadlineExceeded")
      }
      assert.strictEqual(calls.length, 2)
      const again = yield* start(client.of("tea"))
      yield* TestClock.adjust(300)
      assert.strictEqual(yield* Fiber.join(again), 4)
    }).pipe(onBus)
  )

  it.effect("of an idempotent method, tries again after the codes that may pass, and no others", () =>
    Effect.gen(function* () {
      for (const code of PsrpcError.codes) {
        const again = ["aborted", "deadline_exceeded", "resource_exhausted", "unavailable"].includes(code)
        yield* Effect.gen(function* () {
          const { calls } = yield* counting(1, failing(code))
          const client = yield* clientWith()
          const call = yield* start(client.of("tea"))
          yield* TestClock.adjust(100)
          if (again) assert.strictEqual(yield* Fiber.join(call), 2, code)
          else assert.strictEqual(errorOf(call).code, code)
          assert.strictEqual(calls.length, again ? 2 : 1, code)
        }).pipe(Effect.scoped)
      }
    }).pipe(onBus)
  )

  it.effect("makes so many attempts in all, and fails with what the last one fails with", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(9, (n) => failing("unavailable", `busy ${n}`)(n))
      const client = yield* clientWith()
      const call = yield* start(client.of("tea"))
      yield* TestClock.adjust(1000)
      assert.strictEqual(errorOf(call).message, "busy 3")
      assert.strictEqual(calls.length, 3)
      const once = yield* Client.make(Prices, { interceptors: [Retry.unary({ schedule, attempts: 1 })] })
      assert.strictEqual((yield* Effect.flip(once.of("tea"))).message, "busy 4")
    }).pipe(onBus)
  )

  it.effect("stops at a failure that another attempt does not help", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(2, (n) => failing(n === 1 ? "unavailable" : "not_found")(n))
      const client = yield* clientWith({ attempts: 9 })
      const call = yield* start(client.of("tea"))
      yield* TestClock.adjust(100)
      assert.strictEqual(errorOf(call).code, "not_found")
      assert.strictEqual(calls.length, 2)
    }).pipe(onBus)
  )

  it.effect("stops where the schedule does", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(9, failing("unavailable"))
      const client = yield* clientWith({ attempts: Infinity, schedule: Schedule.recurs(3) })
      assert.strictEqual((yield* Effect.flip(client.of("tea"))).code, "unavailable")
      assert.strictEqual(calls.length, 4)
    }).pipe(onBus)
  )

  it.effect("tells the schedule the failures", () =>
    Effect.gen(function* () {
      yield* counting(2, (n) => failing("unavailable", `busy ${n}`)(n))
      const seen: Array<string> = []
      const told = Schedule.spaced(10).pipe(
        Schedule.setInputType<Interceptor.Failure>(),
        Schedule.tap(({ input }) => Effect.sync(() => seen.push(PsrpcError.is(input) ? input.message : "another")))
      )
      const client = yield* clientWith({ schedule: told })
      const call = yield* start(client.of("tea"))
      yield* TestClock.adjust(20)
      assert.strictEqual(yield* Fiber.join(call), 3)
      assert.deepStrictEqual(seen, ["busy 1", "busy 2"])
    }).pipe(onBus)
  )

  it.effect("by default comes back after 50 ms and then after twice as long, more or less", () =>
    Effect.gen(function* () {
      const times: Array<number> = []
      yield* counting(9, (n) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          times.push(now)
          return failing("unavailable")(n)
        })
      )
      const client = yield* Client.make(Prices, { interceptors: [Retry.unary({ attempts: 8 })], timeout: "1 minute" })
      const call = yield* start(client.of("tea"))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(errorOf(call).code, "unavailable")
      for (const [i, millis] of [50, 100, 200, 400, 800, 1000, 1000].entries()) {
        const delay = times[i + 1]! - times[i]!
        assert.isAtLeast(delay, millis * 0.8 - 1)
        assert.isAtMost(delay, millis * 1.2 + 1)
      }
    }).pipe(onBus)
  )

  it.effect("tries again what the user's own function says, of what call it says", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(2, () => Effect.fail(new SoldOut({ since: 7 })))
      const seen: Array<string> = []
      const client = yield* clientWith({
        while: (error, call) => {
          seen.push(`${call.service}.${call.method} ${call.kind} ${call.idempotent}`)
          return !PsrpcError.is(error) && (error as unknown as SoldOut)._tag === "SoldOut"
        }
      })
      const call = yield* start(client.buy("tea"))
      yield* TestClock.adjust(200)
      assert.strictEqual(yield* Fiber.join(call), 3)
      assert.strictEqual(calls.length, 3)
      assert.deepStrictEqual(seen, Array(2).fill("Prices.Buy unary false"))
    }).pipe(onBus)
  )

  it.effect("dies of a function that throws, and the client lives", () =>
    Effect.gen(function* () {
      yield* counting(1, failing("unavailable"))
      const client = yield* clientWith({
        while: () => {
          throw new Error("oh")
        }
      })
      const call = yield* start(Effect.exit(client.of("tea")))
      const exit = yield* Fiber.join(call)
      assert.isTrue(exit._tag === "Failure" && exit.cause.reasons.some(({ _tag }) => _tag === "Die"))
      assert.strictEqual(yield* client.of("tea"), 2)
    }).pipe(onBus)
  )

  it.effect("leaves a method's own error alone", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(1, () => Effect.fail(new SoldOut({ since: 7 })))
      const client = yield* clientWith({ idempotencyKey: true })
      const error = yield* Effect.flip(client.buy("tea"))
      assert.isTrue(error instanceof SoldOut && error.since === 7)
      assert.strictEqual(calls.length, 1)
    }).pipe(onBus)
  )

  it.effect("runs around one call, too", () =>
    Effect.gen(function* () {
      yield* counting(1, failing("unavailable"))
      const client = yield* Client.make(Prices)
      const call = yield* start(client.of("tea", { interceptors: [Retry.unary({ schedule })] }))
      yield* TestClock.adjust(100)
      assert.strictEqual(yield* Fiber.join(call), 2)
    }).pipe(onBus)
  )

  it.effect("is seen as one call from outside, and as each attempt from inside", () =>
    Effect.gen(function* () {
      yield* counting(2, failing("unavailable"))
      const seen: Array<string> = []
      const noting = (where: string) =>
        Interceptor.client((_, next) =>
          Effect.onExit(next(), (exit) => Effect.sync(() => seen.push(`${where} ${exit._tag}`)))
        )
      const client = yield* Client.make(Prices, {
        interceptors: [noting("outside"), Retry.unary({ schedule }), noting("inside")]
      })
      const call = yield* start(client.of("tea"))
      yield* TestClock.adjust(200)
      assert.strictEqual(yield* Fiber.join(call), 3)
      assert.deepStrictEqual(seen, ["inside Failure", "inside Failure", "inside Success", "outside Success"])
    }).pipe(onBus)
  )

  it.effect("is interrupted while it waits, and makes no attempt then", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(9, failing("unavailable"))
      const client = yield* clientWith()
      const call = yield* start(client.of("tea"))
      yield* TestClock.adjust(50)
      assert.isTrue(isRunning(call))
      yield* Fiber.interrupt(call)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(calls.length, 1)
      assert.strictEqual(exitOf(call)._tag, "Failure")
    }).pipe(onBus)
  )

  it.effect("is interrupted during an attempt, whose handler hears of it", () =>
    Effect.gen(function* () {
      let interrupted = 0
      const { calls } = yield* counting(9, (n) =>
        n === 1 ? failing("unavailable")(n) : Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
      )
      const client = yield* clientWith()
      const call = yield* start(client.of("tea"))
      yield* TestClock.adjust(100)
      assert.strictEqual(calls.length, 2)
      yield* Fiber.interrupt(call)
      yield* settle
      assert.strictEqual(interrupted, 1)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(calls.length, 2)
    }).pipe(onBus)
  )

  it.effect("counts the attempts after the first, and logs them with their method", () =>
    Effect.gen(function* () {
      yield* counting(2, failing("unavailable"))
      const client = yield* clientWith()
      assert.deepStrictEqual(yield* retries, [])
      const call = yield* start(client.of("tea"))
      yield* TestClock.adjust(200)
      assert.strictEqual(yield* Fiber.join(call), 3)
      const series = { side: "client", service: "Prices", method: "Of", kind: "unary", count: 2 }
      assert.deepStrictEqual(yield* retries, [series])
      const lines = (yield* Logs).filter(({ text }) => text.includes("attempt"))
      assert.deepStrictEqual(
        lines.map(({ level, text }) => `${level} ${text}`),
        [1, 2].map((n) => `Debug psrpc: attempt ${n} of Prices.Of failed, the next one follows: busy`)
      )
    }).pipe(onBus)
  )

  it.effect("logs lines that are found by service and method", () =>
    Effect.gen(function* () {
      yield* counting(1, failing("unavailable"))
      const found: Array<unknown> = []
      const logger = Logger.make<unknown, void>(({ fiber, message }) => {
        if (String(message).includes("attempt")) found.push(fiber.getRef(References.CurrentLogAnnotations))
      })
      const client = yield* clientWith()
      const call = yield* start(client.of("tea").pipe(Effect.provide(Logger.layer([logger]))))
      yield* TestClock.adjust(100)
      assert.strictEqual(yield* Fiber.join(call), 2)
      assert.deepStrictEqual(found, [{ "rpc.service": "Prices", "rpc.method": "Prices/Of" }])
    }).pipe(onBus)
  )

  it("refuses options that cannot be", () => {
    for (const options of [
      { attempts: 0 },
      { attempts: 1.5 },
      { attempts: NaN },
      { timeout: 0 },
      { timeout: -1 },
      { timeout: "soon" as never },
      { timeoutGrowth: 0.5 },
      { timeoutGrowth: NaN },
      { timeoutGrowth: Infinity },
      { schedule: "often" as never }
    ]) {
      assert.throws(() => Retry.unary(options), TypeError, undefined, JSON.stringify(options))
      assert.throws(() => Retry.stream(options), TypeError)
    }
    assert.doesNotThrow(() => Retry.unary({ attempts: Infinity, timeout: "Infinity" as never }))
  })
})
