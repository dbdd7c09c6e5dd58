import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Retry from "../../src/Retry.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { onBus } from "../support.ts"

class Prices extends Service.make("Prices", {
  of: Rpc.unary({ request: Schema.String, response: Schema.Int, idempotent: true }),
  buy: Rpc.unary({ request: Schema.String, response: Schema.Int })
}) {}

const schedule = Schedule.spaced("100 millis")

/** A server whose handlers fail, or take too long, the first times. */
const server = (first: number, what: (n: number) => Effect.Effect<number, PsrpcError.PsrpcError>) =>
  Effect.gen(function* () {
    const calls: Array<number> = []
    const handle = () =>
      Effect.suspend(() => {
        const n = calls.push(calls.length + 1)
        return n <= first ? what(n) : Effect.succeed(n)
      })
    yield* Server.make(Prices, { of: handle, buy: handle }, { interceptors: [Retry.window()] })
    return calls
  })

const unavailable = () => Effect.fail(PsrpcError.fromCode("unavailable", { message: "busy" }))
const never = () => Effect.never

describe("Retry.unary", () => {
  it.effect("tries an idempotent method again, by the schedule", () =>
    Effect.gen(function* () {
      const calls = yield* server(2, unavailable)
      const client = yield* Client.make(Prices, { interceptors: [Retry.unary({ schedule })] })
      const call = yield* Effect.forkChild(client.of("tea"), { startImmediately: true })
      yield* TestClock.adjust("199 millis")
      assert.strictEqual(calls.length, 2)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(call), 3)
    }).pipe(onBus)
  )

  it.effect("does not try a method again whose handler may have run", () =>
    Effect.gen(function* () {
      const calls = yield* server(2, unavailable)
      const client = yield* Client.make(Prices, { interceptors: [Retry.unary({ schedule })] })
      const error = yield* Effect.flip(client.buy("tea"))
      assert.strictEqual(error.message, "busy")
      assert.strictEqual(calls.length, 1)
    }).pipe(onBus)
  )

  it.effect("gives each attempt its time, and all of them the call's", () =>
    Effect.gen(function* () {
      const calls = yield* server(10, never)
      const client = yield* Client.make(Prices, {
        timeout: 1000,
        interceptors: [Retry.unary({ schedule, attempts: 9, timeout: 100, timeoutGrowth: 2 })]
      })
      const call = yield* Effect.forkChild(Effect.flip(client.of("tea")), { startImmediately: true })
      // 100 + 100, 200 + 100, 400 + 100 (= 1000): nothing would be left for a fourth
      yield* TestClock.adjust(899)
      assert.strictEqual(calls.length, 3)
      assert.isUndefined(call.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(call)).code, "deadline_exceeded")
      assert.strictEqual(calls.length, 3)
    }).pipe(onBus)
  )

  it.effect("with a key tries any method again, whose handler runs once", () =>
    Effect.gen(function* () {
      const calls = yield* server(1, () => Effect.as(Effect.sleep(150), 7))
      const client = yield* Client.make(Prices, {
        interceptors: [Retry.unary({ schedule, timeout: 100, idempotencyKey: true })]
      })
      const call = yield* Effect.forkChild(client.buy("tea"), { startImmediately: true })
      yield* TestClock.adjust(300)
      assert.strictEqual(yield* Fiber.join(call), 7)
      assert.strictEqual(calls.length, 1)
    }).pipe(onBus)
  )
})
