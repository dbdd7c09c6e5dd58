import {
  bytes,
  channel,
  collect,
  type Fate,
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

/** Both ways of sending, through a proxy where one is given. */
const ways = {
  lean: (url: string, options: RedisMessageBus.Options = {}) => RedisMessageBus.make({ url, ...fast, ...options }),
  ordinary: (url: string, options: RedisMessageBus.LimitOptions = {}) =>
    onClients(url, { retryStrategy: () => 20 }, options)
}

lostConnection(broker, ways)

for (const [way, make] of Object.entries(ways)) {
  describe(way, () => {
    live(
      "connections that Redis kills come back, again and again, under load: each message at most once",
      () =>
        Effect.gen(function* () {
          const server = yield* RedisServer.make()
          const receiver = yield* RedisMessageBus.make({ url: server.url })
          const bus = yield* make(server.url)
          const news = channel()
          const seen = new Map<string, number>()
          yield* receiver.subscribe(news, (message) => seen.set(text(message), (seen.get(text(message)) ?? 0) + 1))
          const fates: Array<Fate> = []
          let stop = false
          const load = yield* Effect.forkChild(
            Effect.gen(function* () {
              while (!stop) {
                for (let i = 0; i < 50; i++) fates.push(post(bus, news, bytes(String(fates.length)), 20_000))
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
          yield* until(() => fates.every((fate) => fate.told === 1), "all are told")
          const reached = fates.flatMap((fate, i) =>
            fate.error === undefined && fate.receivers === 1 ? [String(i)] : []
          )
          yield* until(() => reached.every((name) => seen.has(name)), "what was taken arrives")
          assert.deepStrictEqual(
            [...seen.values()].filter((times) => times > 1),
            []
          )
          const tags = new Set(fates.map((fate) => fate.error?._tag))
          assert.deepStrictEqual(
            [...tags].filter((tag) => tag !== undefined && tag !== "Unavailable" && tag !== "ResourceExhausted"),
            []
          )
          // what was told not to have been sent was not
          assert.isTrue(fates.every((fate, i) => fate.error?.mayHaveRun !== false || !seen.has(String(i))))
          assert.isAbove(reached.length, 0)
        }),
      60_000
    )

    live("a lock whose answer is lost drops the message, counted: at most once", () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.make()
        const proxy = yield* TcpProxy.make(server)
        const publisher = yield* RedisMessageBus.make({ url: server.url })
        const jobs = channel()
        // its locks go through the proxy, its subscription does too: only the answers to locks are kept back
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

describe("the lean way", () => {
  live("what had not left when the connection broke is held, ahead of what comes then", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const publisher = yield* client(server.url, { retryStrategy: () => 20 })
      const subscriber = yield* client(server.url)
      const bus = yield* RedisMessageBus.makeClients({ publisher, subscriber, exclusive: true })
      const news = channel()
      const got = yield* collect(bus, news)
      yield* publish(bus, news, bytes("before"))
      const fates = ["a", "b"].map((name) => post(bus, news, bytes(name), 30_000))
      const brief = post(bus, news, bytes("brief"), 1)
      publisher.stream.destroy()
      fates.push(post(bus, news, bytes("c"), 30_000))
      yield* until(() => fates.every((fate) => fate.told === 1) && brief.told === 1, "all are told")
      assert.isTrue(fates.every((fate) => fate.receivers === 1))
      assert.isFalse(brief.error?.mayHaveRun)
      yield* until(() => got.length === 4, "they arrive")
      assert.deepStrictEqual(got.map(text), ["before", "a", "b", "c"])
    })
  )
})

describe("own connections", () => {
  live("a heartbeat in the turn of a publish mistakes no reply for another", () =>
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
      // from timers, as the heartbeat is
      const fates: Array<Fate> = []
      const timer = yield* Effect.acquireRelease(
        Effect.sync(() => setInterval(() => fates.push(post(bus, news, bytes("x"), 30_000)), 1)),
        (timer) => Effect.sync(() => clearInterval(timer))
      )
      yield* until(() => fates.length >= 200, "enough are sent")
      clearInterval(timer)
      yield* until(() => got.length === fates.length, "all arrive")
      yield* until(() => fates.every((fate) => fate.told === 1), "all are told")
      assert.deepStrictEqual(
        fates.filter((fate) => fate.receivers !== 1),
        []
      )
    })
  )

  live("a connection that answers nothing any more is made anew", () =>
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
      // nothing breaks: it is only silent
      proxy.hold("both")
      yield* until(() => bus.failure() !== undefined, "it is noticed")
      proxy.cut()
      proxy.hold("none")
      yield* until(() => bus.failure() === undefined, "it is back")
      yield* Effect.eventually(Effect.filterOrFail(publish(receiver, news, bytes("x")), (count) => count === 1))
      yield* until(() => got.length > 0, "the subscription works")
    })
  )
})
