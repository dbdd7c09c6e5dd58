import {
  bytes,
  channel,
  collect,
  type Outcome,
  live,
  post,
  publish,
  sleep,
  text,
  until,
  lostConnection
} from "@effect-psrpc/bus-tests"
import { RedisServer, TcpProxy } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Metric } from "effect"
import { RedisMessageBus } from "../src/index.ts"
import { makeBus } from "../src/internal/bus.ts"
import { identityOfClient } from "../src/internal/connection/clients.ts"
import { BusRuntime } from "@effect-psrpc/core/broker"
import { broker, client, onClients } from "./support.ts"

const fast = { reconnect: { minDelay: 10, maxDelay: 50 } } as const

/** Both ways to send, through a proxy if one is given. */
const ways = {
  lean: (url: string, options: RedisMessageBus.Options = {}) => RedisMessageBus.make({ url, ...fast, ...options }),
  ordinary: (url: string, options: RedisMessageBus.LimitOptions = {}) =>
    onClients(url, { retryStrategy: () => 20 }, options)
}

lostConnection(broker, ways)

for (const [way, make] of Object.entries(ways)) {
  describe(way, () => {
    live(
      "connections that Redis closes again and again under load are restored: each message arrives at most once",
      () =>
        Effect.gen(function* () {
          const server = yield* RedisServer.make()
          const receiver = yield* RedisMessageBus.make({ url: server.url })
          const bus = yield* make(server.url)
          const news = channel()
          const seen = new Map<string, number>()
          yield* receiver.subscribe(news, (message) => seen.set(text(message), (seen.get(text(message)) ?? 0) + 1))
          const outcomes: Array<Outcome> = []
          let stop = false
          const load = yield* Effect.forkChild(
            Effect.gen(function* () {
              while (!stop) {
                for (let i = 0; i < 50; i++) outcomes.push(post(bus, news, bytes(String(outcomes.length)), 20_000))
                yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
              }
            })
          )
          for (let i = 0; i < 8; i++) {
            yield* sleep(40)
            yield* server.killClients("normal")
          }
          stop = true
          yield* Fiber.join(load)
          yield* until(() => outcomes.every((outcome) => outcome.reports === 1), "all outcomes are reported")
          const reached = outcomes.flatMap((outcome, i) =>
            outcome.error === undefined && outcome.receivers === 1 ? [String(i)] : []
          )
          yield* until(() => reached.every((name) => seen.has(name)), "every accepted message arrives")
          assert.deepStrictEqual(
            [...seen.values()].filter((times) => times > 1),
            []
          )
          const tags = new Set(outcomes.map((outcome) => outcome.error?._tag))
          assert.deepStrictEqual(
            [...tags].filter((tag) => tag !== undefined && tag !== "Unavailable" && tag !== "ResourceExhausted"),
            []
          )
          // messages that failed without mayHaveRun were not sent
          assert.isTrue(outcomes.every((outcome, i) => outcome.error?.mayHaveRun !== false || !seen.has(String(i))))
          assert.isAbove(reached.length, 0)
        }),
      60_000
    )

    live("a message whose lock has no reply is dropped and counted: at most once", () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.make()
        const proxy = yield* TcpProxy.make(server)
        const publisher = yield* RedisMessageBus.make({ url: server.url })
        const jobs = channel()
        // locks and subscription go through the proxy: only the replies to locks are held back
        const bus = yield* make(`redis://127.0.0.1:${proxy.port}`)
        const got = yield* collect(bus, jobs, { queue: true })
        yield* publish(publisher, jobs, bytes(`${jobs.name} 1`))
        yield* until(() => got.length === 1, "the first is handled")
        const before = (yield* Metric.value(RedisMessageBus.unlockedMessages)).count
        proxy.hold("requests")
        yield* publish(publisher, jobs, bytes(`${jobs.name} 2`))
        const sent = proxy.sent()
        yield* until(() => proxy.sent() >= sent, "the lock is asked for")
        yield* sleep(50)
        proxy.cut()
        proxy.hold("none")
        yield* until(() => bus.failure() === undefined, "it is back")
        yield* publish(publisher, jobs, bytes(`${jobs.name} 3`))
        yield* until(() => got.length >= 2, "the third is handled")
        assert.deepStrictEqual(
          got.map(text),
          [1, 3].map((i) => `${jobs.name} ${i}`)
        )
        assert.strictEqual((yield* Metric.value(RedisMessageBus.unlockedMessages)).count, before + 1)
      })
    )
  })
}

