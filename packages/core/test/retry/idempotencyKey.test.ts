import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Idempotency from "../../src/Idempotency.ts"
import * as Interceptor from "../../src/Interceptor.ts"
import * as Metadata from "../../src/Metadata.ts"
import * as Retry from "../../src/Retry.ts"
import { errorOf, onBus, start } from "../helpers/harness.ts"
import { counting, failing, never, Prices, schedule } from "./countingServer.ts"

/** An interceptor of servers that writes down the keys that come. */
const listening = () => {
  const keys: Array<string | undefined> = []
  const interceptor = Interceptor.server((call, next) => {
    keys.push(call.header.metadata[Idempotency.key])
    return next()
  })
  return { keys, interceptor }
}

const withKey = Retry.unary({ schedule, timeout: 100, idempotencyKey: true })

describe("calls with an idempotency key", () => {
  it.effect("are tried again whatever the method, and its handler runs once", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(1, () => Effect.as(Effect.sleep(150), 7), [Idempotency.interceptor()])
      const client = yield* Client.make(Prices, { interceptors: [withKey] })
      const call = yield* start(client.buy("tea"))
      yield* TestClock.adjust(300)
      assert.strictEqual(yield* Fiber.join(call), 7)
      assert.strictEqual(calls.length, 1)
    }).pipe(onBus)
  )

  it.effect("are tried again after a failure that passes, and run again then", () =>
    Effect.gen(function* () {
      const { calls } = yield* counting(2, failing("unavailable"), [Idempotency.interceptor()])
      const client = yield* Client.make(Prices, { interceptors: [withKey] })
      const call = yield* start(client.buy("tea"))
      yield* TestClock.adjust(300)
      assert.strictEqual(yield* Fiber.join(call), 3)
      assert.strictEqual(calls.length, 3)
    }).pipe(onBus)
  )

  it.effect("have the same key in each attempt, and each call another", () =>
    Effect.gen(function* () {
      const { interceptor, keys } = listening()
      yield* counting(9, never, [interceptor])
      const client = yield* Client.make(Prices, { interceptors: [withKey] })
      const calls = [yield* start(client.buy("tea")), yield* start(client.buy("tea"))]
      yield* TestClock.adjust(2000)
      for (const call of calls) assert.strictEqual(errorOf(call)._tag, "DeadlineExceeded")
      assert.strictEqual(keys.length, 6)
      const [one, other, ...more] = new Set(keys)
      assert.deepStrictEqual(more, [])
      for (const key of [one, other]) {
        assert.match(key!, /^KEY_[0-9A-Za-z]{24}$/)
        assert.strictEqual(keys.filter((each) => each === key).length, 3)
      }
    }).pipe(onBus)
  )

  it.effect("take the caller's key: the call's own before the fiber's, and an empty one for none", () =>
    Effect.gen(function* () {
      const { interceptor, keys } = listening()
      yield* counting(0, never, [interceptor])
      const client = yield* Client.make(Prices, { interceptors: [withKey] })
      const own = (value: string) => ({ [Idempotency.key]: value })
      yield* client.buy("tea", { metadata: own("mine") })
      yield* client.buy("tea").pipe(Metadata.with(own("the fiber's")))
      yield* client.buy("tea", { metadata: own("mine") }).pipe(Metadata.with(own("the fiber's")))
      yield* client.buy("tea", { metadata: own("") })
      assert.deepStrictEqual(keys.slice(0, 3), ["mine", "the fiber's", "mine"])
      assert.match(keys[3]!, /^KEY_/)
    }).pipe(onBus)
  )

  it.effect("keep the rest of their metadata", () =>
    Effect.gen(function* () {
      const seen: Array<Metadata.Metadata> = []
      const interceptor = Interceptor.server((call, next) => {
        seen.push(call.header.metadata)
        return next()
      })
      yield* counting(0, never, [interceptor])
      const client = yield* Client.make(Prices, { metadata: { a: "1" }, interceptors: [withKey] })
      yield* client.buy("tea", { metadata: { c: "3" } }).pipe(Metadata.with({ b: "2" }))
      assert.deepInclude(seen[0], { a: "1", b: "2", c: "3" })
      assert.strictEqual(Object.keys(seen[0]!).length, 4)
    }).pipe(onBus)
  )

  it.effect("have none in calls that their handlers make", () =>
    Effect.gen(function* () {
      const { interceptor, keys } = listening()
      const inner = yield* Client.make(Prices)
      yield* counting(1, () => Effect.orDie(inner.of("tea")), [interceptor])
      const client = yield* Client.make(Prices, { interceptors: [withKey] })
      assert.strictEqual(yield* client.buy("tea"), 2)
      assert.match(keys[0]!, /^KEY_/)
      assert.isUndefined(keys[1])
    }).pipe(onBus)
  )
})
