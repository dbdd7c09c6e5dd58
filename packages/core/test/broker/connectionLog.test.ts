import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Metric, References } from "effect"
import { TestClock } from "effect/testing"
import { BrokerIdentity, BusMetrics, BusRuntime, ConnectionLog } from "../../src/broker/index.ts"

class MyBroker extends BrokerIdentity.BrokerIdentity {
  override reasonOf(error: unknown): string {
    return String(error)
  }
}

/** A connection log, and the lines that it writes. */
const logged = <A, E, R>(
  test: (log: ConnectionLog.ConnectionLog, lines: Array<string>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const lines: Array<string> = []
  const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
    lines.push(`${logLevel} ${String(message)}`)
  })
  return Effect.gen(function* () {
    const runtime = yield* BusRuntime.make
    const metrics = yield* BusMetrics.make("mybroker")
    const broker = new MyBroker("mybroker", "127.0.0.1:4000", [])
    return yield* test(new ConnectionLog.ConnectionLog("the connection", broker, runtime, metrics), lines)
  }).pipe(
    Effect.provide(Logger.layer([logger])),
    Effect.provideService(References.MinimumLogLevel, "All"),
    Effect.provideService(Metric.MetricRegistry, new Map())
  )
}

/** The value of a counter of the bus. */
const count = (name: string) =>
  Effect.map(Metric.snapshot, (metrics) => {
    const metric = metrics.find(({ id }) => id === name)
    return (metric?.state as { readonly count: number } | undefined)?.count
  })

const prefix = "mybroker at 127.0.0.1:4000: the connection"

describe("the log of a connection", () => {
  it.effect("has one line and one count for a loss, and one for the return, with the time between", () =>
    logged((log, lines) =>
      Effect.gen(function* () {
        log.restored()
        assert.deepStrictEqual(lines, [])
        for (let round = 1; round <= 2; round++) {
          log.lost()
          yield* TestClock.adjust(1500)
          log.lost()
          log.restored()
          assert.deepStrictEqual(lines.splice(0), [
            `Warn ${prefix} is lost; messages are buffered until it is back`,
            `Info ${prefix} is back after 1500 ms`
          ])
          assert.strictEqual(yield* count("psrpc_bus_connections_lost"), round)
          assert.strictEqual(yield* count("psrpc_bus_reconnects"), round)
        }
      })
    )
  )

  it.effect("has an error of each attempt as a warning once, then at debug level", () =>
    logged((log, lines) =>
      Effect.gen(function* () {
        yield* Effect.void
        for (const reason of ["refused", "refused", "reset", "refused"]) log.failed(reason)
        log.restored()
        log.failed("refused")
        const levels = lines.map((line) => line.replace(`${prefix} reported an error: `, ""))
        assert.deepStrictEqual(levels, ["Warn refused", "Debug refused", "Warn reset", "Warn refused", "Warn refused"])
      })
    )
  )

  it.effect("takes an error as the reason of a loss only if it came shortly before it, or after it", () =>
    logged((log) =>
      Effect.gen(function* () {
        assert.isUndefined(log.reason)
        log.failed("stale")
        yield* TestClock.adjust(1001)
        log.lost()
        assert.isUndefined(log.reason)
        log.failed("refused")
        assert.strictEqual(log.reason, "refused")
        log.restored()
        assert.isUndefined(log.reason)
        log.failed("reset")
        yield* TestClock.adjust(1000)
        log.lost()
        assert.strictEqual(log.reason, "reset")
      })
    )
  )
})
