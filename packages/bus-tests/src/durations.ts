import { TcpProxy } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Duration, Effect, Fiber } from "effect"
import type { Broker, Options } from "./broker.ts"
import { bytes, channel, collect, live, publish, sleep, until } from "./support.ts"

const durations = {
  connectTimeout: (value) => ({ connectTimeout: value }),
  closeTimeout: (value) => ({ closeTimeout: value }),
  heartbeat: (value) => ({ heartbeat: value }),
  "reconnect.minDelay": (value) => ({ reconnect: { minDelay: value } }),
  "reconnect.maxDelay": (value) => ({ reconnect: { maxDelay: value } })
} satisfies Record<string, (value: Duration.Input) => Options>

/** Tests of the options that are durations. */
export const optionalDurations = (broker: Broker): void => {
  describe.concurrent("a duration", () => {
    for (const [name, options] of Object.entries(durations)) {
      live(`of ${name} that is not a duration is refused by name`, () =>
        Effect.gen(function* () {
          for (const value of ["soon", Number.NaN, -1, 0, "-1 second", -Infinity, { weeks: "x" }, Symbol("s")]) {
            const made = broker.own(broker.address(1), options(value as Duration.Input))
            const error = yield* Effect.flip(Effect.scoped(made))
            assert.strictEqual(error._tag, "InvalidArgument")
            assert.include(error.message, `${name} is `, String(value))
          }
        })
      )

      live(`of ${name} may be longer than the longest timer of Node, or infinite`, () =>
        Effect.gen(function* () {
          const server = yield* broker.server
          for (const value of ["30 days", 2 ** 31, Infinity, "Infinity", Duration.infinity] as const) {
            const bus = yield* broker.own(broker.address(server.port), options(value))
            const news = channel()
            const got = yield* collect(bus, news)
            // a timer that overflows fires at once
            for (let i = 0; i < 20; i++) assert.strictEqual(yield* publish(bus, news, bytes("x")), broker.one)
            yield* sleep(20)
            assert.strictEqual(yield* publish(bus, news, bytes("x")), broker.one)
            yield* until(() => got.length === 21, "all arrive")
            assert.strictEqual(bus.failure(), undefined)
          }
        })
      )
    }

    live("of heartbeat that is infinite keeps a silent connection open", () =>
      Effect.gen(function* () {
        const server = yield* broker.server
        const proxy = yield* TcpProxy.make(server)
        const bus = yield* broker.own(broker.address(proxy.port), { heartbeat: Infinity })
        const sent = proxy.sent()
        yield* sleep(100)
        assert.strictEqual(proxy.sent(), sent)
        proxy.hold("replies")
        const fiber = yield* Effect.forkChild(publish(bus, channel(), bytes("x")), { startImmediately: true })
        yield* until(() => proxy.sent() > sent, "it is sent")
        yield* sleep(300)
        assert.strictEqual(bus.failure(), undefined)
        proxy.hold("none")
        assert.strictEqual(yield* Fiber.join(fiber), 0)
      })
    )
  })
}
