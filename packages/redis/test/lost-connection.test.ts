import { RedisServer, TcpProxy } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { MessageBus } from "@effect-psrpc/core"
import { Effect, Fiber, Metric, Scope } from "effect"
import { RedisMessageBus } from "../src/index.ts"
import { makeBus } from "../src/internal/bus.ts"
import { peerOfClient } from "../src/internal/clients.ts"
import { BusRuntime } from "@effect-psrpc/core/broker"
import {
  bytes,
  channel,
  client,
  closable,
  collect,
  type Fate,
  live,
  onClients,
  post,
  publish,
  sleep,
  text,
  until
} from "./support.ts"

const fast = { reconnect: { minDelay: 10, maxDelay: 50 } } as const

/** Both ways of sending, through a proxy where one is given. */
const ways = {
  lean: (url: string, options: RedisMessageBus.Options = {}) => RedisMessageBus.make({ url, ...fast, ...options }),
  ordinary: (url: string, options: RedisMessageBus.LimitOptions = {}) =>
    onClients(url, { retryStrategy: () => 20 }, options)
}

for (const [way, make] of Object.entries(ways)) {
  describe(way, () => {
    live("cut between write and reply: told that it may have run, and never sent again", () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.make()
        const proxy = yield* TcpProxy.make(server)
        const receiver = yield* RedisMessageBus.make({ url: server.url })
        const bus = yield* make(`redis://127.0.0.1:${proxy.port}`)
        const news = channel()
        const got = yield* collect(receiver, news)
        yield* publish(bus, news, bytes("before"))
        proxy.hold("replies")
        const fates = ["a", "b", "c"].map((name) => post(bus, news, bytes(name), 30_000))
        yield* until(() => got.length === 4, "Redis has them")
        proxy.cut()
        proxy.hold("none")
        yield* until(() => fates.every((fate) => fate.told === 1), "all are told")
        for (const { error } of fates) {
          assert.strictEqual(error?._tag, "Unavailable")
          assert.strictEqual(error?.reason, "connection")
          assert.isTrue(error?.mayHaveRun)
        }
        yield* publish(bus, news, bytes("after"))
        yield* until(() => got.some((message) => text(message) === "after"), "the connection is back")
        assert.deepStrictEqual(got.map(text), ["before", "a", "b", "c", "after"])
      })
    )

    live("cut before Redis got it: not sent again either, and told that it may have run", () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.make()
        const proxy = yield* TcpProxy.make(server)
        const receiver = yield* RedisMessageBus.make({ url: server.url })
        const bus = yield* make(`redis://127.0.0.1:${proxy.port}`)
        const news = channel()
        const got = yield* collect(receiver, news)
        yield* publish(bus, news, bytes("before"))
        proxy.hold("requests")
        const sent = proxy.sent()
        const fate = post(bus, news, bytes("lost"), 30_000)
        yield* until(() => proxy.sent() > sent, "it is on its way")
        proxy.cut()
        proxy.hold("none")
        yield* until(() => fate.told === 1, "it is told")
        assert.isTrue(fate.error?.mayHaveRun)
        yield* publish(bus, news, bytes("after"))
        yield* until(() => got.length === 2, "the connection is back")
        assert.deepStrictEqual(got.map(text), ["before", "after"])
      })
    )

    live("what is published while it is down arrives in order once it is back, unless expired or unwanted", () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.make()
        const proxy = yield* TcpProxy.make(server)
        const receiver = yield* RedisMessageBus.make({ url: server.url })
        const bus = yield* make(`redis://127.0.0.1:${proxy.port}`)
        const news = channel()
        const got = yield* collect(receiver, news)
        yield* publish(bus, news, bytes("before"))
        proxy.refuse(true)
        proxy.cut()
        yield* until(() => bus.failure() !== undefined, "it is noticed")
        assert.match(bus.failure()!.message, /^redis at 127\.0\.0\.1:\d+: the connection is down \(reconnecting\)/)
        const kept: Array<Fate> = []
        const expiring: Array<Fate> = []
        const unwanted: Array<Fate> = []
        for (let i = 0; i < 200; i++) {
          kept.push(post(bus, news, bytes(`kept ${i}`), 30_000))
          expiring.push(post(bus, news, bytes(`expired ${i}`), 150))
          unwanted.push(post(bus, news, bytes(`unwanted ${i}`), 30_000))
        }
        for (const fate of unwanted) fate.isWanted = false
        // told in time, although the connection stays down
        yield* until(() => expiring.every((fate) => fate.told === 1), "the expired ones are told", 2000)
        for (const { error } of expiring) {
          assert.strictEqual(error?._tag, "Unavailable")
          assert.strictEqual(error?.reason, "connection")
          assert.isFalse(error?.mayHaveRun)
        }
        assert.isTrue(kept.every((fate) => fate.told === 0))
        proxy.refuse(false)
        yield* until(() => kept.every((fate) => fate.told === 1), "the rest is delivered")
        assert.isTrue(kept.every((fate) => fate.receivers === 1))
        yield* publish(bus, news, bytes("after"))
        yield* until(() => got.length >= 202, "all arrive")
        assert.deepStrictEqual(got.map(text), ["before", ...kept.map((_, i) => `kept ${i}`), "after"])
        assert.isTrue(unwanted.every((fate) => fate.told === 0))
        assert.strictEqual(bus.failure(), undefined)
      })
    )

    live("a publish gives up at its timeout while it is down", () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.make()
        const bus = yield* make(server.url)
        yield* server.stop({ kill: true })
        yield* until(() => bus.failure() !== undefined, "it is noticed")
        const begin = performance.now()
        const error = yield* Effect.flip(
          MessageBus.publish(bus, bus.target(channel()), bytes("x"), { timeout: "200 millis" })
        )
        assert.strictEqual(error._tag, "Unavailable")
        assert.isFalse(error.mayHaveRun)
        assert.isAtLeast(performance.now() - begin, 180)
        assert.isBelow(performance.now() - begin, 1500)
      })
    )

    live("what is held is bounded by number and by bytes", () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.make()
        const bus = yield* make(server.url, { maxHeldMessages: 100, maxHeldBytes: 10_000 })
        yield* server.stop({ kill: true })
        yield* until(() => bus.failure() !== undefined, "it is noticed")
        const news = channel()
        const small = Array.from({ length: 101 }, (_, i) => post(bus, news, bytes(String(i)), 30_000))
        assert.deepStrictEqual(
          small.map((fate) => fate.told),
          [...Array.from({ length: 100 }, () => 0), 1]
        )
        const { error } = small[100]!
        assert.strictEqual(error?._tag, "ResourceExhausted")
        assert.strictEqual(error?.reason, "overflow")
        assert.isFalse(error?.mayHaveRun)
        // who does not wait any more makes room
        for (const fate of small) fate.isWanted = false
        yield* sleep(30)
        const large = Array.from({ length: 11 }, () => post(bus, news, new Uint8Array(1000), 30_000))
        assert.deepStrictEqual(
          large.map((fate) => fate.told),
          [...Array.from({ length: 10 }, () => 0), 1]
        )
        assert.strictEqual(large[10]!.error?._tag, "ResourceExhausted")
      })
    )

    live("subscriptions are back after a restart, those given up in between are not", () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.make()
        const bus = yield* make(server.url)
        const channels = Array.from({ length: 600 }, () => channel())
        const got = yield* Effect.forEach(channels, (news) => collect(bus, news), { concurrency: "unbounded" })
        const gone = channel()
        const { close, scope } = yield* closable
        yield* bus.subscribe(gone, () => {}).pipe(Scope.provide(scope))
        yield* server.stop({ kill: true })
        yield* until(() => bus.failure() !== undefined, "it is noticed")
        yield* close
        // a subscription made while it is down is acknowledged once it is back
        const fresh = channel()
        const late = yield* Effect.forkChild(collect(bus, fresh), { startImmediately: true })
        yield* server.restart
        const lateGot = yield* Fiber.join(late)
        yield* until(() => bus.failure() === undefined, "it is back")
        for (const news of [...channels, fresh]) assert.strictEqual(yield* publish(bus, news, bytes("x")), 1)
        yield* until(() => got.every((messages) => messages.length === 1) && lateGot.length === 1, "all arrive")
        assert.strictEqual(yield* publish(bus, gone, bytes("x")), 0)
      })
    )

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

    live("closing is bounded while Redis is down, and while it does not answer", () =>
      Effect.gen(function* () {
        for (const fault of ["stop", "pause"] as const) {
          const server = yield* RedisServer.make()
          const { close, scope } = yield* closable
          const bus = yield* make(server.url, { closeTimeout: "200 millis" }).pipe(Scope.provide(scope))
          const jobs = channel()
          yield* collect(bus, jobs, { queue: true }).pipe(Scope.provide(scope))
          yield* collect(bus, channel()).pipe(Scope.provide(scope))
          if (fault === "stop") yield* server.stop({ kill: true })
          else yield* server.pause
          const fates = Array.from({ length: 100 }, (_, i) => post(bus, jobs, bytes(String(i)), 30_000))
          const begin = performance.now()
          yield* close
          assert.isBelow(performance.now() - begin, 1500)
          assert.isTrue(fates.every((fate) => fate.told === 1))
          yield* server.resume
        }
      })
    )

    live("subscribe fails within connectTimeout while Redis is down", () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.make()
        const bus = yield* make(server.url, { connectTimeout: "300 millis" })
        yield* server.stop({ kill: true })
        yield* until(() => bus.failure() !== undefined, "it is noticed")
        const error = yield* Effect.flip(Effect.scoped(bus.subscribe(channel(), () => {})))
        assert.strictEqual(error._tag, "Unavailable")
        assert.strictEqual(error.reason, "connection")
      })
    )

    live("a Redis that stops reading: what does not fit into the socket is held, and expires", () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.make()
        const bus = yield* make(server.url)
        const news = channel()
        yield* publish(bus, news, bytes("x"))
        yield* server.pause
        const chunk = new Uint8Array(1 << 20)
        const first: Array<Fate> = []
        for (let i = 0; i < 40 && bus.failure() === undefined; i++) {
          first.push(post(bus, news, chunk, 30_000))
          yield* sleep(1)
        }
        assert.include(bus.failure()?.message, "does not read")
        const held = post(bus, news, bytes("late"), 100)
        yield* until(() => held.told === 1, "it expires")
        assert.isFalse(held.error?.mayHaveRun)
        yield* server.resume
        yield* until(() => first.every((fate) => fate.told === 1), "the rest goes through")
        assert.isTrue(first.every((fate) => fate.receivers === 0))
        assert.strictEqual(yield* publish(bus, news, bytes("y")), 0)
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
  live("a sign of life asked for in the turn of a publish mistakes no reply for another", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const publisher = yield* client(server.url)
      const subscriber = yield* client(server.url)
      yield* Effect.promise(() => Promise.all([publisher.connect(), subscriber.connect()]))
      const limits = {
        maxPayload: 1e6,
        maxHeldMessages: 1e4,
        maxHeldBytes: 1e6,
        connectTimeout: 5000,
        closeTimeout: 2000
      }
      const bus = yield* makeBus(
        { ...limits, publisher, subscriber, own: false, exclusive: true, heartbeat: 1, grace: 100 },
        peerOfClient(publisher),
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
