import { live } from "@effect-psrpc/bus-tests"
import { RedisServer } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { RedisMessageBus } from "../src/index.ts"

describe("a TLS socket with two errors", () => {
  // without a listener, the second error ends the process: vitest reports an uncaught exception
  live(
    "ends only the connection",
    () =>
      Effect.gen(function* () {
        for (let i = 0; i < 25; i++) {
          yield* Effect.scoped(
            Effect.gen(function* () {
              const server = yield* RedisServer.make({ tls: true })
              const error = yield* Effect.flip(Effect.scoped(RedisMessageBus.make({ url: server.url })))
              assert.include(error.message, "self-signed")
              const bus = yield* RedisMessageBus.make({ url: server.url, redis: { tls: { ca: server.ca! } } })
              yield* server.killClients()
              assert.strictEqual(bus.target({ name: "x", subject: "", route: "" }).name, "x")
              yield* Effect.sleep(i % 5)
            })
          )
        }
      }),
    60_000
  )
})
