import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Client, Rpc, Server, Service } from "../../src/index.ts"
import { onBus } from "../helpers/harness.ts"

class Counter extends Service.make("Counter", {
  count: Rpc.unary({ request: Schema.Int, response: Schema.Int }),
  changed: Rpc.subscription({ message: Schema.Int })
}) {}

describe("handlers", () => {
  it.effect("may be the methods of a class, and have their object", () =>
    Effect.gen(function* () {
      const instance = new (class {
        readonly #total = 40
        count(by: number) {
          return Effect.sync(() => this.#total + by)
        }
      })()
      yield* Server.make(Counter, instance)
      const client = yield* Client.make(Counter)
      assert.strictEqual(yield* client.count(2), 42)
    }).pipe(onBus)
  )

  it.effect("for a subscription are refused: a publisher pushes it", () =>
    Effect.gen(function* () {
      const handlers = { count: (by: number) => Effect.succeed(by), changed: () => Effect.void }
      const error = yield* Effect.flip(Server.make(Counter, handlers as never))
      assert.include(error.message, `"changed", a subscription: make a Publisher`)
    }).pipe(onBus)
  )
})
