import {
  bytes,
  channel,
  closable,
  collect,
  live,
  post,
  publish,
  sleep,
  text,
  until,
  grace
} from "@effect-psrpc/bus-tests"
import { RedisServer, TcpProxy } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Metric, Scope } from "effect"
import { RedisMessageBus } from "../src/index.ts"
import { broker, client } from "./support.ts"

/** A bus with a proxy for each of its two connections, and another bus that stays connected. */
const apart = Effect.fnUntraced(function* (options: RedisMessageBus.LimitOptions = {}) {
  const server = yield* RedisServer.make()
  yield* server.command("ACL", "SETUSER", "app", "on", ">pw", "~*", "+@all", "allchannels")
  const [publishing, subscribing] = yield* Effect.all([TcpProxy.make(server), TcpProxy.make(server)])
  let stopped = false
  // the bus restores their subscriptions: ioredis does not report a refused one
  const retry = { retryStrategy: () => (stopped ? null : 20), autoResubscribe: false, username: "app", password: "pw" }
  const publisher = yield* client(`redis://127.0.0.1:${publishing.port}`, retry)
  const subscriber = yield* client(`redis://127.0.0.1:${subscribing.port}`, retry)
  const bus = yield* RedisMessageBus.makeClients({ publisher, subscriber, ...options })
  const other = yield* RedisMessageBus.make({ url: server.url })
  const down = Effect.gen(function* () {
    subscribing.refuse(true)
    subscribing.cut()
    yield* until(() => bus.failure() !== undefined, "the bus notices it")
  })
  const stopRetrying = (): void => {
    stopped = true
  }
  return { server, publishing, subscribing, subscriber, bus, other, down, stopRetrying }
})

describe("while the bus's subscriptions are not restored", () => {
  live("messages are buffered, and sent when the last one is acknowledged", () =>
    Effect.gen(function* () {
      const { bus, down, other, subscribing } = yield* apart()
      const news = channel()
      const got = yield* collect(other, news)
      const own = yield* collect(bus, channel())
      yield* down
      assert.match(bus.failure()!.message, /the subscribing connection is down \(reconnecting\)$/)
      assert.strictEqual(bus.failure()!.reason, "connection")
      const outcomes = [1, 2, 3].map((i) => post(bus, news, bytes(String(i))))
      const brief = post(bus, news, bytes("brief"), 100)
      yield* until(() => brief.reports === 1, "it expires")
      assert.include(brief.error?.message, "the subscribing connection is down")
      assert.isFalse(brief.error?.mayHaveRun)
      assert.isTrue(outcomes.every((outcome) => outcome.reports === 0))
      // connected, and Redis does not reply
      subscribing.hold("replies")
      subscribing.refuse(false)
      yield* until(() => subscribing.connections() === 1, "it is connected")
      yield* sleep(50)
      assert.isDefined(bus.failure())
      assert.isTrue(outcomes.every((outcome) => outcome.reports === 0))
      subscribing.hold("none")
      yield* until(() => outcomes.every((outcome) => outcome.receivers === 1), "all are sent")
      assert.strictEqual(bus.failure(), undefined)
      yield* until(() => got.length === 3, "all arrive")
      assert.deepStrictEqual([got.map(text), own], [["1", "2", "3"], []])
    })
  )

  live("nothing blocks: no channel, a channel that ended meanwhile, one that Redis refuses now, a new one", () =>
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

  live("a user's subscriber that has ended is reported as closed at once", () =>
    Effect.gen(function* () {
      const { bus, down, other, stopRetrying, subscriber, subscribing } = yield* apart()
      const news = channel()
      yield* collect(other, news)
      yield* collect(bus, channel())
      yield* down
      const held = post(bus, news, bytes("held"), 30_000)
      stopRetrying()
      yield* until(() => held.reports === 1, "its outcome is reported")
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

grace(broker)

describe("just after a reconnect", () => {
  live("the lock of a queue's message that arrives before the publishing connection is back waits for it", () =>
    Effect.gen(function* () {
      const { bus, other, publishing } = yield* apart()
      const jobs = channel()
      const got = yield* collect(bus, jobs, { queue: true })
      const before = (yield* Metric.value(RedisMessageBus.unlockedMessages)).count
      publishing.refuse(true)
      publishing.cut()
      yield* until(() => bus.failure() !== undefined, "the bus notices it")
      for (const i of [1, 2, 3]) assert.strictEqual(yield* publish(other, jobs, bytes(`${jobs.name} ${i}`)), 1)
      yield* sleep(50)
      assert.strictEqual(got.length, 0)
      publishing.refuse(false)
      yield* until(() => got.length === 3, "they are handled")
      // after the lifetime of a lock it would prove nothing
      publishing.refuse(true)
      publishing.cut()
      yield* until(() => bus.failure() !== undefined, "the bus notices it")
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
