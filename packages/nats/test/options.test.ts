import { bytes, channel, collect, live, publish, until, optionalDurations } from "@effect-psrpc/bus-tests"
import { NatsServer, TcpProxy } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import { tokenAuthenticator } from "nats"
import { NatsMessageBus } from "../src/index.ts"
import { ReconnectDelay } from "../src/internal/connection/reconnectDelay.ts"
import { broker, connect2 } from "./support.ts"

const refusal = (options: NatsMessageBus.Options) =>
  Effect.map(Effect.flip(Effect.scoped(NatsMessageBus.make(options))), (error) => {
    assert.strictEqual(error._tag, "InvalidArgument")
    return error.message
  })

optionalDurations(broker)

describe("a duration", () => {
  live("of connectTimeout that is infinite waits without a limit", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make()
      const proxy = yield* TcpProxy.make(server)
      proxy.hold("both")
      const servers = `127.0.0.1:${proxy.port}`
      const starting = yield* Effect.forkChild(NatsMessageBus.make({ servers, connectTimeout: Infinity }), {
        startImmediately: true
      })
      yield* until(() => proxy.connections() === 1, "it connects")
      yield* Effect.sleep(300)
      assert.isUndefined(starting.pollUnsafe())
      proxy.hold("none")
      assert.strictEqual((yield* Fiber.join(starting)).failure(), undefined)
    })
  )
})

describe("servers", () => {
  for (const url of [
    "nats://user:12?secret@host",
    "nats://user:12#secret@host",
    "nats://user:12/secret@host",
    "nats://user:12?a=b&secret@host=1",
    "nats://user:12/3?secret@host",
    "nats://user:pass?secret@host:4222",
    "user:12/secret@host",
    "tls://12/secret@host"
  ]) {
    live(`whose secret is not percent-encoded are refused, and not quoted: ${url}`, () =>
      Effect.gen(function* () {
        for (const given of [url, Redacted.make(url), ["nats://other", url]]) {
          const message = yield* refusal({ servers: given })
          assert.include(message, "percent-encode")
          assert.notMatch(message, /secret|:12|12:|pass\?|host:4/)
        }
      })
    )
  }

  live("may be host and port, with or without a scheme, by name or address", () =>
    Effect.gen(function* () {
      const { port } = yield* NatsServer.make()
      for (const servers of [
        `127.0.0.1:${port}`,
        `localhost:${port}`,
        `nats://localhost:${port}/`,
        [`nats://127.0.0.1:${port}`]
      ]) {
        const bus = yield* NatsMessageBus.make({ servers })
        assert.strictEqual(yield* publish(bus, channel(), bytes("x")), 0)
      }
      assert.include(
        (yield* Effect.flip(Effect.scoped(NatsMessageBus.make({ servers: ["[::1]:1", "b:1", "c:1", "d:1"] })))).message,
        "nats at [::1]:1, b:1, c:1, …: cannot connect"
      )
    })
  )
})

describe("options of nats.js", () => {
  live("are passed on, but do not override those that the bus sets", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make({ token: "t0ken" })
      const bus = yield* NatsMessageBus.make({
        servers: server.url,
        nats: {
          authenticator: [tokenAuthenticator("t0ken"), () => undefined],
          inboxPrefix: "my.inbox",
          maxReconnectAttempts: undefined,
          // options that the type does not have
          ...({ noEcho: true, verbose: true, maxPingOut: 0, waitOnFirstConnect: true } as {})
        }
      })
      const raw = yield* connect2(server.url, { token: "t0ken" })
      const replies: Array<string> = []
      const news = channel()
      raw.subscribe(news.subject, { callback: (_, { reply }) => void replies.push(reply ?? "") })
      yield* Effect.promise(() => raw.flush())
      const got = yield* collect(bus, news)
      assert.strictEqual(yield* publish(bus, news, bytes("x")), -1)
      yield* until(() => got.length === 1 && replies.length === 1, "it arrives, here too")
      // undefined options are left out
      yield* server.restart
      yield* publish(bus, news, bytes("y"))
      yield* until(() => got.length === 2, "it goes on")
      assert.match(replies[0]!, /^my\.inbox\.[\w-]{12}\.[0-9a-z]+$/)
    })
  )

  live("may end reconnecting, and then the connection is reported as closed", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make()
      const bus = yield* NatsMessageBus.make({
        servers: server.url,
        nats: { maxReconnectAttempts: 2 },
        reconnect: { minDelay: 10, maxDelay: 20 }
      })
      yield* server.stop({ kill: true })
      yield* until(() => bus.failure()?.message.includes("the connection is closed") === true, "it is given up")
    })
  )
})

describe("the reconnect delay", () => {
  live(
    "doubles up to its maximum, with jitter, is the same until the next attempt, and starts again after a success",
    () =>
      Effect.sync(() => {
        const reconnectDelay = new ReconnectDelay({ minDelay: 50, maxDelay: 2000 })
        assert.strictEqual(reconnectDelay.current(), 50)
        for (let round = 0; round < 2; round++) {
          for (const most of [50, 100, 200, 400, 800, 1600, 2000, 2000, 2000]) {
            reconnectDelay.reconnecting()
            const delay = reconnectDelay.current()
            assert.isAtLeast(delay, most / 2)
            assert.isAtMost(delay, most)
            assert.strictEqual(reconnectDelay.current(), delay)
          }
          reconnectDelay.up()
          assert.strictEqual(reconnectDelay.current(), 50)
        }
      })
  )
})
