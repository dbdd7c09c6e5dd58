import { MessageBus } from "@effect-psrpc/core"
import { TcpProxy } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Scope } from "effect"
import type { Broker, Ways } from "./broker.ts"
import { bytes, channel, closable, collect, type Outcome, live, post, publish, sleep, text, until } from "./support.ts"

/** Tests of messages and subscriptions while a connection is lost, on buses that reconnect quickly. */
export const lostConnection = (broker: Broker, ways: Ways): void => {
  for (const [way, make] of Object.entries(ways)) {
    // each test has its own servers, and mostly waits
    describe.concurrent(`${way} that is lost`, () => {
      live("between a message and its confirmation: the message fails with mayHaveRun, and is never sent again", () =>
        Effect.gen(function* () {
          const server = yield* broker.server
          const proxy = yield* TcpProxy.make(server)
          const receiver = yield* broker.own(broker.address(server.port))
          const bus = yield* make(broker.address(proxy.port))
          const news = channel()
          const got = yield* collect(receiver, news)
          yield* publish(bus, news, bytes("before"))
          proxy.hold("replies")
          const outcomes = ["a", "b", "c"].map((name) => post(bus, news, bytes(name), 30_000))
          yield* until(() => got.length === 4, "the broker has them")
          proxy.cut()
          proxy.hold("none")
          yield* until(() => outcomes.every((outcome) => outcome.reports === 1), "all outcomes are reported")
          for (const { error } of outcomes) {
            assert.strictEqual(error?._tag, "Unavailable")
            assert.strictEqual(error?.reason, "connection")
            assert.isTrue(error?.mayHaveRun)
          }
          yield* publish(bus, news, bytes("after"))
          yield* until(() => got.some((message) => text(message) === "after"), "the connection is back")
          assert.deepStrictEqual(got.map(text), ["before", "a", "b", "c", "after"])
        })
      )

      live("before the broker received the message: it fails with mayHaveRun, and is not sent again either", () =>
        Effect.gen(function* () {
          const server = yield* broker.server
          const proxy = yield* TcpProxy.make(server)
          const receiver = yield* broker.own(broker.address(server.port))
          const bus = yield* make(broker.address(proxy.port))
          const news = channel()
          const got = yield* collect(receiver, news)
          yield* publish(bus, news, bytes("before"))
          proxy.hold("requests")
          const sent = proxy.sent()
          const outcome = post(bus, news, bytes("lost"), 30_000)
          yield* until(() => proxy.sent() > sent, "it is on its way")
          proxy.cut()
          proxy.hold("none")
          yield* until(() => outcome.reports === 1, "its outcome is reported")
          assert.isTrue(outcome.error?.mayHaveRun)
          yield* publish(bus, news, bytes("after"))
          yield* until(() => got.length === 2, "the connection is back")
          assert.deepStrictEqual(got.map(text), ["before", "after"])
        })
      )

      live("buffers messages meanwhile, and sends them in order when it is back, unless expired or canceled", () =>
        Effect.gen(function* () {
          const server = yield* broker.server
          const proxy = yield* TcpProxy.make(server)
          const receiver = yield* broker.own(broker.address(server.port))
          const bus = yield* make(broker.address(proxy.port))
          const news = channel()
          const got = yield* collect(receiver, news)
          yield* publish(bus, news, bytes("before"))
          proxy.refuse(true)
          proxy.cut()
          yield* until(() => bus.failure() !== undefined, "the bus notices it")
          const expected = `${broker.kind} at 127.0.0.1:${proxy.port}: the connection is down (reconnecting)`
          assert.isTrue(bus.failure()!.message.startsWith(expected), bus.failure()!.message)
          const kept: Array<Outcome> = []
          const expiring: Array<Outcome> = []
          const unwanted: Array<Outcome> = []
          for (let i = 0; i < 200; i++) {
            kept.push(post(bus, news, bytes(`kept ${i}`), 30_000))
            expiring.push(post(bus, news, bytes(`expired ${i}`), 150))
            unwanted.push(post(bus, news, bytes(`unwanted ${i}`), 30_000))
          }
          for (const outcome of unwanted) outcome.isWanted = false
          // reported in time, although the connection stays down
          yield* until(() => expiring.every((outcome) => outcome.reports === 1), "the expired ones are reported")
          for (const { error } of expiring) {
            assert.strictEqual(error?._tag, "Unavailable")
            assert.strictEqual(error?.reason, "connection")
            assert.isFalse(error?.mayHaveRun)
          }
          assert.isTrue(kept.every((outcome) => outcome.reports === 0))
          proxy.refuse(false)
          yield* until(() => kept.every((outcome) => outcome.reports === 1), "the rest is delivered")
          assert.isTrue(kept.every((outcome) => outcome.receivers === broker.one))
          yield* publish(bus, news, bytes("after"))
          yield* until(() => got.length >= 202, "all arrive")
          assert.deepStrictEqual(got.map(text), ["before", ...kept.map((_, i) => `kept ${i}`), "after"])
          assert.isTrue(unwanted.every((outcome) => outcome.reports === 0))
          assert.strictEqual(bus.failure(), undefined)
        })
      )

      live("is reported as back when the broker has its subscriptions again, and not before", () =>
        Effect.gen(function* () {
          const server = yield* broker.server
          const proxy = yield* TcpProxy.make(server)
          const other = yield* broker.own(broker.address(server.port))
          const bus = yield* make(broker.address(proxy.port))
          const news = channel()
          const got = yield* collect(bus, news)
          // subscriptions take this long to reach the broker
          proxy.delay(50)
          for (let round = 1; round <= 3; round++) {
            proxy.cut()
            yield* until(() => bus.failure() !== undefined, "the bus notices it")
            yield* until(() => bus.failure() === undefined, "it is back")
            assert.strictEqual(yield* publish(other, news, bytes("x")), broker.one)
            yield* until(() => got.length === round, "it arrives")
          }
        })
      )

      live("ends a publish at its timeout", () =>
        Effect.gen(function* () {
          const server = yield* broker.server
          const bus = yield* make(broker.address(server.port))
          yield* server.stop({ kill: true })
          yield* until(() => bus.failure() !== undefined, "the bus notices it")
          const begin = performance.now()
          const patient = post(bus, channel(), bytes("x"), 3_600_000)
          const error = yield* Effect.flip(
            MessageBus.publish(bus, bus.target(channel()), bytes("x"), { timeout: "200 millis" })
          )
          assert.strictEqual(error._tag, "Unavailable")
          assert.isFalse(error.mayHaveRun)
          assert.isAtLeast(performance.now() - begin, 180)
          assert.strictEqual(patient.reports, 0)
        })
      )

      live("buffers messages up to a number and a size", () =>
        Effect.gen(function* () {
          const server = yield* broker.server
          const bus = yield* make(broker.address(server.port), { maxBufferedMessages: 100, maxBufferedBytes: 10_000 })
          yield* server.stop({ kill: true })
          yield* until(() => bus.failure() !== undefined, "the bus notices it")
          const news = channel()
          const small = Array.from({ length: 101 }, (_, i) => post(bus, news, bytes(String(i)), 30_000))
          assert.deepStrictEqual(
            small.map((outcome) => outcome.reports),
            [...Array.from({ length: 100 }, () => 0), 1]
          )
          const { error } = small[100]!
          assert.strictEqual(error?._tag, "ResourceExhausted")
          assert.strictEqual(error?.reason, "overflow")
          assert.isFalse(error?.mayHaveRun)
          // canceled messages make room
          for (const outcome of small) outcome.isWanted = false
          yield* sleep(30)
          const large = Array.from({ length: 11 }, () => post(bus, news, new Uint8Array(1000), 30_000))
          assert.deepStrictEqual(
            large.map((outcome) => outcome.reports),
            [...Array.from({ length: 10 }, () => 0), 1]
          )
          assert.strictEqual(large[10]!.error?._tag, "ResourceExhausted")
        })
      )

      live("restores its subscriptions after a restart, but not those that ended meanwhile", () =>
        Effect.gen(function* () {
          const server = yield* broker.server
          const bus = yield* make(broker.address(server.port))
          const channels = Array.from({ length: 600 }, () => channel())
          const got = yield* Effect.forEach(channels, (news) => collect(bus, news), { concurrency: "unbounded" })
          const gone = channel()
          const { close, scope } = yield* closable
          const left = yield* collect(bus, gone).pipe(Scope.provide(scope))
          yield* server.stop({ kill: true })
          yield* until(() => bus.failure() !== undefined, "the bus notices it")
          yield* close
          // a subscription that is made while it is down is acknowledged when it is back
          const fresh = channel()
          const late = yield* Effect.forkChild(collect(bus, fresh), { startImmediately: true })
          yield* server.restart
          const lateGot = yield* Fiber.join(late)
          yield* until(() => bus.failure() === undefined, "it is back")
          for (const news of [...channels, fresh]) assert.strictEqual(yield* publish(bus, news, bytes("x")), broker.one)
          yield* until(() => got.every((messages) => messages.length === 1) && lateGot.length === 1, "all arrive")
          const other = yield* broker.own(broker.address(server.port))
          assert.strictEqual(yield* publish(other, gone, bytes("x")), 0)
          assert.strictEqual(left.length, 0)
        })
      )

      live("does not delay closing, nor does a connection without replies", () =>
        Effect.gen(function* () {
          for (const fault of ["stop", "pause"] as const) {
            const server = yield* broker.server
            const { close, scope } = yield* closable
            const bus = yield* make(broker.address(server.port), { closeTimeout: "200 millis" }).pipe(
              Scope.provide(scope)
            )
            const jobs = channel()
            yield* collect(bus, jobs, { queue: true }).pipe(Scope.provide(scope))
            yield* collect(bus, channel()).pipe(Scope.provide(scope))
            if (fault === "stop") yield* server.stop({ kill: true })
            else yield* server.pause
            const outcomes = Array.from({ length: 100 }, (_, i) => post(bus, jobs, bytes(String(i)), 3_600_000))
            const closing = yield* Effect.forkChild(close, { startImmediately: true })
            yield* until(() => closing.pollUnsafe() !== undefined, "it is closed")
            assert.isTrue(outcomes.every((outcome) => outcome.reports === 1))
            yield* server.resume
          }
        })
      )

      live("fails a subscribe within connectTimeout", () =>
        Effect.gen(function* () {
          const server = yield* broker.server
          const bus = yield* make(broker.address(server.port), { connectTimeout: "300 millis" })
          yield* server.stop({ kill: true })
          yield* until(() => bus.failure() !== undefined, "the bus notices it")
          const error = yield* Effect.flip(Effect.scoped(bus.subscribe(channel(), () => {})))
          assert.strictEqual(error._tag, "Unavailable")
          assert.strictEqual(error.reason, "connection")
        })
      )

      live(
        "only because the broker stops reading: unconfirmed messages are limited, the rest is buffered and expires",
        () =>
          Effect.gen(function* () {
            const server = yield* broker.server
            const bus = yield* make(broker.address(server.port))
            const news = channel()
            yield* publish(bus, news, bytes("x"))
            yield* server.pause
            const chunk = new Uint8Array(1 << 20)
            const first: Array<Outcome> = []
            for (let i = 0; i < 40 && bus.failure() === undefined; i++) {
              first.push(post(bus, news, chunk, 30_000))
              yield* sleep(1)
            }
            assert.include(bus.failure()?.message, "does not read")
            const held = post(bus, news, bytes("late"), 100)
            yield* until(() => held.reports === 1, "it expires")
            assert.isFalse(held.error?.mayHaveRun)
            yield* server.resume
            yield* until(() => first.every((outcome) => outcome.reports === 1), "the rest is sent")
            assert.isTrue(first.every((outcome) => outcome.receivers === 0))
            assert.strictEqual(yield* publish(bus, news, bytes("y")), 0)
          })
      )
    })
  }
}
