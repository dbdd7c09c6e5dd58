import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import { cachingWhen } from "../../src/internal/retry/idempotencyStore.ts"
import * as Idempotency from "../../src/Idempotency.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import { errorOf, Logs, onBus, settle, start } from "../helpers/harness.ts"
import { key, numbered, openStore, Orders, serve } from "./idempotentOrders.ts"

describe("what a window keeps", () => {
  it.effect("is forgotten when its time is over, to the millisecond, counted from the answer", () =>
    Effect.gen(function* () {
      yield* serve([Idempotency.interceptor({ timeToLive: 1000 })], (n, request) =>
        Effect.delay(numbered(n, request), 500)
      )
      const client = yield* Client.make(Orders)
      const place = Effect.gen(function* () {
        const call = yield* start(client.place("tea", key("a")))
        yield* TestClock.adjust(0)
        return call
      })
      const first = yield* place
      yield* TestClock.adjust(500)
      assert.strictEqual(yield* Fiber.join(first), "tea 1")
      yield* TestClock.adjust(999)
      assert.strictEqual(yield* Fiber.join(yield* place), "tea 1")
      yield* TestClock.adjust(1)
      const again = yield* place
      yield* TestClock.adjust(500)
      assert.strictEqual(yield* Fiber.join(again), "tea 2")
    }).pipe(onBus)
  )

  it.effect("is 5 minutes old at most by default", () =>
    Effect.gen(function* () {
      yield* serve([Idempotency.interceptor()])
      const client = yield* Client.make(Orders)
      assert.strictEqual(yield* client.place("tea", key("a")), "tea 1")
      yield* TestClock.adjust("299999 millis")
      assert.strictEqual(yield* client.place("tea", key("a")), "tea 1")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* client.place("tea", key("a")), "tea 2")
    }).pipe(onBus)
  )

  it.effect("is so much at most: the oldest answers go first, however often they are asked for", () =>
    Effect.gen(function* () {
      const { interceptor, window } = openStore({ size: 3 })
      const { runs } = yield* serve([interceptor])
      const client = yield* Client.make(Orders)
      for (const name of ["a", "b", "c", "a", "d"]) yield* client.place("tea", key(name))
      assert.strictEqual(window.size, 3)
      assert.strictEqual(runs.length, 4)
      assert.strictEqual(yield* client.place("tea", key("b")), "tea 2")
      assert.strictEqual(yield* client.place("tea", key("a")), "tea 5")
      assert.strictEqual(window.size, 3)
    }).pipe(onBus)
  )

  it.effect("is not counted while it runs: what runs is never forgotten", () =>
    Effect.gen(function* () {
      const { interceptor, window } = openStore({ size: 1 })
      const { runs } = yield* serve([interceptor], (n, request) => Effect.delay(numbered(n, request), 100))
      const client = yield* Client.make(Orders)
      const names = ["a", "b", "c", "a", "b", "c"]
      const calls = yield* Effect.forEach(names, (name) => start(client.place(name, key(name))))
      yield* settle
      assert.strictEqual(window.size, 3)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(yield* Effect.forEach(calls, Fiber.join), ["a 1", "b 2", "c 3", "a 1", "b 2", "c 3"])
      assert.strictEqual(runs.length, 3)
      assert.strictEqual(window.size, 1)
    }).pipe(onBus)
  )

  it.effect("is nothing of what fails for now, dies, is interrupted, or has no key", () =>
    Effect.gen(function* () {
      const { interceptor, window } = openStore({ runToCompletion: false })
      yield* serve([interceptor], (_, request) => {
        switch (request) {
          case "busy":
            return Effect.fail(PsrpcError.fromCode("unavailable"))
          case "dies":
            return Effect.die(new Error("oh"))
          case "throws":
            throw new Error("oh")
          case "stops":
            return Effect.interrupt
          default:
            return Effect.never
        }
      })
      const client = yield* Client.make(Orders)
      for (const request of ["busy", "dies", "throws", "stops"]) {
        yield* Effect.flip(client.place(request, key(request)))
        assert.strictEqual(window.size, 0, request)
      }
      const late = yield* start(client.place("never", { timeout: 100, ...key("late") }))
      const left = yield* start(client.place("never", key("left")))
      yield* settle
      assert.strictEqual(window.size, 2)
      yield* Fiber.interrupt(left)
      yield* settle
      assert.strictEqual(window.size, 1)
      yield* TestClock.adjust(100)
      assert.strictEqual(errorOf(late)._tag, "DeadlineExceeded")
      assert.strictEqual(window.size, 0)
    }).pipe(onBus)
  )

  it.effect("is nothing either where the user's own functions throw, and nobody waits in vain", () =>
    Effect.gen(function* () {
      const oh = (): never => {
        throw new Error("oh")
      }
      const scoped = openStore({ scope: oh })
      const remembered = openStore({ cacheWhen: cachingWhen(oh) })
      for (const [{ interceptor, window }, count] of [
        [scoped, 2],
        [remembered, 2]
      ] as const) {
        yield* Effect.gen(function* () {
          yield* serve([interceptor], () =>
            Effect.andThen(Effect.sleep(100), Effect.fail(PsrpcError.fromCode("not_found")))
          )
          const client = yield* Client.make(Orders)
          const calls = yield* Effect.forEach(Array(count).fill("tea"), (tea) => start(client.place(tea, key("a"))))
          yield* TestClock.adjust(200)
          for (const call of calls) assert.strictEqual(errorOf(call)._tag, "Internal")
          assert.strictEqual(window.size, 0)
        }).pipe(Effect.scoped)
      }
      const lines = (yield* Logs).filter(({ text }) => text === "psrpc: the handler of Orders.Place died")
      assert.strictEqual(lines.length, 4)
    }).pipe(onBus)
  )

  it.effect("does not grow with calls that are interrupted wherever they are", () =>
    Effect.gen(function* () {
      const { interceptor, window } = openStore({ runToCompletion: false })
      yield* serve([interceptor], () => Effect.never)
      const client = yield* Client.make(Orders)
      for (let yields = 0; yields < 12; yields++) {
        const calls = yield* Effect.forEach(["a", "a", "b"], (name) => start(client.place("tea", key(name))))
        for (let i = 0; i < yields; i++) yield* Effect.yieldNow
        yield* Fiber.interruptAll(calls)
        yield* settle
        assert.strictEqual(window.size, 0, `after ${yields} turns`)
      }
    }).pipe(onBus)
  )
})

describe("which answers are kept", () => {
  const failure = (code: PsrpcError.Code) => Exit.fail(PsrpcError.fromCode(code))

  it("is all that succeed, and failures that last", () => {
    const isKept = cachingWhen()
    assert.isTrue(isKept(Exit.succeed(undefined)))
    assert.isTrue(isKept(failure("not_found")))
    assert.isTrue(isKept(Exit.fail({ _tag: "SoldOut" })))
    assert.isFalse(isKept(failure("unavailable")))
    assert.isFalse(isKept(Exit.die("oh")))
    assert.isFalse(isKept(Exit.interrupt(1)))
  })

  it("is never a defect or an interruption, whatever the user says", () => {
    const isKept = cachingWhen(() => true)
    assert.isTrue(isKept(failure("unavailable")))
    assert.isFalse(isKept(Exit.die("oh")))
    assert.isFalse(isKept(Exit.interrupt(1)))
  })
})
