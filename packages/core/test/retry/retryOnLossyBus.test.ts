// Retries over a bus that loses, repeats and delays: what is promised holds whatever goes wrong.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as LocalMessageBus from "../../src/LocalMessageBus.ts"
import { MessageBus } from "../../src/MessageBus.ts"
import * as Retry from "../../src/Retry.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Selection from "../../src/Selection.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import * as Faulty from "../../src/testing/FaultyMessageBus.ts"
import { start } from "../helpers/harness.ts"
import { openStore } from "./idempotentOrders.ts"

class Shop extends Service.make("Shop", {
  price: Rpc.unary({ request: Schema.Int, response: Schema.Int, idempotent: true }),
  buy: Rpc.unary({ request: Schema.Int, response: Schema.Int }),
  alone: Rpc.unary({ request: Schema.Int, response: Schema.Int, singleServer: true })
}) {}

const numbers = Array.from({ length: 40 }, (_, i) => i)
const seeds = Array.from({ length: 15 }, (_, i) => i + 1)

const policy = { attempts: Infinity, schedule: Schedule.spaced("50 millis"), timeout: "400 millis" } as const

/** A server, a client behind a bus with faults, and how often each number was handled. */
const setUp = Effect.fnUntraced(function* (seed: number, options: Retry.UnaryOptions, isWindowed = false) {
  const local = yield* LocalMessageBus.make
  const bus = yield* Faulty.make(
    local,
    Faulty.random({ seed, lose: 0.2, duplicate: 0.1, delay: ["0 millis", "60 millis"] })
  )
  const runs = new Map<number, number>()
  const handle = (n: number) =>
    Effect.delay(
      Effect.sync(() => n * 2),
      20
    ).pipe(Effect.tap(() => Effect.sync(() => runs.set(n, (runs.get(n) ?? 0) + 1))))
  const { interceptor, window } = openStore({ timeToLive: 600_000 })
  const client = yield* Effect.gen(function* () {
    yield* Server.make(
      Shop,
      { price: handle, buy: handle, alone: handle },
      { interceptors: isWindowed ? [interceptor] : [] }
    )
    return yield* Client.make(Shop, {
      timeout: "1 minute",
      selection: Selection.make({ acceptFirstAvailable: true, affinityTimeout: 200 }),
      interceptors: [Retry.unary(options)]
    })
  }).pipe(Effect.provideService(MessageBus, bus))
  const results = <E>(call: (n: number) => Effect.Effect<number, E>) =>
    Effect.gen(function* () {
      const calls = yield* Effect.forEach(numbers, (n) => start(Effect.result(call(n))))
      yield* TestClock.adjust("2 minutes")
      return yield* Effect.forEach(calls, Fiber.join)
    })
  return { client, results, runs, window }
})

describe("retries over a bus that loses a fifth of all messages", () => {
  for (const seed of seeds) {
    it.effect(`bring every idempotent call to its answer (seed ${seed})`, () =>
      Effect.gen(function* () {
        const { client, results } = yield* setUp(seed, policy)
        const all = yield* results((n) => client.price(n))
        assert.deepStrictEqual(
          all.map((result) => (result._tag === "Success" ? result.success : result.failure.message)),
          numbers.map((n) => n * 2)
        )
      })
    )

    it.effect(`run nothing twice that may not be repeated (seed ${seed})`, () =>
      Effect.gen(function* () {
        for (const name of ["buy", "alone"] as const) {
          const { client, results, runs } = yield* setUp(seed, policy)
          const all = yield* results((n) => client[name](n))
          // a request whose answer is lost has run, and fails; one that nobody has claimed is sent again
          const failures = all.filter((result) => result._tag === "Failure")
          assert.isAbove(failures.length, 0)
          assert.isBelow(failures.length, numbers.length)
          // the same request that comes twice after it was answered is a message's fault, and none of the retries'
          if (name === "buy")
            assert.deepStrictEqual(
              Array.from(runs.values()).filter((count) => count > 1),
              []
            )
          for (const result of failures) assert.isTrue(result.failure.mayHaveRun, result.failure.message)
        }
      })
    )

    it.effect(`with a key bring every call to its answer, and run each once (seed ${seed})`, () =>
      Effect.gen(function* () {
        const { client, results, runs, window } = yield* setUp(seed, { ...policy, idempotencyKey: true }, true)
        const all = yield* results((n) => client.buy(n))
        assert.deepStrictEqual(
          all.map((result) => (result._tag === "Success" ? result.success : result.failure.message)),
          numbers.map((n) => n * 2)
        )
        assert.deepStrictEqual(
          numbers.map((n) => runs.get(n)),
          numbers.map(() => 1)
        )
        assert.strictEqual(window.size, numbers.length)
      })
    )
  }
})
