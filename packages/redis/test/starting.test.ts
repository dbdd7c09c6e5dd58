import { bytes, channel, collect, live, publish, shown, starting, until } from "@effect-psrpc/bus-tests"
import { RedisServer } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Cause, Config, ConfigProvider, Effect, Exit, Layer, Logger, Redacted } from "effect"
import { Redis } from "ioredis"
import { MessageBus, PsrpcError } from "@effect-psrpc/core"
import { RedisMessageBus } from "../src/index.ts"
import { broker } from "./support.ts"

const failure = (options: RedisMessageBus.Options) => Effect.flip(Effect.scoped(RedisMessageBus.make(options)))

// each test has its own servers
describe.concurrent("starting", () => {
  starting(broker)

  live("a wrong or missing password is Unauthenticated, and no printed form of the error contains it", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make({ password: "right-p@ss" })
      const address = `127.0.0.1:${server.port}`
      const wrong = "wr0ng-s3cret/+"
      const encoded = encodeURIComponent(wrong)
      const tries: ReadonlyArray<RedisMessageBus.Options> = [
        { url: `redis://:${encoded}@${address}` },
        { url: `redis://default:${encoded}@${address}` },
        { url: Redacted.make(`redis://:${encoded}@${address}`) },
        { url: `redis://${address}`, redis: { password: wrong } },
        { url: `redis://${address}`, redis: { password: wrong, protocol: 2 } },
        { url: `redis://${address}` }
      ]
      for (const options of tries) {
        const error = yield* failure(options)
        assert.strictEqual(error._tag, "Unauthenticated")
        assert.include(error.message, address)
        const exit = yield* Effect.exit(Effect.scoped(Layer.build(RedisMessageBus.layer(options))))
        assert.isTrue(Exit.isFailure(exit))
        for (const text of [
          shown(error),
          shown(error.cause),
          shown(exit),
          Exit.isFailure(exit) ? Cause.pretty(exit.cause) : ""
        ]) {
          assert.notInclude(text, wrong)
          assert.notInclude(text, encoded)
        }
      }
      const bus = yield* RedisMessageBus.make({ url: server.url })
      assert.strictEqual(yield* publish(bus, channel(), bytes("x")), 0)
    })
  )

  live("a password that is a common word is not revealed by a gap in Redis' sentence", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make({ password: "right-p@ss" })
      for (const wrong of ["user", "password", "is"]) {
        const url = `redis://127.0.0.1:${server.port}`
        const error = yield* Effect.flip(RedisMessageBus.make({ url, redis: { password: wrong } }))
        assert.strictEqual(error._tag, "Unauthenticated")
        assert.notInclude(error.message, "<redacted>")
        assert.include(error.message, "wrong user or password")
      }
    }).pipe(Effect.scoped)
  )

  live("a password that the server quotes in its error is redacted", () =>
    Effect.gen(function* () {
      // a renamed command: Redis replies with the arguments of an unknown command
      const server = yield* RedisServer.make({
        args: ["--rename-command", "AUTH", "", "--rename-command", "HELLO", ""]
      })
      const error = yield* failure({ url: `redis://:quoted-s3cret@127.0.0.1:${server.port}` })
      assert.include(error.message, "<redacted>")
      assert.notInclude(shown(error), "quoted-s3cret")
    })
  )

  live("neither log, service nor layer shows the password, also after a lost connection", () =>
    Effect.gen(function* () {
      const password = "l0g-s3cret"
      const server = yield* RedisServer.make({ password })
      const lines: Array<string> = []
      const logger = Logger.make((options) => {
        lines.push(shown(options.message), shown(options.cause))
      })
      yield* Effect.gen(function* () {
        const layer = RedisMessageBus.layer({ url: server.url, reconnect: { maxDelay: "50 millis" } })
        const context = yield* Layer.build(layer)
        const bus = yield* MessageBus.MessageBus.pipe(Effect.provide(context))
        yield* server.stop({ kill: true })
        yield* until(() => bus.failure() !== undefined, "the bus notices it")
        yield* until(() => lines.length > 3, "it is logged")
        for (const text of [...lines, shown(bus), shown(layer), shown(context), shown(bus.failure())])
          assert.notInclude(text, password)
        const down = bus.failure()
        assert.strictEqual(down?._tag, "Unavailable")
        assert.strictEqual(down?.reason, "connection")
        assert.include(down?.message, `redis at 127.0.0.1:${server.port}: the connection is down (reconnecting)`)
      }).pipe(Effect.scoped, Effect.provide(Logger.layer([logger])))
    })
  )

  live("a user without permissions is PermissionDenied at the first refused command", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      yield* server.command("ACL", "SETUSER", "app", "on", ">pw", "~*", "+@all", "resetchannels", "&open*")
      const bus = yield* RedisMessageBus.make({ url: `redis://app:pw@127.0.0.1:${server.port}` })
      const closed = { name: "closed", subject: "", route: "" }
      const subscribe = yield* Effect.flip(Effect.scoped(bus.subscribe(closed, () => {})))
      assert.strictEqual(subscribe._tag, "PermissionDenied")
      const error = yield* Effect.flip(publish(bus, closed, bytes("x")))
      assert.strictEqual(error._tag, "PermissionDenied")
      assert.isFalse(error.mayHaveRun)
      const open = { name: "open|1", subject: "", route: "" }
      yield* collect(bus, open)
      assert.strictEqual(yield* publish(bus, open, bytes("x")), 1)
    })
  )

  live("wrong options are InvalidArgument, and a malformed URL is not quoted", () =>
    Effect.gen(function* () {
      const tries: ReadonlyArray<RedisMessageBus.Options> = [
        { url: "redis//:s3cret@host" },
        { url: "http://:s3cret@host" },
        { url: "redis://:s3cret@host/abc" },
        { url: "redis://:s3cret%@host" },
        { url: "redis://:s3cret@host?autoResendUnfulfilledCommands=true" },
        { redis: { keyPrefix: "x:" } as {} },
        { maxPayload: 0 },
        { maxBufferedMessages: Number.NaN },
        { connectTimeout: 0 }
      ]
      for (const options of tries) {
        const error = yield* failure(options)
        assert.strictEqual(error._tag, "InvalidArgument", JSON.stringify(options))
        assert.notInclude(shown(error), "s3cret")
      }
    })
  )

  live("options can come from the configuration, and the URL may be redacted", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make({ password: "pw" })
      const layer = RedisMessageBus.layerConfig({
        url: Config.Redacted("REDIS_URL"),
        maxPayload: Config.Number("MAX_PAYLOAD").pipe(Config.withDefault(100))
      })
      const use = Effect.gen(function* () {
        const bus = yield* MessageBus.MessageBus
        const error = yield* Effect.flip(publish(bus, channel(), new Uint8Array(101)))
        assert.isTrue(PsrpcError.is(error))
        assert.strictEqual(yield* publish(bus, channel(), new Uint8Array(100)), 0)
      })
      yield* use.pipe(
        Effect.provide(layer),
        Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ REDIS_URL: server.url })))
      )
    })
  )

  live("locks are in the database of the URL", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const bus = yield* RedisMessageBus.make({ url: `${server.url}/3` })
      const jobs = channel()
      const got = yield* collect(bus, jobs, { queue: true })
      yield* publish(bus, jobs, bytes("x"))
      yield* until(() => got.length === 1, "it is handled")
      const redis = new Redis(`${server.url}/3`)
      assert.strictEqual((yield* Effect.promise(() => redis.keys("*"))).length, 1)
      const [key] = yield* Effect.promise(() => redis.keys("*"))
      assert.match(key!, /^[A-Za-z0-9+/]{43}=$/)
      assert.strictEqual(yield* Effect.promise(() => redis.get(key!)), "1")
      assert.isAtMost(yield* Effect.promise(() => redis.ttl(key!)), 5)
      redis.disconnect()
    })
  )

  live("opens two connections, whatever the number of channels, and closes both", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const clients = server
        .command("CLIENT", "LIST")
        .pipe(Effect.map((list) => String(list).trim().split("\n").length - 1))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const bus = yield* RedisMessageBus.make({ url: server.url })
          yield* Effect.forEach(
            Array.from({ length: 300 }, () => channel()),
            (news) => collect(bus, news),
            {
              concurrency: "unbounded"
            }
          )
          assert.strictEqual(yield* clients, 2)
          assert.strictEqual(yield* server.command("PUBSUB", "NUMPAT"), 0)
        })
      )
      yield* Effect.eventually(Effect.filterOrFail(clients, (count) => count === 0))
    })
  )

  live("TLS: rediss:// connects with a trusted certificate, and not without", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make({ tls: true, password: "pw" })
      assert.include(server.url, "rediss://")
      const error = yield* failure({ url: server.url })
      assert.strictEqual(error._tag, "Unavailable")
      assert.include(error.message, `127.0.0.1:${server.port}`)
      const bus = yield* RedisMessageBus.make({ url: server.url, redis: { tls: { ca: server.ca! } } })
      const news = channel()
      const got = yield* collect(bus, news)
      assert.strictEqual(yield* publish(bus, news, new Uint8Array(1 << 20)), 1)
      yield* until(() => got.length === 1, "it arrives")
      yield* server.killClients()
      yield* until(() => bus.failure() === undefined, "it is back")
    })
  )
})
