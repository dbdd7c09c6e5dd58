import { call, calls, live, methods, serve, sleep } from "@effect-psrpc/bus-tests"
import { RedisServer } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { RedisMessageBus } from "../src/index.ts"
import { broker, onClients } from "./support.ts"

const ways = {
  "connections that the bus opens": (url: string) => RedisMessageBus.make({ url }),
  "given clients": (url: string) => onClients(url, { retryStrategy: () => 100 })
}

calls(broker, ways)

for (const [way, make] of Object.entries(ways)) {
  describe(`calls on ${way}`, () => {
    live("made just after Redis has closed every subscribing connection all succeed", () =>
      Effect.gen(function* () {
        const redis = yield* RedisServer.make()
        const runs = yield* serve(yield* make(redis.url))
        const client = yield* call(yield* make(redis.url), { timeout: "2 seconds" })
        for (let round = 0; round < 5; round++) {
          yield* redis.killClients("pubsub")
          yield* sleep(5)
          const calls = methods.map((method) => client[method](`${method} ${round}`))
          yield* Effect.all(calls, { concurrency: "unbounded" })
        }
        assert.deepStrictEqual([...new Set(runs.values())], [1])
        assert.strictEqual(runs.size, 10)
      })
    )
  })
}
