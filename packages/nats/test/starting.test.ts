import { bytes, channel, collect, live, publish, shown, starting, until } from "@effect-psrpc/bus-tests"
import { MessageBus, PsrpcError } from "@effect-psrpc/core"
import { freePort, NatsServer, TcpProxy } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Cause, Config, ConfigProvider, Effect, Exit, Fiber, Layer, Logger, Redacted } from "effect"
import { NatsMessageBus } from "../src/index.ts"
import { makeAccount, makeNkey } from "./identities.ts"
import { broker } from "./support.ts"

const failure = (options: NatsMessageBus.Options) => Effect.flip(Effect.scoped(NatsMessageBus.make(options)))

/** Makes a bus, and sends a message through it. */
const works = Effect.fnUntraced(function* (options: NatsMessageBus.Options) {
  const bus = yield* NatsMessageBus.make(options)
  const news = channel()
  const got = yield* collect(bus, news)
  assert.strictEqual(yield* publish(bus, news, bytes("x")), -1)
  yield* until(() => got.length === 1, "it arrives")
})

// each test has its own servers
describe.concurrent("starting", () => {
  starting(broker)

  live("one of several servers is enough, whichever it is", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make()
      const nobody = `127.0.0.1:${yield* freePort}`
      for (const servers of [[nobody, server.url], [server.url, nobody], `${nobody}, ${server.url}`]) {
        yield* Effect.scoped(works({ servers }))
      }
    })
  )

  live("and leaves no socket open that would keep the process alive", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make()
      const proxy = yield* TcpProxy.make(server)
      proxy.hold("both")
      const servers = [`127.0.0.1:${proxy.port}`, `localhost:${proxy.port}`]
      for (let i = 0; i < 3; i++) yield* failure({ servers, connectTimeout: "100 millis" })
      const starting = yield* Effect.forkChild(NatsMessageBus.make({ servers }), { startImmediately: true })
      yield* until(() => proxy.connections() > 0, "it connects")
      yield* Fiber.interrupt(starting)
      yield* until(() => proxy.connections() === 0, "all are closed")
    })
  )

  live("an unknown user is Unauthenticated, and no printed form of the error contains the secret", () =>
    Effect.gen(function* () {
      const account = makeAccount()
      const stranger = makeAccount().credentials()
      const known = makeNkey()
      const unknown = makeNkey()
      const wrong = "wr0ng-s3cret/+"
      const encoded = encodeURIComponent(wrong)
      const withToken = yield* NatsServer.make({ token: "right" })
      const withUser = yield* NatsServer.make({ user: "app", password: "right" })
      const withNkey = yield* NatsServer.make({ config: `authorization { users: [{ nkey: ${known.publicKey} }] }` })
      const withAccount = yield* NatsServer.make({ config: account.config })
      const tries: ReadonlyArray<readonly [NatsMessageBus.Options, ReadonlyArray<string>]> = [
        [{ servers: withToken.url, token: wrong }, [wrong, encoded]],
        [{ servers: withToken.url, token: Redacted.make(wrong) }, [wrong, encoded]],
        [{ servers: `nats://${encoded}@127.0.0.1:${withToken.port}` }, [wrong, encoded]],
        [{ servers: withToken.url }, []],
        [{ servers: withUser.url, user: "app", password: wrong }, [wrong, encoded]],
        [{ servers: withUser.url, user: "app", password: Redacted.make(wrong) }, [wrong, encoded]],
        [{ servers: Redacted.make(`nats://app:${encoded}@127.0.0.1:${withUser.port}`) }, [wrong, encoded]],
        [{ servers: withUser.url }, []],
        [{ servers: withNkey.url, nkey: Redacted.make(unknown.seed) }, [unknown.seed]],
        [{ servers: withAccount.url, credentials: Redacted.make(stranger.text) }, [stranger.seed, stranger.jwt]],
        [{ servers: withAccount.url }, []]
      ]
      for (const [options, secrets] of tries) {
        const error = yield* failure(options)
        assert.strictEqual(error._tag, "Unauthenticated", error.message)
        assert.include(error.message, "127.0.0.1:")
        const exit = yield* Effect.exit(Effect.scoped(Layer.build(NatsMessageBus.layer(options))))
        const texts = [
          shown(error),
          shown(error.cause),
          shown(exit),
          Exit.isFailure(exit) ? Cause.pretty(exit.cause) : ""
        ]
        for (const text of texts) for (const secret of secrets) assert.notInclude(text, secret)
      }
    })
  )

  live("a known user connects, by token, password, nkey and credentials", () =>
    Effect.gen(function* () {
      const secret = "a/b?c#d@e:f% g"
      const encoded = encodeURIComponent(secret)
      const withToken = yield* NatsServer.make({ token: secret })
      yield* works({ servers: withToken.url, token: Redacted.make(secret) })
      yield* works({ servers: `nats://${encoded}@127.0.0.1:${withToken.port}` })
      const withUser = yield* NatsServer.make({ user: "app", password: secret })
      yield* works({ servers: withUser.url, user: "app", password: Redacted.make(secret) })
      yield* works({ servers: [Redacted.make(`nats://app:${encoded}@127.0.0.1:${withUser.port}`)] })
      const { publicKey, seed } = makeNkey()
      const withNkey = yield* NatsServer.make({ config: `authorization { users: [{ nkey: ${publicKey} }] }` })
      yield* works({ servers: withNkey.url, nkey: Redacted.make(seed) })
      const account = makeAccount()
      const withAccount = yield* NatsServer.make({ config: account.config })
      yield* works({ servers: withAccount.url, credentials: Redacted.make(account.credentials().text) })
    })
  )

  live("neither log, service nor layer shows the secret, also after a lost and a refused connection", () =>
    Effect.gen(function* () {
      const password = "l0g-s3cret"
      const server = yield* NatsServer.make({ user: "app", password })
      const { port } = server
      const lines: Array<string> = []
      const logger = Logger.make((options) => {
        lines.push(shown(options.message), shown(options.cause))
      })
      yield* Effect.gen(function* () {
        const servers = `nats://app:${password}@127.0.0.1:${port}`
        const layer = NatsMessageBus.layer({ servers, reconnect: { maxDelay: "50 millis" } })
        const context = yield* Layer.build(layer)
        const bus = yield* MessageBus.MessageBus.pipe(Effect.provide(context))
        yield* server.stop({ kill: true })
        yield* until(() => bus.failure() !== undefined, "the bus notices it")
        // a server without the user
        const other = yield* NatsServer.make({ port, user: "somebody", password: "else" })
        yield* until(() => bus.failure()?.message.includes("Authorization Violation") === true, "it is refused")
        yield* until(() => lines.some((line) => line.includes("Authorization Violation")), "it is logged")
        for (const text of [...lines, shown(bus), shown(layer), shown(context), shown(bus.failure())])
          assert.notInclude(text, password)
        const down = bus.failure()
        assert.strictEqual(down?._tag, "Unavailable")
        assert.strictEqual(down?.reason, "connection")
        assert.include(down?.message, `nats at 127.0.0.1:${port}: the connection is down (reconnecting)`)
        // refused more than once, and still reconnecting
        yield* other.stop({ kill: true })
        yield* server.restart
        yield* until(() => bus.failure() === undefined, "it is back")
      }).pipe(Effect.scoped, Effect.provide(Logger.layer([logger])))
    })
  )

  live("a user with few permissions is PermissionDenied at the refused operation", () =>
    Effect.gen(function* () {
      const permissions = `{ publish: { allow: ["open.>"] }, subscribe: { allow: ["open.>", "_INBOX.>"] } }`
      const server = yield* NatsServer.make({
        config: `authorization { users: [{ user: app, password: pw, permissions: ${permissions} }] }`
      })
      const bus = yield* NatsMessageBus.make({ servers: server.url, user: "app", password: "pw" })
      const closed = { name: "", subject: "closed.a", route: "Work.REQ" }
      for (const options of [{}, { queue: true }]) {
        const error = yield* Effect.flip(Effect.scoped(bus.subscribe(closed, () => {}, options)))
        assert.strictEqual(error._tag, "PermissionDenied")
        assert.include(error.message, "subscribe to closed.a")
      }
      const open = { name: "", subject: "open.a", route: "" }
      const got = yield* collect(bus, open)
      // in one turn, each with its own outcome
      const results = yield* Effect.all(
        [closed, open, closed, { ...open, subject: "open.b" }].map((to) => Effect.exit(publish(bus, to, bytes("x")))),
        { concurrency: "unbounded" }
      )
      for (const exit of [results[0]!, results[2]!]) {
        const error = yield* Effect.flip(exit)
        assert.strictEqual(error._tag, "PermissionDenied")
        assert.include(error.message, "publish to closed.a")
        assert.isFalse(error.mayHaveRun)
      }
      assert.deepStrictEqual([results[1], results[3]], [Exit.succeed(-1), Exit.succeed(0)])
      yield* until(() => got.length === 1, "it arrives")
    })
  )

  live("wrong options are InvalidArgument, and a malformed URL is not quoted", () =>
    Effect.gen(function* () {
      const tries: ReadonlyArray<NatsMessageBus.Options> = [
        { servers: "nats//:s3cret@host" },
        { servers: "http://app:s3cret@host" },
        { servers: "ws://app:s3cret@host" },
        { servers: "nats://app:s3cret@host/abc" },
        { servers: "nats://app:s3cret@host?tls=true" },
        { servers: "nats://app:s3cret%@host" },
        { servers: "nats://app:12/s3cret@host" },
        { servers: "nats://app:12?s3cret@host" },
        { servers: "nats://app:12#s3cret@host" },
        { servers: "nats://:s3cret@host" },
        { servers: ["nats://app:s3cret@host", "nats://app:other-s3cret@host2"] },
        { servers: [] },
        { servers: "nats://app:s3c,ret@host" },
        { servers: "host," },
        { servers: "" },
        { servers: "host:99999" },
        { password: "s3cret" },
        { credentials: "no creds, s3cret" },
        { credentials: "-----BEGIN A-----\ns3cret\n-----END A-----\n-----BEGIN B-----\ns3cret\n-----END B-----\n" },
        { nkey: "s3cret" },
        { maxPayload: 0 },
        { maxBufferedMessages: Number.NaN },
        { connectTimeout: 0 },
        { heartbeat: "soon" as never },
        { reconnect: { minDelay: -1 } },
        { closeTimeout: Number.NaN }
      ]
      for (const options of tries) {
        const error = yield* failure(options)
        assert.strictEqual(error._tag, "InvalidArgument", JSON.stringify(options))
        assert.notInclude(shown(error), "s3cret")
      }
    })
  )

  live("options can come from the configuration, and secrets may be redacted", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make({ token: "t0ken" })
      const layer = NatsMessageBus.layerConfig({
        servers: Config.String("NATS_URL"),
        token: Config.Redacted("NATS_TOKEN"),
        maxPayload: Config.Number("MAX_PAYLOAD").pipe(Config.withDefault(100))
      })
      const use = Effect.gen(function* () {
        const bus = yield* MessageBus.MessageBus
        const error = yield* Effect.flip(publish(bus, channel(), new Uint8Array(101)))
        assert.isTrue(PsrpcError.is(error))
        assert.strictEqual(yield* publish(bus, channel(), new Uint8Array(100)), 0)
      })
      const given = { NATS_URL: server.url, NATS_TOKEN: "t0ken" }
      yield* use.pipe(Effect.provide(layer), Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(given))))
    })
  )

  live("opens one named connection, whatever the number of channels, and closes it", () =>
    Effect.gen(function* () {
      const monitor = yield* freePort
      const server = yield* NatsServer.make({ config: `http: "127.0.0.1:${monitor}"` })
      const connections = Effect.promise(async () => {
        const response = await fetch(`http://127.0.0.1:${monitor}/connz`)
        return (await response.json()) as { readonly connections: ReadonlyArray<{ readonly name?: string }> }
      })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const bus = yield* NatsMessageBus.make({ servers: server.url, name: "my service" })
          const channels = Array.from({ length: 300 }, () => channel())
          yield* Effect.forEach(channels, (news) => collect(bus, news), { concurrency: "unbounded" })
          assert.deepStrictEqual(
            (yield* connections).connections.map(({ name }) => name),
            ["my service"]
          )
        })
      )
      yield* Effect.eventually(Effect.filterOrFail(connections, (found) => found.connections.length === 0))
    })
  )

  live("a message above the smaller of the two limits is refused, and the error names the limit", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make({ maxPayload: 2000 })
      const small = yield* NatsMessageBus.make({ servers: server.url, maxPayload: 1000 })
      const large = yield* NatsMessageBus.make({ servers: server.url })
      for (const [bus, limit, what] of [
        [small, 1000, "the bus's maxPayload of 1000 bytes"],
        [large, 2000, "the server's max_payload of 2000 bytes"]
      ] as const) {
        const news = channel()
        const error = yield* Effect.flip(publish(bus, news, new Uint8Array(limit + 1)))
        assert.strictEqual(error._tag, "ResourceExhausted")
        assert.strictEqual(error.reason, "too_large")
        assert.isFalse(error.mayHaveRun)
        assert.include(error.message, `a message of ${limit + 1} bytes to ${news.subject} is larger than ${what}`)
        assert.strictEqual(yield* publish(bus, channel(), new Uint8Array(limit)), 0)
      }
    })
  )
})

