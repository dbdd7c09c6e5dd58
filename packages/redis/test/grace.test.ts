import { RedisServer, TcpProxy } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Metric, Scope } from "effect"
import { RedisMessageBus } from "../src/index.ts"
import {
  bytes,
  channel,
  client,
  closable,
  collect,
  type Fate,
  live,
  post,
  publish,
  sleep,
  text,
  until
} from "./support.ts"

/** A bus whose two connections go through proxies of their own, and one that stays connected. */
const apart = Effect.fnUntraced(function* (options: RedisMessageBus.LimitOptions = {}) {
  const server = yield* RedisServer.make()
  yield* server.command("ACL", "SETUSER", "app", "on", ">pw", "~*", "+@all", "allchannels")
  const [publishing, subscribing] = yield* Effect.all([TcpProxy.make(server), TcpProxy.make(server)])
  let stopped = false
  // their subscriptions are ours to restore: nobody hears of it where ioredis is refused one
  const retry = { retryStrategy: () => (stopped ? null : 20), autoResubscribe: false, username: "app", password: "pw" }
  const publisher = yield* client(`redis://127.0.0.1:${publishing.port}`, retry)
  const subscriber = yield* client(`redis://127.0.0.1:${subscribing.port}`, retry)
  const bus = yield* RedisMessageBus.makeClients({ publisher, subscriber, ...options })
  const other = yield* RedisMessageBus.make({ url: server.url })
  const down = Effect.gen(function* () {
    subscribing.refuse(true)
    subscribing.cut()
    yield* until(() => bus.failure() !== undefined, "it is noticed")
  })
  const stopRetrying = (): void => {
    stopped = true
  }
  return { server, publishing, subscribing, subscriber, bus, other, down, stopRetrying }
})

describe("while our own subscriptions are not back", () => {
  live("what is published is held, and sent once the last of them is acknowledged", () =>
    Effect.gen(function* () {
      const { bus, down, other, subscribing } = yield* apart()
      const news = channel()
      const got = yield* collect(other, news)
      const own = yield* collect(bus, channel())
      yield* down
      assert.match(bus.failure()!.message, /the subscribing connection is down \(reconnecting\)$/)
      assert.strictEqual(bus.failure()!.reason, "connection")
      const fates = [1, 2, 3].map((i) => post(bus, news, bytes(String(i))))
      const brief = post(bus, news, bytes("brief"), 100)
      yield* until(() => brief.told === 1, "it expires")
      assert.include(brief.error?.message, "the subscribing connection is down")
      assert.isFalse(brief.error?.mayHaveRun)
      assert.isTrue(fates.every((fate) => fate.told === 0))
      // connected, and Redis does not answer
      subscribing.hold("replies")
      subscribing.refuse(false)
      yield* until(() => subscribing.connections() === 1, "it is connected")
      yield* sleep(50)
      assert.isDefined(bus.failure())
      assert.isTrue(fates.every((fate) => fate.told === 0))
      subscribing.hold("none")
      yield* until(() => fates.every((fate) => fate.receivers === 1), "all are sent")
      assert.strictEqual(bus.failure(), undefined)
      yield* until(() => got.length === 3, "all arrive")
      assert.deepStrictEqual([got.map(text), own], [["1", "2", "3"], []])
    })
  )

  live("nothing is stuck: no channel, one given up meanwhile, one that Redis refuses by then, one that is new", () =>
    Effect.gen(function* () {
      const { bus, down, server, subscribing } = yield* apart({ connectTimeout: "10 seconds" })
      const back = Effect.gen(function* () {
        subscribing.refuse(false)
        yield* until(() => bus.failure() === undefined, "it is back")
      })
      yield* down
      yield* back
      const { close, scope } = yield* closable
      yield* collect(bus, channel()).pipe(Scope.provide(scope))
      yield* down
      yield* close
      yield* back
      yield* collect(bus, { ...channel(), name: "closed" })
      yield* down
      const fresh = yield* Effect.forkChild(collect(bus, { ...channel(), name: "open|1" }), { startImmediately: true })
      yield* server.command("ACL", "SETUSER", "app", "resetchannels", "&open*")
      yield* back
      yield* Fiber.join(fresh)
    })
  )

  live("a subscriber of the user's that has ended is said to be closed, at once", () =>
    Effect.gen(function* () {
      const { bus, down, other, stopRetrying, subscriber, subscribing } = yield* apart()
      const news = channel()
      yield* collect(other, news)
      yield* collect(bus, channel())
      yield* down
      const held = post(bus, news, bytes("held"), 30_000)
      stopRetrying()
      yield* until(() => held.told === 1, "it is told")
      const late = post(bus, news, bytes("late"), 30_000)
      for (const error of [held.error, late.error, bus.failure()]) {
        assert.include(error?.message, "the subscribing client is closed")
        assert.isFalse(error?.mayHaveRun)
      }
      subscribing.refuse(false)
      yield* Effect.promise(() => subscriber.connect())
      assert.strictEqual(yield* publish(bus, news, bytes("again")), 1)
    })
  )
})

