import { bytes, channel, live, publish, sleep, optionalDurations } from "@effect-psrpc/bus-tests"
import { RedisServer, TcpProxy } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import { RedisMessageBus } from "../src/index.ts"
import { broker, client } from "./support.ts"

const refusal = (options: RedisMessageBus.Options) =>
  Effect.map(Effect.flip(Effect.scoped(RedisMessageBus.make(options))), (error) => {
    assert.strictEqual(error._tag, "InvalidArgument")
    return error.message
  })

optionalDurations(broker)

describe("a duration", () => {
  live("an infinite connectTimeout waits without a limit", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make(server)
      proxy.hold("both")
      const url = `redis://127.0.0.1:${proxy.port}`
      const given = { publisher: yield* client(url), subscriber: yield* client(url), connectTimeout: Infinity }
      const starting = yield* Effect.forkChild(
        Effect.all([RedisMessageBus.make({ url, connectTimeout: Infinity }), RedisMessageBus.makeClients(given)], {
          concurrency: 2
        }),
        { startImmediately: true }
      )
      yield* sleep(300)
      assert.isUndefined(starting.pollUnsafe())
      proxy.hold("none")
      for (const bus of yield* Fiber.join(starting)) assert.strictEqual(bus.failure(), undefined)
    })
  )
})

describe("the option url", () => {
  for (const url of [
    "redis://user:12?secret@host",
    "redis://user:12#secret@host",
    "redis://user:12/secret@host",
    "redis://user:12?a=b&secret@host=1",
    "redis://user:12/3?secret@host",
    "redis://user:pass?secret@host:6379",
    "redis://:12?secret@host"
  ]) {
    live(`whose password is not percent-encoded is refused, and not quoted: ${url}`, () =>
      Effect.gen(function* () {
        for (const given of [url, Redacted.make(url)]) {
          const message = yield* refusal({ url: given })
          assert.include(message, "percent-encode")
          assert.notMatch(message, /secret|12|user:p|host:6/)
        }
      })
    )
  }

  live("must not have a hash, not even an empty one, and unknown parameters are named", () =>
    Effect.gen(function* () {
      assert.include(yield* refusal({ url: "redis://host#" }), "percent-encode")
      assert.include(yield* refusal({ url: "redis://host/0#part" }), "percent-encode")
      assert.include(yield* refusal({ url: "redis://host?famly=4" }), "famly")
    })
  )

  live("may have any percent-encoded password", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make({ password: "a/b?c#d@e:f%" })
      assert.include(server.url, "%23")
      const bus = yield* RedisMessageBus.make({ url: server.url })
      assert.strictEqual(yield* publish(bus, channel(), bytes("x")), 0)
    })
  )
})
