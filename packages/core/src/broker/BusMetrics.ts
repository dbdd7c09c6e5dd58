/**
 * What a bus counts, for authors of buses: in Effect's metrics, under the names that every bus has. Counting is an
 * increment; who reads the metrics pays for the reading.
 *
 * **Example** (A bus that counts)
 *
 * ```ts
 * import { MessageBus } from "@effect-psrpc/core"
 * import { BusMetrics } from "@effect-psrpc/core/broker"
 * import { Effect } from "effect"
 *
 * declare const uncounted: MessageBus.MessageBus["Service"]
 *
 * const make = Effect.gen(function*() {
 *   const metrics = yield* BusMetrics.make("mybroker")
 *   return MessageBus.MessageBus.of({
 *     ...uncounted,
 *     publishUnsafe(target, message, expiry, delivery) {
 *       metrics.published(message.length)
 *       uncounted.publishUnsafe(target, message, expiry, delivery)
 *     },
 *     subscribe: (channel, listener, options) => metrics.subscription(uncounted.subscribe(channel, listener, options))
 *   })
 * })
 * ```
 *
 * @since 0.1.0
 */
import { Effect, type Scope } from "effect"
import { type BusSeries, busSeriesOf } from "../internal/telemetry/metrics/buses.ts"

/**
 * The numbers of all buses of one kind that share a `Metric.MetricRegistry`.
 *
 * @category models
 * @since 0.1.0
 */
export class BusMetrics {
  readonly #series: BusSeries

  /** Made by `make`. */
  constructor(series: BusSeries) {
    this.#series = series
  }

  /** A message of so many bytes was given to the bus: `psrpc_bus_messages_published`, `psrpc_bus_published_bytes`. */
  published(bytes: number): void {
    this.#series.published++
    this.#series.publishedBytes += bytes
  }

  /** A message of so many bytes has come: `psrpc_bus_messages_received`, `psrpc_bus_received_bytes`. */
  received(bytes: number): void {
    this.#series.received++
    this.#series.receivedBytes += bytes
  }

  /** A connection was lost: `psrpc_bus_connections_lost`. */
  lost(): void {
    this.#series.lost++
  }

  /** A connection that was lost is back: `psrpc_bus_reconnects`. */
  reconnected(): void {
    this.#series.reconnects++
  }

  /** Counts a subscription from when it is there until its scope closes: `psrpc_bus_subscriptions`. */
  subscription<E, R>(subscribing: Effect.Effect<void, E, R>): Effect.Effect<void, E, R | Scope.Scope> {
    const series = this.#series
    return Effect.andThen(
      subscribing,
      Effect.acquireRelease(
        Effect.sync(() => {
          series.subscriptions++
        }),
        () =>
          Effect.sync(() => {
            series.subscriptions--
          })
      )
    )
  }
}

/**
 * Takes them from the fiber that makes the bus. `kind` is the broker's, in lower case: the attribute `bus`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (kind: string): Effect.Effect<BusMetrics> =>
  Effect.map(Effect.context<never>(), (context) => new BusMetrics(busSeriesOf(context, kind, true)))
