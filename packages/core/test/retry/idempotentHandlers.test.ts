import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Idempotency from "../../src/Idempotency.ts"
import { errorOf, isRunning, onBus, settle, start } from "../helpers/harness.ts"
import { type Answer, key, openStore, Orders, serve } from "./idempotentOrders.ts"

/** Handlers that take so long, and tell when they are interrupted. */
const taking = (millis: number) => {
  const interrupted: Array<number> = []
  const answer: Answer = (n, request) =>
    Effect.delay(Effect.succeed(`${request} ${n}`), millis).pipe(
      Effect.onInterrupt(() => Effect.sync(() => interrupted.push(n)))
    )
  return { answer, interrupted }
}

describe("a handler with a key", () => {
  it.effect("goes on past its deadline, and the next attempt has its answer", () =>
    Effect.gen(function* () {
      const { answer, interrupted } = taking(250)
      const { runs } = yield* serve([Idempotency.interceptor()], answer)
      const client = yield* Client.make(Orders)
      const late = yield* start(client.place("tea", { timeout: 100, ...key("a") }))
      yield* TestClock.adjust(100)
      assert.strictEqual(errorOf(late)._tag, "DeadlineExceeded")
      const again = yield* start(client.place("tea", key("a")))
      yield* TestClock.adjust(149)
      assert.isTrue(isRunning(again))
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(again), "tea 1")
      assert.strictEqual(runs.length, 1)
      assert.deepStrictEqual(interrupted, [])
    }).pipe(onBus)
  )

  it.effect("goes on where its caller has gone", () =>
    Effect.gen(function* () {
      const { answer, interrupted } = taking(250)
      yield* serve([Idempotency.interceptor()], answer)
      const client = yield* Client.make(Orders)
      const left = yield* start(client.place("tea", key("a")))
      yield* settle
      yield* Fiber.interrupt(left)
      yield* TestClock.adjust(250)
      assert.strictEqual(yield* client.place("tea", key("a")), "tea 1")
      assert.deepStrictEqual(interrupted, [])
    }).pipe(onBus)
  )

  it.effect("without runToCompletion is interrupted, and the next attempt runs", () =>
    Effect.gen(function* () {
      const { answer, interrupted } = taking(250)
      yield* serve([Idempotency.interceptor({ runToCompletion: false })], answer)
      const client = yield* Client.make(Orders)
      const late = yield* start(client.place("tea", { timeout: 100, ...key("a") }))
      yield* TestClock.adjust(100)
      assert.strictEqual(errorOf(late)._tag, "DeadlineExceeded")
      assert.deepStrictEqual(interrupted, [1])
      const again = yield* start(client.place("tea", key("a")))
      yield* TestClock.adjust(250)
      assert.strictEqual(yield* Fiber.join(again), "tea 2")
    }).pipe(onBus)
  )

  it.effect("and calls without one, on the same server, end at their own deadline", () =>
    Effect.gen(function* () {
      const { answer, interrupted } = taking(250)
      yield* serve([Idempotency.interceptor()], answer)
      const client = yield* Client.make(Orders)
      const late = yield* start(client.place("tea", { timeout: 100 }))
      yield* TestClock.adjust(100)
      assert.strictEqual(errorOf(late)._tag, "DeadlineExceeded")
      assert.deepStrictEqual(interrupted, [1])
    }).pipe(onBus)
  )

  it.effect("that waits for another's answer ends at its own deadline, and leaves the other alone", () =>
    Effect.gen(function* () {
      const { answer, interrupted } = taking(250)
      const { interceptor, window } = openStore()
      const { runs } = yield* serve([interceptor], answer)
      const client = yield* Client.make(Orders)
      const first = yield* start(client.place("tea", key("a")))
      const late = yield* start(client.place("tea", { timeout: 100, ...key("a") }))
      yield* TestClock.adjust(100)
      assert.strictEqual(errorOf(late)._tag, "DeadlineExceeded")
      yield* TestClock.adjust(150)
      assert.strictEqual(yield* Fiber.join(first), "tea 1")
      assert.strictEqual(runs.length, 1)
      assert.deepStrictEqual(interrupted, [])
      assert.strictEqual(window.size, 1)
    }).pipe(onBus)
  )

  it.effect("is waited for by a drain, and so are those who wait for it", () =>
    Effect.gen(function* () {
      const { answer } = taking(500)
      const { server } = yield* serve([Idempotency.interceptor()], answer)
      const client = yield* Client.make(Orders)
      const calls = yield* Effect.forEach(["tea", "tea"], (tea) => start(client.place(tea, key("a"))))
      yield* settle
      const drained = yield* start(server.drain)
      yield* TestClock.adjust(499)
      assert.isTrue(isRunning(drained))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* Effect.forEach(calls, Fiber.join), ["tea 1", "tea 1"])
      yield* Fiber.join(drained)
    }).pipe(onBus)
  )

  it.effect("is waited for by a drain past its deadline, too", () =>
    Effect.gen(function* () {
      const { answer, interrupted } = taking(500)
      const { server } = yield* serve([Idempotency.interceptor()], answer)
      const client = yield* Client.make(Orders)
      const late = yield* start(client.place("tea", { timeout: 100, ...key("a") }))
      yield* settle
      const drained = yield* start(server.drain)
      yield* TestClock.adjust(499)
      assert.strictEqual(errorOf(late)._tag, "DeadlineExceeded")
      assert.isTrue(isRunning(drained))
      yield* TestClock.adjust(1)
      yield* Fiber.join(drained)
      assert.deepStrictEqual(interrupted, [])
    }).pipe(onBus)
  )

  it.effect("is interrupted when the drain's own time is over, and nothing of it is kept", () =>
    Effect.gen(function* () {
      const { answer, interrupted } = taking(60_000)
      const { interceptor, window } = openStore()
      const { server } = yield* serve([interceptor], answer, { drainTimeout: 1000 })
      const client = yield* Client.make(Orders, { timeout: "1 minute" })
      const calls = yield* Effect.forEach(["tea", "tea"], (tea) => start(client.place(tea, key("a"))))
      yield* settle
      const drained = yield* start(server.drain)
      yield* TestClock.adjust(1000)
      for (const call of calls) assert.strictEqual(errorOf(call).message, "server is closing (Orders.Place)")
      yield* Fiber.join(drained)
      assert.deepStrictEqual(interrupted, [1])
      assert.strictEqual(window.size, 0)
    }).pipe(onBus)
  )

  it.effect("is interrupted by a kill, at once", () =>
    Effect.gen(function* () {
      const { answer, interrupted } = taking(60_000)
      const { interceptor, window } = openStore()
      const { server } = yield* serve([interceptor], answer)
      const client = yield* Client.make(Orders, { timeout: "1 minute" })
      const call = yield* start(client.place("tea", key("a")))
      yield* settle
      const killed = yield* start(server.kill)
      yield* settle
      assert.strictEqual(errorOf(call).message, "server is closing (Orders.Place)")
      assert.deepStrictEqual(interrupted, [1])
      assert.strictEqual(window.size, 0)
      yield* Fiber.join(killed)
    }).pipe(onBus)
  )

  it.effect("whose server is closed is run by the other server of the window that has waited for it", () =>
    Effect.gen(function* () {
      const { interceptor, window } = openStore()
      const scope = yield* Scope.make()
      const slow = taking(60_000)
      const one = yield* Scope.provide(serve([interceptor], slow.answer, { drainTimeout: 0 }), scope)
      const client = yield* Client.make(Orders, { timeout: "1 minute" })
      const first = yield* start(client.place("tea", key("a")))
      yield* settle
      const two = yield* serve([interceptor])
      // the members of a queue take turns
      const others = yield* Effect.forEach(["tea", "tea"], (tea) => start(client.place(tea, key("a"))))
      yield* settle
      assert.strictEqual(one.runs.length + two.runs.length, 1)
      const closing = yield* start(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(1000)
      yield* Fiber.join(closing)
      assert.strictEqual(errorOf(first).message, "server is closing (Orders.Place)")
      const ends = yield* Effect.forEach(others, (call) => Effect.exit(Fiber.join(call)))
      assert.isTrue(ends.some((exit) => exit._tag === "Success" && exit.value === "tea 1"))
      assert.strictEqual(two.runs.length, 1)
      assert.strictEqual(window.size, 1)
    }).pipe(onBus)
  )
})
