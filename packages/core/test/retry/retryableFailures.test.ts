import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schedule, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import { MessageBus } from "../../src/MessageBus.ts"
import * as Interceptor from "../../src/Interceptor.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Retry from "../../src/Retry.ts"
import * as Selection from "../../src/Selection.ts"
import * as Server from "../../src/Server.ts"
import { broken, steeredBus } from "../helpers/steeredBus.ts"
import { errorOf, isRunning, onBus, settle, start } from "../helpers/harness.ts"
import { counting, failing, never, Prices, retries, schedule } from "./countingServer.ts"

const again = Retry.unary({ schedule, attempts: 9 })

describe("failures after which nothing can have run", () => {
  it.effect("nobody listens: waits for a server to come up", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Prices, { interceptors: [again] })
      const calls = yield* start(Effect.all([client.buy("tea"), client.ask("tea")], { concurrency: "unbounded" }))
      yield* TestClock.adjust(350)
      assert.isTrue(isRunning(calls))
      yield* counting(0, never)
      yield* TestClock.adjust(50)
      assert.sameMembers(yield* Fiber.join(calls), [1, 2])
    }).pipe(onBus)
  )

  it.effect("nobody comes: fails with that, in the call's time", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Prices, {
        timeout: 1000,
        interceptors: [Retry.unary({ schedule, attempts: Infinity })]
      })
      const call = yield* start(client.buy("tea"))
      yield* TestClock.adjust(899)
      assert.isTrue(isRunning(call))
      yield* TestClock.adjust(1)
      const error = errorOf(call) as PsrpcError.PsrpcError
      assert.strictEqual(error._tag, "Unavailable")
      assert.strictEqual(error.reason, "no_listeners")
      assert.isFalse(error.mayHaveRun)
    }).pipe(onBus)
  )

  it.effect("nobody offers itself: asks again after the time for claims", () =>
    Effect.gen(function* () {
      // one request at a time: what is beyond gets no claim
      const { calls } = yield* counting(1, () => Effect.as(Effect.sleep(400), 7), [], { maxInFlight: 1 })
      const client = yield* Client.make(Prices, {
        selection: Selection.make({ acceptFirstAvailable: true, affinityTimeout: 200 }),
        interceptors: [again]
      })
      const busy = yield* start(client.buy("tea"))
      const call = yield* start(client.buy("coffee"))
      // 200 + 100, 200 + 100: the server is free by then
      yield* TestClock.adjust(300)
      assert.isTrue(isRunning(call))
      yield* TestClock.adjust(300)
      assert.strictEqual(yield* Fiber.join(busy), 7)
      assert.strictEqual(yield* Fiber.join(call), 2)
      assert.strictEqual(calls.length, 2)
    }).pipe(onBus)
  )

  it.effect("the connection is broken, and nothing was sent: sends it when it is back", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(0, never)
      const { bus, steering } = yield* steeredBus
      const client = yield* Effect.provideService(Client.make(Prices, { interceptors: [again] }), MessageBus, bus)
      steering.holds = (type) => type === "Request"
      const call = yield* start(client.buy("tea"))
      for (const { delivery } of steering.held.splice(0)) delivery.undelivered(broken(false))
      yield* TestClock.adjust(50)
      assert.isTrue(isRunning(call))
      steering.holds = () => false
      yield* TestClock.adjust(50)
      assert.strictEqual(yield* Fiber.join(call), 1)
      assert.strictEqual(calls.length, 1)
    }).pipe(onBus)
  )

  it.effect("what may have been sent is sent again for an idempotent method alone", () =>
    Effect.gen(function* () {
      yield* counting(0, never)
      const { bus, steering } = yield* steeredBus
      const client = yield* Effect.provideService(
        Client.make(Prices, { interceptors: [Retry.unary({ schedule, timeout: 200 })] }),
        MessageBus,
        bus
      )
      steering.holds = (type) => type === "ClaimResponse"
      const lost = (): void => {
        for (const { delivery } of steering.held.splice(0)) delivery.undelivered(broken(true))
      }
      const buy = yield* start(client.buy("tea"))
      yield* settle
      lost()
      yield* TestClock.adjust(200)
      const error = errorOf(buy) as PsrpcError.PsrpcError
      assert.strictEqual(error.reason, "connection")
      assert.isTrue(error.mayHaveRun)
      const price = yield* start(client.of("tea"))
      yield* settle
      lost()
      yield* TestClock.adjust(200)
      steering.holds = () => false
      yield* TestClock.adjust(100)
      assert.strictEqual(yield* Fiber.join(price), 1)
    }).pipe(onBus)
  )
})

