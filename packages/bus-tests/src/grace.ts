import type { Limits } from "@effect-psrpc/core/broker"
import { TcpProxy } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Effect, Scope } from "effect"
import type { Broker } from "./broker.ts"
import { bytes, channel, closable, collect, type Outcome, live, post, publish, sleep, text, until } from "./support.ts"

/** The longest reconnect delay of the tests' bus, in milliseconds. */
export const maxDelay = 300

/** A bus that has just reconnected, and another one that stayed connected. */
export const again = Effect.fnUntraced(function* (
  broker: Broker,
  options: Limits.LimitOptions & Pick<Limits.ReconnectOptions, "maxDelay"> = {}
) {
  const server = yield* broker.server
  const other = yield* broker.own(broker.address(server.port))
  const proxy = yield* TcpProxy.make(server)
  const { maxDelay: longest = maxDelay, ...limits } = options
  const reconnect = { minDelay: 10, maxDelay: longest }
  const bus = yield* broker.own(broker.address(proxy.port), { reconnect, ...limits })
  proxy.cut()
  yield* until(() => bus.failure() !== undefined, "the bus notices it")
  yield* until(() => bus.failure() === undefined, "it is back")
  return { bus, other, proxy, server }
})

/** Tests of the grace period after a reconnect. */
export const grace = (broker: Broker): void => {
  describe("in the grace period after a reconnect", () => {
    live("a message without listeners is sent again until it has one: once, and before later messages", () =>
      Effect.gen(function* () {
        const { bus, other } = yield* again(broker, { maxDelay: "20 seconds" })
        const [late, busy] = [channel(), channel()]
        const outcomes = [post(bus, late, bytes("0"))]
        // the broker has reported it, and the message is kept
        assert.strictEqual(yield* collect(other, busy).pipe(Effect.andThen(publish(bus, busy, bytes("x")))), broker.one)
        for (let i = 1; i < 200; i++) outcomes.push(post(bus, late, bytes(String(i))))
        outcomes[100]!.isWanted = false
        const got = yield* collect(other, late)
        yield* until(
          () => outcomes.every((outcome, i) => i === 100 || outcome.reports === 1),
          "all outcomes are reported"
        )
        assert.isTrue(
          outcomes.every((outcome, i) => (i === 100 ? outcome.reports === 0 : outcome.receivers === broker.one))
        )
        assert.strictEqual(yield* publish(bus, late, bytes("last")), broker.one)
        yield* until(() => got.length >= 200, "all arrive")
        const expected = outcomes.map((_, i) => String(i)).filter((name) => name !== "100")
        assert.deepStrictEqual(got.map(text), [...expected, "last"])
      })
    )

    live("messages in flight together without listeners stay in order", () =>
      Effect.gen(function* () {
        const { bus, other } = yield* again(broker, { maxDelay: "20 seconds" })
        const news = channel()
        const outcomes: Array<Outcome> = []
        for (let i = 0; i < 100; i++) outcomes.push(post(bus, news, bytes(String(i))))
        yield* sleep(120)
        const got = yield* collect(other, news)
        yield* until(() => outcomes.every((outcome) => outcome.reports === 1), "all outcomes are reported")
        yield* until(() => got.length === 100, "all arrive")
        assert.deepStrictEqual(
          got.map(text),
          outcomes.map((_, i) => String(i))
        )
      })
    )

    live(
      "a message that gets no listeners is reported when it expires or the grace period ends, and later ones at once",
      () =>
        Effect.gen(function* () {
          const { bus, other } = yield* again(broker)
          const begin = performance.now()
          const news = channel()
          const brief = post(bus, news, bytes("brief"), 200)
          const patient = post(bus, news, bytes("patient"), 3_600_000)
          yield* until(() => brief.reports + patient.reports > 0, "one outcome is reported")
          assert.strictEqual(brief.reports, 1)
          yield* until(() => patient.reports === 1, "the other outcome is reported")
          assert.isAtLeast(performance.now() - begin, maxDelay)
          assert.deepStrictEqual([brief.receivers, patient.receivers], [0, 0])
          const busy = channel()
          yield* collect(other, busy)
          const later = post(bus, news, bytes("later"), 3_600_000)
          // the broker has replied to both, and the first is not kept
          assert.strictEqual(yield* publish(bus, busy, bytes("x")), broker.one)
          assert.deepStrictEqual([later.reports, later.receivers], [1, 0])
        })
    )

    live("a connection that is lost again and again: no outcome is reported twice, and no message is lost", () =>
      Effect.gen(function* () {
        const { bus, other, proxy } = yield* again(broker)
        const news = channel()
        const outcomes: Array<Outcome> = []
        for (let round = 0; round < 15; round++) {
          for (let i = 0; i < 10; i++) outcomes.push(post(bus, news, bytes(String(outcomes.length)), 30_000))
          yield* sleep(7 * round)
          proxy.cut()
        }
        const got = yield* collect(other, news)
        yield* until(() => outcomes.every((outcome) => outcome.reports > 0), "all outcomes are reported")
        const sent = outcomes.flatMap((outcome, i) => (outcome.receivers === broker.one ? [String(i)] : []))
        yield* until(
          () => sent.every((name) => got.some((message) => text(message) === name)),
          "every accepted message arrives"
        )
        assert.isTrue(outcomes.every((outcome) => outcome.reports === 1 && (outcome.error?.mayHaveRun ?? true)))
        assert.strictEqual(new Set(got.map(text)).size, got.length)
      })
    )

    live("waiting messages count toward the limits, and fail when the bus is closed", () =>
      Effect.gen(function* () {
        const { close, scope } = yield* closable
        const { bus } = yield* again(broker, { maxBufferedMessages: 20 }).pipe(Scope.provide(scope))
        const news = channel()
        const first = Array.from({ length: 25 }, (_, i) => post(bus, news, bytes(String(i)), 30_000))
        yield* until(() => first.filter((outcome) => outcome.reports === 1).length === 5, "five find no room")
        assert.isTrue(first.every((outcome) => outcome.reports === 0 || outcome.receivers === 0))
        const behind = post(bus, news, bytes("behind"), 30_000)
        assert.strictEqual(behind.error?.reason, "overflow")
        assert.isFalse(behind.error?.mayHaveRun)
        yield* close
        assert.isTrue(first.every((outcome) => outcome.reports === 1))
      })
    )
  })
}