describe("write batches", () => {
  live("messages that were not sent when the connection was lost are buffered before later ones", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const publisher = yield* client(server.url, { retryStrategy: () => 20 })
      const subscriber = yield* client(server.url)
      const bus = yield* RedisMessageBus.makeClients({ publisher, subscriber, exclusive: true })
      const news = channel()
      const got = yield* collect(bus, news)
      yield* publish(bus, news, bytes("before"))
      const outcomes = ["a", "b"].map((name) => post(bus, news, bytes(name), 30_000))
      const brief = post(bus, news, bytes("brief"), 1)
      publisher.stream.destroy()
      outcomes.push(post(bus, news, bytes("c"), 30_000))
      yield* until(
        () => outcomes.every((outcome) => outcome.reports === 1) && brief.reports === 1,
        "all outcomes are reported"
      )
      assert.isTrue(outcomes.every((outcome) => outcome.receivers === 1))
      assert.isFalse(brief.error?.mayHaveRun)
      yield* until(() => got.length === 4, "they arrive")
      assert.deepStrictEqual(got.map(text), ["before", "a", "b", "c"])
    })
  )
})

describe("connections that the bus opens", () => {
  live("a heartbeat in the same turn as a publish does not mix up replies", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const publisher = yield* client(server.url)
      const subscriber = yield* client(server.url)
      yield* Effect.promise(() => Promise.all([publisher.connect(), subscriber.connect()]))
      const limits = {
        maxPayload: 1e6,
        maxBufferedMessages: 1e4,
        maxBufferedBytes: 1e6,
        connectTimeout: 5000,
        closeTimeout: 2000
      }
      const bus = yield* makeBus(
        { ...limits, publisher, subscriber, own: false, exclusive: true, heartbeat: 1, gracePeriod: 100 },
        identityOfClient(publisher),
        yield* BusRuntime.make
      )
      const news = channel()
      const got = yield* collect(bus, news)
      // from timers, like the heartbeat
      const outcomes: Array<Outcome> = []
      const timer = yield* Effect.acquireRelease(
        Effect.sync(() => setInterval(() => outcomes.push(post(bus, news, bytes("x"), 30_000)), 1)),
        (timer) => Effect.sync(() => clearInterval(timer))
      )
      yield* until(() => outcomes.length >= 200, "enough are sent")
      clearInterval(timer)
      yield* until(() => got.length === outcomes.length, "all arrive")
      yield* until(() => outcomes.every((outcome) => outcome.reports === 1), "all outcomes are reported")
      assert.deepStrictEqual(
        outcomes.filter((outcome) => outcome.receivers !== 1),
        []
      )
    })
  )

  live("a connection without replies is closed and opened again", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make(server)
      const receiver = yield* RedisMessageBus.make({ url: server.url })
      const bus = yield* RedisMessageBus.make({
        url: `redis://127.0.0.1:${proxy.port}`,
        heartbeat: "200 millis",
        ...fast
      })
      const news = channel()
      const got = yield* collect(bus, news)
      // the connection stays open, without replies
      proxy.hold("both")
      yield* until(() => bus.failure() !== undefined, "the bus notices it")
      proxy.cut()
      proxy.hold("none")
      yield* until(() => bus.failure() === undefined, "it is back")
      yield* Effect.eventually(Effect.filterOrFail(publish(receiver, news, bytes("x")), (count) => count === 1))
      yield* until(() => got.length > 0, "the subscription works")
    })
  )
})