describe("the failure of all attempts", () => {
  it.effect("says that a handler may have run where that is so of an earlier one", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* Scope.provide(
        Server.make(Prices, {
          of: () => failing("unavailable")(1) as Effect.Effect<number, PsrpcError.PsrpcError>,
          buy: () => Effect.never,
          ask: () => Effect.never
        }),
        scope
      )
      const client = yield* Client.make(Prices, { interceptors: [Retry.unary({ schedule })] })
      const call = yield* start(client.of("tea"))
      yield* settle
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust(200)
      const error = errorOf(call)
      // the last attempts reached nobody; the first one did
      assert.strictEqual(error.reason, "no_listeners")
      assert.strictEqual(error._tag, "Unavailable")
      assert.isTrue(PsrpcError.is(error))
      assert.isTrue(error.mayHaveRun)
    }).pipe(onBus)
  )

  it.effect("is that of a client that is closed meanwhile, at once", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(9, failing("unavailable"))
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(Client.make(Prices, { interceptors: [again] }), scope)
      const call = yield* start(client.of("tea"))
      yield* settle
      assert.strictEqual(calls.length, 1)
      yield* Scope.close(scope, Exit.void)
      yield* settle
      const error = errorOf(call)
      assert.strictEqual(error.reason, "client_closed")
      assert.isTrue(error.mayHaveRun)
      assert.strictEqual(calls.length, 1)
      assert.deepStrictEqual(yield* retries, [])
    }).pipe(onBus)
  )

  it.effect("is that of a client that is closed during an attempt, at once", () =>
    Effect.gen(function* () {
      yield* counting(9, never)
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(Client.make(Prices, { interceptors: [again] }), scope)
      const call = yield* start(client.of("tea"))
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Effect.flip(Fiber.join(call))).reason, "client_closed")
    }).pipe(onBus)
  )

  it.effect("is at once what this end refuses: no topic, metadata or request gets better by waiting", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(9, never)
      const client = yield* Client.make(Prices, { interceptors: [again] })
      const refused = [
        client.of("tea", { metadata: { "\ud800": "" } }),
        client.of("tea", { timeout: "soon" as never }),
        client.of(7 as never)
      ]
      const codes = yield* Effect.forEach(refused, (call) => Effect.map(Effect.flip(call), ({ code }) => code))
      assert.deepStrictEqual(codes, ["invalid_argument", "invalid_argument", "malformed_request"])
      assert.strictEqual(calls.length, 0)
    }).pipe(onBus)
  )

  it.effect("is not tried again where it is a defect of an interceptor inside", () =>
    Effect.gen(function* () {
      yield* counting(9, never)
      let attempts = 0
      const dying = Retry.unary({ schedule: Schedule.recurs(9) })
      const client = yield* Client.make(Prices, { interceptors: [dying] })
      const exit = yield* Effect.exit(
        client.of("tea", {
          interceptors: [
            Interceptor.client(() => {
              attempts++
              throw new Error("oh")
            })
          ]
        })
      )
      assert.strictEqual(exit._tag, "Failure")
      assert.strictEqual(attempts, 1)
    }).pipe(onBus)
  )
})

describe("isRetryable", () => {
  const error = (code: PsrpcError.Code, options?: PsrpcError.Options) => PsrpcError.fromCode(code, options)

  it("is for what nobody has run, and for all that may pass of an idempotent method", () => {
    const [yes, no] = [{ idempotent: true }, { idempotent: false }]
    assert.isTrue(Retry.isRetryable(error("unavailable", { mayHaveRun: false }), no))
    assert.isFalse(Retry.isRetryable(error("unavailable"), no))
    assert.isTrue(Retry.isRetryable(error("unavailable"), yes))
    assert.isTrue(Retry.isRetryable(error("deadline_exceeded"), yes))
    assert.isFalse(Retry.isRetryable(error("invalid_argument", { mayHaveRun: false }), yes))
    assert.isFalse(Retry.isRetryable(new Error("unavailable"), yes))
  })

  it("is not for what stays as it is", () => {
    for (const reason of ["client_closed", "server_closed", "stream_closed", "too_large"] as const) {
      const closed = error("unavailable", { reason, mayHaveRun: false })
      assert.isFalse(Retry.isRetryable(closed, { idempotent: true }), reason)
    }
  })
})