describe.concurrent("TLS", () => {
  live("connects with a trusted certificate, and not without", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make({ tls: true, token: "t0ken" })
      const error = yield* failure({ servers: server.url, token: "t0ken" })
      assert.strictEqual(error._tag, "Unavailable")
      assert.match(error.message, /self-signed/)
      yield* works({ servers: server.url, token: "t0ken", tls: { ca: server.ca! } })
      yield* works({ servers: `tls://t0ken@127.0.0.1:${server.port}`, tls: { ca: server.ca! } })
      const proxy = yield* TcpProxy.make(server)
      const bus = yield* NatsMessageBus.make({
        servers: `127.0.0.1:${proxy.port}`,
        token: "t0ken",
        tls: { ca: server.ca! }
      })
      const news = channel()
      const got = yield* collect(bus, news)
      assert.strictEqual(yield* publish(bus, news, new Uint8Array(1 << 20)), -1)
      yield* until(() => got.length === 1, "it arrives")
      proxy.cut()
      yield* until(() => bus.failure() !== undefined, "the bus notices it")
      yield* until(() => bus.failure() === undefined, "it is back")
      yield* publish(bus, news, bytes("x"))
      yield* until(() => got.length === 2, "the subscription is back")
    })
  )

  live("that the server does not offer is a failure", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make()
      for (const options of [{ servers: server.url, tls: {} }, { servers: `tls://127.0.0.1:${server.port}` }]) {
        const error = yield* failure(options)
        assert.strictEqual(error._tag, "Unavailable")
        assert.include(error.message, "does not offer tls")
      }
    })
  )

  // an error without a listener would end the process: vitest fails on it
  live(
    "that fails again and again ends only the connection",
    () =>
      Effect.gen(function* () {
        const server = yield* NatsServer.make({ tls: true })
        const proxy = yield* TcpProxy.make(server)
        for (let i = 0; i < 25; i++) {
          assert.include((yield* failure({ servers: server.url })).message, "self-signed")
          yield* Effect.scoped(
            Effect.gen(function* () {
              const bus = yield* NatsMessageBus.make({ servers: `127.0.0.1:${proxy.port}`, tls: { ca: server.ca! } })
              proxy.cut()
              assert.strictEqual(bus.target(channel()).tail.length, 0)
              yield* Effect.sleep(i % 5)
            })
          )
        }
      }),
    60_000
  )
})
