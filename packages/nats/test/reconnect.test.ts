import { bytes, channel, collect, type Outcome, live, post, publish, text, until } from "@effect-psrpc/bus-tests"
import { NatsServer, TcpProxy } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { NatsMessageBus } from "../src/index.ts"
import { connect2, connect3 } from "./support.ts"

const fast = { reconnect: { minDelay: 10, maxDelay: 50 } } as const

describe("a connection whose status is reported late", () => {
  /** Delays each status by some milliseconds. */
  const late = (connection: NatsMessageBus.Connection, millis: number): NatsMessageBus.Connection =>
    new Proxy(connection, {
      get: (target, name) => {
        if (name !== "status") {
          const value: unknown = Reflect.get(target, name, target)
          return typeof value === "function" ? value.bind(target) : value
        }
        return async function* () {
          for await (const status of target.status()) {
            await new Promise((resolve) => setTimeout(resolve, millis))
            yield status
          }
        }
      }
    })

  const connects = { "nats 2": connect2, "nats 3": connect3 }
  for (const [client, connect] of Object.entries(connects)) {
    live(`leaves no message to ${client} that it would send after its expiry`, () =>
      Effect.gen(function* () {
        const server = yield* NatsServer.make()
        const proxy = yield* TcpProxy.make(server)
        const raw = yield* connect2(server.url)
        const options = { reconnectTimeWait: 1, reconnectJitter: 0 }
        const connection = yield* connect(`127.0.0.1:${proxy.port}`, options)
        const bus = yield* NatsMessageBus.makeConnection({ connection: late(connection, 50) })
        const news = channel()
        const got: Array<string> = []
        raw.subscribe(news.subject, { callback: (_, { data }) => void got.push(text(data)) })
        yield* Effect.promise(() => raw.flush())
        proxy.hold("replies")
        proxy.cut()
        const outcomes: Array<Outcome> = []
        const end = performance.now() + 150
        while (performance.now() < end) {
          outcomes.push(post(bus, news, bytes(`unwanted ${outcomes.length}`), 30_000))
          yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        }
        const sent = got.length
        for (const outcome of outcomes) outcome.isWanted = false
        proxy.hold("none")
        yield* until(() => bus.failure() === undefined, "it is back")
        yield* publish(bus, news, bytes("after"))
        yield* until(() => got.at(-1) === "after", "it works")
        assert.deepStrictEqual(got.slice(sent), ["after"])
        assert.isAbove(outcomes.filter((outcome) => outcome.reports === 0).length, 0)
      })
    )
  }
})

describe("a connection that the bus opens", () => {
  live("without replies is closed and opened again", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make()
      const proxy = yield* TcpProxy.make(server)
      const other = yield* NatsMessageBus.make({ servers: server.url })
      const bus = yield* NatsMessageBus.make({ servers: `127.0.0.1:${proxy.port}`, heartbeat: "200 millis", ...fast })
      const news = channel()
      const got = yield* collect(bus, news)
      // the connection stays open, without replies
      proxy.hold("both")
      const outcome = post(bus, channel(), bytes("x"), 30_000)
      yield* until(() => bus.failure()?.message.includes("is down") === true, "the bus notices it")
      assert.isTrue(outcome.error?.mayHaveRun)
      proxy.hold("none")
      yield* until(() => bus.failure() === undefined, "it is back")
      yield* Effect.eventually(Effect.filterOrFail(publish(other, news, bytes("x")), (count) => count === -1))
      yield* until(() => got.length > 0, "the subscription works")
    })
  )

  const size = 32 * 1024 * 1024
  const stuck = {
    "": (servers: string) =>
      NatsMessageBus.make({ servers, heartbeat: "200 millis", connectTimeout: "1 second", maxPayload: size, ...fast }),
    ", of nats 3": (servers: string) =>
      Effect.flatMap(connect3(servers, { pingInterval: 200, maxPingOut: 1, timeout: 1000 }), (connection) =>
        NatsMessageBus.makeConnection({ connection, maxPayload: size })
      )
  }
  for (const [what, make] of Object.entries(stuck)) {
    live(`is given up also while the socket has more to send than NATS reads${what}`, () =>
      Effect.gen(function* () {
        const server = yield* NatsServer.make({ maxPayload: size })
        const bus = yield* make(server.url)
        const news = channel()
        const got = yield* collect(bus, news)
        yield* server.pause
        const outcome = post(bus, news, new Uint8Array(size), 30_000)
        yield* until(() => bus.failure()?.message.includes("is down") === true, "the bus notices it", 3000)
        assert.isTrue(outcome.error?.mayHaveRun)
        yield* server.resume
        yield* until(() => bus.failure() === undefined, "it is back")
        yield* publish(bus, news, bytes("x"))
        yield* until(() => got.some((message) => text(message) === "x"), "the subscription works")
      })
    )
  }

  live("moves to another server of its list, and back", () =>
    Effect.gen(function* () {
      const [one, two] = yield* Effect.all([NatsServer.make(), NatsServer.make()])
      const bus = yield* NatsMessageBus.make({ servers: [one.url, two.url], ...fast })
      const news = channel()
      const got = yield* collect(bus, news)
      for (const [from, to] of [
        [one, two],
        [two, one]
      ] as const) {
        yield* to.restart
        yield* from.stop({ kill: true })
        const other = yield* NatsMessageBus.make({ servers: to.url })
        const before = got.length
        yield* Effect.eventually(Effect.filterOrFail(publish(other, news, bytes("x")), (count) => count === -1))
        yield* until(() => got.length > before, "it is there")
      }
    })
  )

  live("moves to another server when the first one asks it to leave", () =>
    Effect.gen(function* () {
      const leaving = yield* NatsServer.make({ config: "lame_duck_duration: 31s\nlame_duck_grace_period: 1s" })
      const staying = yield* NatsServer.make()
      const servers = [leaving.url, staying.url]
      // it starts with the first server, not with a random one
      const bus = yield* NatsMessageBus.make({ servers, nats: { noRandomize: true }, ...fast })
      const other = yield* NatsMessageBus.make({ servers: staying.url })
      const news = channel()
      const got = yield* collect(bus, news)
      yield* leaving.lameDuck
      assert.strictEqual(yield* publish(bus, news, bytes("before")), -1)
      yield* Effect.eventually(Effect.filterOrFail(publish(other, news, bytes("after")), (count) => count === -1))
      yield* until(() => got.length === 2, "both arrive")
      assert.deepStrictEqual(got.map(text), ["before", "after"])
    })
  )
})
