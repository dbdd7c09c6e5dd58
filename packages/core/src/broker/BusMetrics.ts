/**
 * The metrics that every bus counts, among Effect's metrics. To count is to increment a number; Effect's metric state is
 * created only when metrics are read.
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
import { Effect, Metric, type Scope } from "effect"
import { type BusSeries, busSeriesOf } from "../internal/telemetry/metrics/buses.ts"
import { messagesDropped } from "../internal/telemetry/metrics/definitions.ts"

/**
 * Counts the messages, connections and subscriptions of all buses of one kind that share a `Metric.MetricRegistry`.
 *
 * @category models
 * @since 0.1.0
 */
export class BusMetrics {
  readonly #series: BusSeries

  /** Use `make`. */
  constructor(series: BusSeries) {
    this.#series = series
  }

  /** Counts a message that was published on the bus, by its size in bytes: `psrpc_bus_messages_published`, `psrpc_bus_published_bytes`. */
  published(bytes: number): void {
    this.#series.published++
    this.#series.publishedBytes += bytes
  }

  /** Counts a message that the bus received, by its size in bytes: `psrpc_bus_messages_received`, `psrpc_bus_received_bytes`. */
  received(bytes: number): void {
    this.#series.received++
    this.#series.receivedBytes += bytes
  }

  /** Counts a lost connection: `psrpc_bus_connections_lost`. */
  lost(): void {
    this.#series.lost++
  }

  /** Counts a connection that was restored after a loss: `psrpc_bus_reconnects`. */
  reconnected(): void {
    this.#series.reconnects++
  }

  /** Counts a subscription from its acknowledgment until its scope closes: `psrpc_bus_subscriptions`. */
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
 * Creates the metrics of a bus in the metric registry of the current fiber. `kind` is the kind of broker in lower case,
 * and the value of the attribute `bus`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (kind: string): Effect.Effect<BusMetrics> =>
  Effect.map(Effect.context<never>(), (context) => new BusMetrics(busSeriesOf(context, kind, true)))

/**
 * Creates the counter of messages that a bus drops for a reason of its own: `psrpc_messages_dropped`, with the attributes
 * `side: "bus"` and `reason`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const droppedMessages = (reason: string): Metric.Metric<number, Metric.CounterState<number>> => {
  const { description, name } = messagesDropped
  return Metric.withAttributes(Metric.counter(name, { description, incremental: true }), { reason, side: "bus" })
}