describe("just after a connection came back", () => {
  const maxDelay = 300

  /** A bus whose connections have just been broken and are back. */
  const again = Effect.fnUntraced(function* (options: RedisMessageBus.LimitOptions = {}) {
    const server = yield* RedisServer.make()
    const other = yield* RedisMessageBus.make({ url: server.url })
    const proxy = yield* TcpProxy.make(server)
    const reconnect = { minDelay: 10, maxDelay }
    const bus = yield* RedisMessageBus.make({ url: `redis://127.0.0.1:${proxy.port}`, reconnect, ...options })
    proxy.cut()
    yield* until(() => bus.failure() !== undefined, "it is noticed")
    yield* until(() => bus.failure() === undefined, "it is back")
    return { bus, other, proxy, server }
  })

  live("what nobody gets is sent again until somebody does: once, and with what came behind it in order", () =>
    Effect.gen(function* () {
      const { bus, other } = yield* again()
      const [late, busy] = [channel(), channel()]
      const fates = [post(bus, late, bytes("0"))]
      // the answer has come, and the message is kept
      assert.strictEqual(yield* collect(other, busy).pipe(Effect.andThen(publish(bus, busy, bytes("x")))), 1)
      for (let i = 1; i < 200; i++) fates.push(post(bus, late, bytes(String(i))))
      fates[100]!.isWanted = false
      const got = yield* collect(other, late)
      yield* until(() => fates.every((fate, i) => i === 100 || fate.told === 1), "all are told")
      assert.isTrue(fates.every((fate, i) => (i === 100 ? fate.told === 0 : fate.receivers === 1)))
      assert.strictEqual(yield* publish(bus, late, bytes("last")), 1)
      yield* until(() => got.length >= 200, "all arrive")
      const expected = fates.map((_, i) => String(i)).filter((name) => name !== "100")
      assert.deepStrictEqual(got.map(text), [...expected, "last"])
    })
  )

  live("messages sent together, that nobody got, stay in order as well", () =>
    Effect.gen(function* () {
      const { bus, other } = yield* again()
      const news = channel()
      const fates: Array<Fate> = []
      for (let i = 0; i < 100; i++) fates.push(post(bus, news, bytes(String(i))))
      yield* sleep(120)
      const got = yield* collect(other, news)
      yield* until(() => fates.every((fate) => fate.told === 1), "all are told")
      yield* until(() => got.length === 100, "all arrive")
      assert.deepStrictEqual(
        got.map(text),
        fates.map((_, i) => String(i))
      )
    })
  )

  live("nobody comes: told so when it expires, or when the time is over, and at once from then on", () =>
    Effect.gen(function* () {
      const { bus } = yield* again()
      const begin = performance.now()
      const news = channel()
      const brief = post(bus, news, bytes("brief"), 200)
      const patient = post(bus, news, bytes("patient"), 30_000)
      yield* until(() => brief.told === 1, "the brief one is told")
      assert.isBelow(performance.now() - begin, 250)
      yield* until(() => patient.told === 1, "the other is told")
      assert.isAtLeast(performance.now() - begin, maxDelay)
      assert.isBelow(performance.now() - begin, 2 * maxDelay + 500)
      assert.deepStrictEqual([brief.receivers, patient.receivers], [0, 0])
      const later = performance.now()
      assert.strictEqual(yield* publish(bus, news, bytes("later")), 0)
      assert.isBelow(performance.now() - later, 45)
    })
  )

  live("a connection that breaks again, over and over: nothing is told twice or lost", () =>
    Effect.gen(function* () {
      const { bus, other, proxy } = yield* again()
      const news = channel()
      const fates: Array<Fate> = []
      for (let round = 0; round < 15; round++) {
        for (let i = 0; i < 10; i++) fates.push(post(bus, news, bytes(String(fates.length)), 30_000))
        yield* sleep(7 * round)
        proxy.cut()
      }
      const got = yield* collect(other, news)
      yield* until(() => fates.every((fate) => fate.told > 0), "all are told")
      const sent = fates.flatMap((fate, i) => (fate.receivers === 1 ? [String(i)] : []))
      yield* until(() => sent.every((name) => got.some((message) => text(message) === name)), "what was taken arrives")
      assert.isTrue(fates.every((fate) => fate.told === 1 && (fate.error?.mayHaveRun ?? true)))
      assert.strictEqual(new Set(got.map(text)).size, got.length)
    })
  )

  live("what waits is bounded as what is held, and told when the bus is closed", () =>
    Effect.gen(function* () {
      const { close, scope } = yield* closable
      const { bus } = yield* again({ maxHeldMessages: 20 }).pipe(Scope.provide(scope))
      const news = channel()
      const first = Array.from({ length: 25 }, (_, i) => post(bus, news, bytes(String(i)), 30_000))
      yield* until(() => first.filter((fate) => fate.told === 1).length === 5, "five find no room")
      assert.isTrue(first.every((fate) => fate.told === 0 || fate.receivers === 0))
      const behind = post(bus, news, bytes("behind"), 30_000)
      assert.strictEqual(behind.error?.reason, "overflow")
      assert.isFalse(behind.error?.mayHaveRun)
      yield* close
      assert.isTrue(first.every((fate) => fate.told === 1))
    })
  )

  live("a queue's message that comes before the publishing connection is back waits for it with its lock", () =>
    Effect.gen(function* () {
      const { bus, other, publishing } = yield* apart()
      const jobs = channel()
      const got = yield* collect(bus, jobs, { queue: true })
      const before = (yield* Metric.value(RedisMessageBus.unlockedMessages)).count
      publishing.refuse(true)
      publishing.cut()
      yield* until(() => bus.failure() !== undefined, "it is noticed")
      for (const i of [1, 2, 3]) assert.strictEqual(yield* publish(other, jobs, bytes(`${jobs.name} ${i}`)), 1)
      yield* sleep(50)
      assert.strictEqual(got.length, 0)
      publishing.refuse(false)
      yield* until(() => got.length === 3, "they are handled")
      // longer than a lock lives it would prove nothing
      publishing.refuse(true)
      publishing.cut()
      yield* until(() => bus.failure() !== undefined, "it is noticed")
      yield* publish(other, jobs, bytes(`${jobs.name} 4`))
      const dropped = Effect.map(Metric.value(RedisMessageBus.unlockedMessages), ({ count }) => count - before)
      yield* sleep(4500)
      assert.strictEqual(yield* dropped, 0)
      yield* sleep(1000)
      assert.strictEqual(yield* dropped, 1)
      publishing.refuse(false)
      yield* until(() => bus.failure() === undefined, "it is back")
      assert.strictEqual(got.length, 3)
    })
  )
})
