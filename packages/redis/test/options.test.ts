import { RedisServer, TcpProxy } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Duration, Effect, Fiber, Redacted } from "effect"
import { RedisMessageBus } from "../src/index.ts"
import { bytes, channel, client, collect, live, publish, sleep, until } from "./support.ts"

const refusal = (options: RedisMessageBus.Options) =>
  Effect.map(Effect.flip(Effect.scoped(RedisMessageBus.make(options))), (error) => {
    assert.strictEqual(error._tag, "InvalidArgument")
    return error.message
  })

const durations = {
  connectTimeout: (value) => ({ connectTimeout: value }),
  closeTimeout: (value) => ({ closeTimeout: value }),
  heartbeat: (value) => ({ heartbeat: value }),
  "reconnect.minDelay": (value) => ({ reconnect: { minDelay: value } }),
  "reconnect.maxDelay": (value) => ({ reconnect: { maxDelay: value } })
} satisfies Record<string, (value: Duration.Input) => RedisMessageBus.Options>

describe("a duration", () => {
  for (const [name, options] of Object.entries(durations)) {
    live(`of ${name} that is none is refused by name`, () =>
      Effect.gen(function* () {
        const url = "redis://127.0.0.1:1"
        for (const value of ["soon", Number.NaN, -1, 0, "-1 second", -Infinity, { weeks: "x" }, Symbol("s")]) {
          const message = yield* refusal({ url, ...options(value as Duration.Input) })
          assert.include(message, `${name} is `, String(value))
        }
      })
    )

    live(`of ${name} may be longer than Node's timers wait, or infinite`, () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.make()
        for (const value of ["30 days", 2 ** 31, Infinity, "Infinity", Duration.infinity] as const) {
          const made = RedisMessageBus.make({ url: server.url, ...options(value) })
          const bus = yield* made
          const news = channel()
          const got = yield* collect(bus, news)
          assert.strictEqual(yield* publish(bus, news, bytes("x")), 1)
          // a timer that overflows fires at once
          yield* sleep(20)
          assert.strictEqual(yield* publish(bus, news, bytes("y")), 1)
          yield* until(() => got.length === 2, "both arrive")
          assert.strictEqual(bus.failure(), undefined)
        }
      })
    )
  }

  live("an infinite connectTimeout waits for as long as it takes", () =>
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

  live("with an infinite heartbeat a connection may be silent", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make(server)
      const url = `redis://127.0.0.1:${proxy.port}`
      const bus = yield* RedisMessageBus.make({ url, heartbeat: Infinity })
      const sent = proxy.sent()
      yield* sleep(100)
      assert.strictEqual(proxy.sent(), sent)
      proxy.hold("replies")
      const fiber = yield* Effect.forkChild(publish(bus, channel(), bytes("x")), { startImmediately: true })
      yield* sleep(300)
      assert.strictEqual(bus.failure(), undefined)
      proxy.hold("none")
      assert.strictEqual(yield* Fiber.join(fiber), 0)
    })
  )
})

describe("a url", () => {
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

  live("has no hash, also an empty one, and its unknown parameters are named", () =>
    Effect.gen(function* () {
      assert.include(yield* refusal({ url: "redis://host#" }), "percent-encode")
      assert.include(yield* refusal({ url: "redis://host/0#part" }), "percent-encode")
      assert.include(yield* refusal({ url: "redis://host?famly=4" }), "famly")
    })
  )

  live("may hold any password that is percent-encoded", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make({ password: "a/b?c#d@e:f%" })
      assert.include(server.url, "%23")
      const bus = yield* RedisMessageBus.make({ url: server.url })
      assert.strictEqual(yield* publish(bus, channel(), bytes("x")), 0)
    })
  )
})
