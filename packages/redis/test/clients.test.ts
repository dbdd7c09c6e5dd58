import { bytes, channel, collect, type Outcome, live, post, publish, until } from "@effect-psrpc/bus-tests"
import { RedisServer } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { MessageBus } from "@effect-psrpc/core"
import { Effect } from "effect"
import { Cluster, Redis } from "ioredis"
import { RedisMessageBus } from "../src/index.ts"
import { client } from "./support.ts"

const safe = { autoResendUnfulfilledCommands: false, lazyConnect: true }

/** A client that is never connected. */
const idle = (options: object = {}) => {
  const redis = new Redis("redis://127.0.0.1:1", { ...safe, ...options })
  redis.on("error", () => {})
  return redis
}

const idleCluster = (options: object = {}) => {
  const cluster = new Cluster([{ host: "127.0.0.1", port: 1 }], { lazyConnect: true, ...options })
  cluster.on("error", () => {})
  return cluster
}

describe("the user's clients", () => {
  const refusals: ReadonlyArray<readonly [string, () => RedisMessageBus.ClientsOptions, RegExp]> = [
    [
      "a publisher that resends commands",
      () => ({ publisher: idle({ autoResendUnfulfilledCommands: true }), subscriber: idle() }),
      /publisher.*set autoResendUnfulfilledCommands to false/
    ],
    [
      "a publisher with a key prefix",
      () => ({ publisher: idle({ keyPrefix: "x:" }), subscriber: idle() }),
      /publisher.*set keyPrefix/
    ],
    [
      "a subscriber with a key prefix",
      () => ({ publisher: idle(), subscriber: idle({ keyPrefix: "x:" }) }),
      /subscriber.*set keyPrefix/
    ],
    [
      "a publisher that delays commands",
      () => ({ publisher: idle({ enableAutoPipelining: true }), subscriber: idle() }),
      /publisher.*set enableAutoPipelining/
    ],
    ["a monitor", () => ({ publisher: idle(), subscriber: idle({ monitor: true }) }), /subscriber is a monitor/],
    [
      "one client for both",
      () => {
        const publisher = idle()
        return { publisher, subscriber: publisher }
      },
      /duplicate/
    ],
    ["no client at all", () => ({ publisher: {} as never, subscriber: idle() }), /not a client of ioredis/],
    [
      "a cluster with a key prefix",
      () => ({ publisher: idleCluster({ redisOptions: { keyPrefix: "x:" } }), subscriber: idle() }),
      /publisher.*redisOptions\.keyPrefix/
    ],
    [
      "a cluster whose nodes resend commands",
      () => ({ publisher: idleCluster({ clusterNodeRetryStrategy: () => 10 }), subscriber: idle() }),
      /redisOptions\.autoResendUnfulfilledCommands/
    ],
    [
      "a cluster that delays commands",
      () => ({ publisher: idleCluster({ enableAutoPipelining: true }), subscriber: idle() }),
      /enableAutoPipelining/
    ]
  ]
  for (const [what, options, expected] of refusals) {
    live(`${what} is refused, with what to set`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Effect.scoped(RedisMessageBus.makeClients(options())))
        assert.strictEqual(error._tag, "FailedPrecondition")
        assert.match(error.message, expected)
        assert.isFalse(error.mayHaveRun)
      })
    )
  }

  live("are refused if closed, and as a publisher if subscribed", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const closed = new Redis(server.url, safe)
      closed.disconnect()
      yield* until(() => closed.status === "end", "it is closed")
      const subscriber = yield* client(server.url)
      const first = yield* Effect.flip(Effect.scoped(RedisMessageBus.makeClients({ publisher: closed, subscriber })))
      assert.match(first.message, /publisher is closed/)
      const busy = yield* client(server.url, { protocol: 2 })
      yield* Effect.promise(() => busy.subscribe("x"))
      const second = yield* Effect.flip(Effect.scoped(RedisMessageBus.makeClients({ publisher: busy, subscriber })))
      assert.match(second.message, /publisher is subscribed/)
    })
  )

  live("fail within connectTimeout if Redis cannot be reached", () =>
    Effect.gen(function* () {
      const options = { publisher: idle(), subscriber: idle(), connectTimeout: "300 millis" } as const
      const error = yield* Effect.flip(Effect.scoped(RedisMessageBus.makeClients(options)))
      assert.strictEqual(error._tag, "Unavailable")
      assert.include(error.message, "127.0.0.1:1")
      options.publisher.disconnect()
      options.subscriber.disconnect()
    })
  )

  live("stay open after the bus, without listeners or subscriptions of it", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const publisher = yield* client(server.url)
      const subscriber = yield* client(server.url)
      const listeners = () =>
        [publisher, subscriber].flatMap((redis) =>
          redis.eventNames().map((name) => `${String(name)} ${redis.listenerCount(name)}`)
        )
      yield* Effect.promise(() => Promise.all([publisher.connect(), subscriber.connect()]))
      yield* Effect.promise(() => subscriber.subscribe("of the user"))
      const theirs: Array<string> = []
      subscriber.on("message", (_, message) => theirs.push(message))
      const before = listeners()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const bus = yield* RedisMessageBus.makeClients({ publisher, subscriber })
          const news = channel()
          const got = yield* collect(bus, news)
          assert.strictEqual(yield* publish(bus, news, bytes("x")), 1)
          yield* until(() => got.length === 1, "it arrives")
        })
      )
      assert.deepStrictEqual(listeners(), before)
      assert.deepStrictEqual([publisher.status, subscriber.status], ["ready", "ready"])
      assert.deepStrictEqual(yield* server.command("PUBSUB", "CHANNELS"), ["of the user"])
      yield* Effect.promise(() => publisher.publish("of the user", "still there"))
      yield* until(() => theirs.includes("still there"), "the user's subscription lives")
    })
  )

  live("get the replies to their own commands in between", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const publisher = yield* client(server.url)
      const subscriber = yield* client(server.url)
      const bus = yield* RedisMessageBus.makeClients({ publisher, subscriber })
      const news = channel()
      const got = yield* collect(bus, news)
      const jobs = channel()
      const handled = yield* collect(bus, jobs, { queue: true })
      const echoes: Array<Promise<string>> = []
      const outcomes: Array<Outcome> = []
      for (let turn = 0; turn < 20; turn++) {
        for (let i = 0; i < 20; i++) {
          echoes.push(publisher.echo(`before ${echoes.length}`))
          outcomes.push(post(bus, news, bytes("x")), post(bus, jobs, bytes(`${jobs.name} ${outcomes.length}`)))
          echoes.push(publisher.echo(`after ${echoes.length}`))
        }
        yield* Effect.yieldNow
      }
      const replies = yield* Effect.promise(() => Promise.all(echoes))
      replies.forEach((reply, i) => assert.strictEqual(reply, `${i % 2 === 0 ? "before" : "after"} ${i}`))
      yield* until(() => outcomes.every((outcome) => outcome.receivers === 1), "all are delivered")
      yield* until(() => got.length === 400 && handled.length === 400, "all arrive")
    })
  )

  live("work as a Layer; a client that ends is reported as closed", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const publisher = yield* client(server.url)
      const subscriber = yield* client(server.url)
      yield* Effect.gen(function* () {
        const bus = yield* MessageBus.MessageBus
        assert.strictEqual(yield* publish(bus, channel(), bytes("x")), 0)
        publisher.disconnect()
        yield* until(() => publisher.status === "end", "it is closed")
        yield* until(() => bus.failure()?.message.includes("the client is closed") === true, "the bus notices it")
        const outcome = post(bus, channel(), bytes("x"), 30_000)
        assert.isFalse(outcome.error?.mayHaveRun)
        yield* Effect.promise(() => publisher.connect())
        yield* until(() => bus.failure() === undefined, "connected again, it works again")
        assert.strictEqual(yield* publish(bus, channel(), bytes("x")), 0)
      }).pipe(Effect.provide(RedisMessageBus.layerClients({ publisher, subscriber })))
    })
  )
})
