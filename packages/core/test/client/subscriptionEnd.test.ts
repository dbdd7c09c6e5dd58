import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schema, Scope, Stream } from "effect"
import * as Client from "../../src/Client.ts"
import * as Publisher from "../../src/Publisher.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Service from "../../src/Service.ts"
import { between, inTurn, read, readSlowly, steps, stepwise, strides } from "../helpers/readers.ts"
import { errorOf, exitOf, isRunning, onBus, settle } from "../helpers/harness.ts"

class News extends Service.make("News", {
  job: Rpc.subscription({ message: Schema.Finite }),
  told: Rpc.subscription({ message: Schema.Finite, routing: "multi" })
}) {}

const setUp = Effect.all({ client: Client.make(News), publisher: Publisher.make(News) })

describe("the end of a subscription", () => {
  it.effect("by its scope is normal, after what had arrived, and what was on its way", () =>
    Effect.gen(function* () {
      const { client, publisher } = yield* setUp
      const scope = yield* Scope.make()
      const updates = yield* Scope.provide(client.told(), scope)
      yield* inTurn(publisher.told, [1, 2])
      yield* settle
      yield* publisher.told(3)
      yield* Scope.close(scope, Exit.void)
      yield* publisher.told(4)
      yield* settle
      const { fiber, seen } = yield* read(updates)
      yield* settle
      assert.deepStrictEqual(seen, [1, 2, 3])
      assert.isTrue(Exit.isSuccess(exitOf(fiber)))
      assert.deepStrictEqual(yield* Stream.runCollect(updates), [])
    }).pipe(onBus)
  )

  it.effect("wakes every reader that waits", () =>
    Effect.gen(function* () {
      const { client } = yield* setUp
      const scope = yield* Scope.make()
      const updates = yield* Scope.provide(client.told(), scope)
      const readers = [yield* read(updates), yield* read(updates)]
      yield* settle
      yield* Scope.close(scope, Exit.void)
      yield* settle
      for (const { fiber } of readers) assert.isTrue(Exit.isSuccess(exitOf(fiber)))
    }).pipe(onBus)
  )

  it.effect("in a queue leaves what comes then to the others", () =>
    Effect.gen(function* () {
      const { client, publisher } = yield* setUp
      const scope = yield* Scope.make()
      const leaving = yield* read(yield* Scope.provide(client.job(), scope))
      const staying = yield* read(yield* client.job())
      yield* inTurn(publisher.job, between(1, 10))
      yield* Scope.close(scope, Exit.void)
      yield* inTurn(publisher.job, [11, 12, 13])
      yield* settle
      assert.strictEqual(leaving.seen.length, 5)
      assert.deepStrictEqual(
        [...leaving.seen, ...staying.seen].sort((a, b) => a - b),
        between(1, 13)
      )
    }).pipe(onBus)
  )

  it.effect("by its client's is told, after what had arrived, and in a queue others take over", () =>
    Effect.gen(function* () {
      const { client: other, publisher } = yield* setUp
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(Client.make(News), scope)
      // its own scope, that of the test, stays open
      const closed = yield* readSlowly(yield* client.job())
      const staying = yield* read(yield* other.job())
      yield* inTurn(publisher.job, between(1, 10))
      yield* Scope.close(scope, Exit.void)
      yield* inTurn(publisher.job, [11, 12, 13, 14])
      yield* closed.open
      yield* settle
      const error = errorOf(closed.fiber)
      assert.strictEqual(error._tag, "Canceled")
      assert.strictEqual(error.reason, "client_closed")
      assert.strictEqual(closed.seen.length, 5)
      assert.deepStrictEqual(
        [...closed.seen, ...staying.seen].sort((a, b) => a - b),
        between(1, 14)
      )

      const refused = yield* Effect.flip(client.job())
      assert.strictEqual(refused.reason, "client_closed")
      assert.isFalse(refused.mayHaveRun)
    }).pipe(onBus)
  )

  it.effect("by its client's, at whatever moment: nobody is left waiting", () =>
    Effect.gen(function* () {
      for (const stride of strides) {
        for (let moment = 0; moment < 40; moment++) {
          const scope = yield* Scope.make()
          const client = yield* Scope.provide(Client.make(News), scope)
          const { fiber } = yield* stepwise(read(Stream.unwrap(client.told())), stride)
          yield* steps(moment)
          yield* Scope.close(scope, Exit.void)
          yield* steps(100)
          assert.isFalse(isRunning(fiber), `closed after ${moment} steps`)
          assert.strictEqual(errorOf(fiber).reason, "client_closed")
        }
      }
    }).pipe(onBus)
  )
})
