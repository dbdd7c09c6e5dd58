import type { Limits } from "@effect-psrpc/core/broker"
import { TcpProxy } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Effect, Scope } from "effect"
import type { Broker } from "./broker.ts"
import { bytes, channel, closable, collect, type Fate, live, post, publish, sleep, text, until } from "./support.ts"

/** The longest delay of its bus, in milliseconds. */
export const maxDelay = 300

/** A bus whose connection has just been broken and is back, and one that stayed connected. */
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
  yield* until(() => bus.failure() !== undefined, "it is noticed")
  yield* until(() => bus.failure() === undefined, "it is back")
  return { bus, other, proxy, server }
})

/** The time just after a connection came back, in which others may not be back yet. */
export const grace = (broker: Broker): void => {
  describe("just after the connection came back", () => {
    live("what nobody hears is sent again until somebody does: once, and with what came behind it in order", () =>
      Effect.gen(function* () {
        const { bus, other } = yield* again(broker, { maxDelay: "20 seconds" })
        const [late, busy] = [channel(), channel()]
        const fates = [post(bus, late, bytes("0"))]
        // the answer has come, and the message is kept
        assert.strictEqual(yield* collect(other, busy).pipe(Effect.andThen(publish(bus, busy, bytes("x")))), broker.one)
        for (let i = 1; i < 200; i++) fates.push(post(bus, late, bytes(String(i))))
        fates[100]!.isWanted = false
        const got = yield* collect(other, late)
        yield* until(() => fates.every((fate, i) => i === 100 || fate.told === 1), "all are told")
        assert.isTrue(fates.every((fate, i) => (i === 100 ? fate.told === 0 : fate.receivers === broker.one)))
        assert.strictEqual(yield* publish(bus, late, bytes("last")), broker.one)
        yield* until(() => got.length >= 200, "all arrive")
        const expected = fates.map((_, i) => String(i)).filter((name) => name !== "100")
        assert.deepStrictEqual(got.map(text), [...expected, "last"])
      })
    )

    live("messages sent together, that nobody heard, stay in order as well", () =>
      Effect.gen(function* () {
        const { bus, other } = yield* again(broker, { maxDelay: "20 seconds" })
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
        const { bus, other } = yield* again(broker)
        const begin = performance.now()
        const news = channel()
        const brief = post(bus, news, bytes("brief"), 200)
        const patient = post(bus, news, bytes("patient"), 3_600_000)
        yield* until(() => brief.told + patient.told > 0, "one is told")
        assert.strictEqual(brief.told, 1)
        yield* until(() => patient.told === 1, "the other is told")
        assert.isAtLeast(performance.now() - begin, maxDelay)
        assert.deepStrictEqual([brief.receivers, patient.receivers], [0, 0])
        const busy = channel()
        yield* collect(other, busy)
        const later = post(bus, news, bytes("later"), 3_600_000)
        // the broker has answered both, and the first is not kept
        assert.strictEqual(yield* publish(bus, busy, bytes("x")), broker.one)
        assert.deepStrictEqual([later.told, later.receivers], [1, 0])
      })
    )

    live("a connection that breaks again, over and over: nothing is told twice or lost", () =>
      Effect.gen(function* () {
        const { bus, other, proxy } = yield* again(broker)
        const news = channel()
        const fates: Array<Fate> = []
        for (let round = 0; round < 15; round++) {
          for (let i = 0; i < 10; i++) fates.push(post(bus, news, bytes(String(fates.length)), 30_000))
          yield* sleep(7 * round)
          proxy.cut()
        }
        const got = yield* collect(other, news)
        yield* until(() => fates.every((fate) => fate.told > 0), "all are told")
        const sent = fates.flatMap((fate, i) => (fate.receivers === broker.one ? [String(i)] : []))
        yield* until(
          () => sent.every((name) => got.some((message) => text(message) === name)),
          "what was taken arrives"
        )
        assert.isTrue(fates.every((fate) => fate.told === 1 && (fate.error?.mayHaveRun ?? true)))
        assert.strictEqual(new Set(got.map(text)).size, got.length)
      })
    )

    live("what waits is bounded as what is held, and told when the bus is closed", () =>
      Effect.gen(function* () {
        const { close, scope } = yield* closable
        const { bus } = yield* again(broker, { maxBufferedMessages: 20 }).pipe(Scope.provide(scope))
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
  })
}
