/** The numbers as plain values, for who has no backend for metrics. */
import { Duration, Effect, Metric } from "effect"
import { allSeries } from "./registry.ts"
import type { Kind, Series, Side } from "./series.ts"

/**
 * Messages, and the bytes of payload in them. Envelopes do not count, nor claims, acks and signs of life.
 *
 * @category models
 * @since 0.1.0
 */
export interface Traffic {
  readonly messages: number
  readonly bytes: number
}

/**
 * What was counted, of a method or of several.
 *
 * @category models
 * @since 0.1.0
 */
export interface Counts {
  /** Calls that have started; of a publisher, updates that were to be published. */
  readonly calls: number
  /** Those of them that are not over. */
  readonly inFlight: number
  /** Those of them that ended with an error. */
  readonly errors: number
  /** Those that are over by how they ended: `ok`, or psrpc's code. */
  readonly codes: Readonly<Record<string, number>>
  /**
   * How long a call took on average, from its beginning to its end; zero where none is over, and for updates. A stream
   * lasts for as long as it is used: in the sum of a side it does not count.
   */
  readonly averageCallTime: Duration.Duration
  readonly sent: Traffic
  readonly received: Traffic
  /** Messages dropped, by reason. */
  readonly dropped: Readonly<Record<string, number>>
  /** Attempts after the first that `Retry` has made; each that was a request is one of the calls, too. */
  readonly retries: number
  /** Streams that are open. */
  readonly openStreams: number
  /** Subscriptions to updates that are there. */
  readonly subscriptions: number
}

/**
 * What was counted of one method, on one side.
 *
 * @category models
 * @since 0.1.0
 */
export interface MethodStats extends Counts {
  readonly side: Side
  /** The service's name on the wire. */
  readonly service: string
  /** The method's name on the wire; `undefined` for what came for a service and is of no method that can be told. */
  readonly method: string | undefined
  readonly kind: Kind | undefined
  /** What `Metric.CurrentMetricAttributes` said where the client, the server or the publisher was made. */
  readonly attributes: Readonly<Record<string, string>>
}

/**
 * All that was counted since the process started.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats {
  /** By side, since a call within one process is counted by both its ends. */
  readonly totals: Readonly<Record<Side, Counts>>
  /** In the order in which the methods were first made ready for use. */
  readonly methods: ReadonlyArray<MethodStats>
}

const merged = (records: ReadonlyArray<Readonly<Record<string, number>>>): Record<string, number> => {
  const sum: Record<string, number> = {}
  for (const record of records) for (const [key, count] of Object.entries(record)) sum[key] = (sum[key] ?? 0) + count
  return sum
}

/** `timed` are those whose times make the average. */
const countsOf = (all: ReadonlyArray<Series>, timed = all): Counts => {
  const sum = (number: (series: Series) => number): number => all.reduce((total, series) => total + number(series), 0)
  const count = timed.reduce((total, { duration }) => total + duration.count, 0)
  const millis = timed.reduce((total, { duration }) => total + duration.sum, 0)
  return {
    calls: sum(({ started }) => started),
    inFlight: sum(({ inFlight }) => inFlight),
    errors: sum(({ codes, finished }) => finished - codes.of("ok")),
    codes: merged(all.map(({ codes }) => codes.entries)),
    averageCallTime: count === 0 ? Duration.zero : Duration.millis(millis / count),
    sent: { messages: sum(({ sent }) => sent), bytes: sum(({ bytesSent }) => bytesSent) },
    received: { messages: sum(({ received }) => received), bytes: sum(({ bytesReceived }) => bytesReceived) },
    dropped: merged(all.map(({ drops }) => drops.entries)),
    retries: sum(({ retries }) => retries),
    openStreams: sum(({ openStreams }) => openStreams),
    subscriptions: sum(({ subscriptions }) => subscriptions)
  }
}

/**
 * What the clients, servers and publishers that share this fiber's `Metric.MetricRegistry` have counted so far. Nothing is
 * reset by reading it, and nothing but the reading costs anything.
 *
 * **Example** (How many calls have failed)
 *
 * ```ts
 * import { Telemetry } from "@effect-psrpc/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const { methods, totals } = yield* Telemetry.stats
 *   console.log(`${totals.client.errors} of ${totals.client.calls} calls have failed`)
 *   for (const { averageCallTime, method, side } of methods) console.log(side, method, averageCallTime)
 * })
 * ```
 *
 * @category accessors
 * @since 0.1.0
 */
export const stats: Effect.Effect<Stats> = Effect.withFiber((fiber) => {
  const all = allSeries(fiber.getRef(Metric.MetricRegistry))
  const total = (side: Side): Counts => {
    const ofSide = all.filter(({ series }) => series.owner.side === side).map(({ series }) => series)
    return countsOf(
      ofSide,
      ofSide.filter(({ owner }) => owner.kind !== "stream")
    )
  }
  return Effect.succeed({
    totals: { client: total("client"), server: total("server"), publisher: total("publisher") },
    methods: all.map(({ attributes, series }) => {
      const { kind, method, service, side } = series.owner
      return Object.assign({ side, service, method, kind, attributes }, countsOf([series]))
    })
  })
})
