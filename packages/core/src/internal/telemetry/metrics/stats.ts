/** The metrics as plain values, for programs without a metrics backend. */
import { Duration, Effect, Metric } from "effect"
import { allSeries } from "./registry.ts"
import type { Kind, Series, Side } from "./series.ts"

/**
 * Messages, and the bytes of their payloads. Envelopes, claims, acks and keepalives do not count.
 *
 * @category models
 * @since 0.1.0
 */
export interface Traffic {
  readonly messages: number
  readonly bytes: number
}

/**
 * The counts of one method or of several.
 *
 * @category models
 * @since 0.1.0
 */
export interface Counts {
  /** Started calls; at a publisher, updates. */
  readonly calls: number
  /** Calls in flight. */
  readonly inFlight: number
  /** Calls that ended with an error. */
  readonly errors: number
  /** Ended calls by result: `ok`, or a code of psrpc. */
  readonly codes: Readonly<Record<string, number>>
  /**
   * Average duration of a call; zero if none has ended, and for updates. The total of a side excludes streams, which last as
   * long as they are used.
   */
  readonly averageCallTime: Duration.Duration
  readonly sent: Traffic
  readonly received: Traffic
  /** Messages dropped, by reason. */
  readonly dropped: Readonly<Record<string, number>>
  /** Attempts after the first that `Retry` made. An attempt that sent a request also counts as a call. */
  readonly retries: number
  /** Open streams. */
  readonly openStreams: number
  /** Active subscriptions to updates. */
  readonly subscriptions: number
}

/**
 * The counts of one method on one side.
 *
 * @category models
 * @since 0.1.0
 */
export interface MethodStats extends Counts {
  readonly side: Side
  /** The service's name on the wire. */
  readonly service: string
  /** The method's name on the wire; `undefined` for messages of the service whose method is unknown. */
  readonly method: string | undefined
  readonly kind: Kind | undefined
  /** `Metric.CurrentMetricAttributes` where the client, the server or the publisher was made. */
  readonly attributes: Readonly<Record<string, string>>
}

/**
 * The counts since the process started.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats {
  /** Totals by side: a call within one process counts on both sides. */
  readonly totals: Readonly<Record<Side, Counts>>
  /** In the order in which clients, servers and publishers were made. */
  readonly methods: ReadonlyArray<MethodStats>
}

const merged = (records: ReadonlyArray<Readonly<Record<string, number>>>): Record<string, number> => {
  const sum: Record<string, number> = {}
  for (const record of records) for (const [key, count] of Object.entries(record)) sum[key] = (sum[key] ?? 0) + count
  return sum
}

/** `timed` are the series whose durations make the average. */
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
 * The counts of all clients, servers and publishers that share this fiber's `Metric.MetricRegistry`. Reading resets nothing.
 *
 * **Example** (Number of failed calls)
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
