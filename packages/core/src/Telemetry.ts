/**
 * Metrics of the library, and their values without a metrics backend.
 *
 * Clients, servers, publishers and buses count in Effect's metrics. Counting is an increment; a metric is computed when a
 * snapshot is taken. Every exporter of Effect's metrics exports them. Programs without an exporter read `Telemetry.stats`.
 *
 * **Example** (Printing the totals)
 *
 * ```ts
 * import { Telemetry } from "@effect-psrpc/core"
 * import { Console, Effect } from "effect"
 *
 * const program = Effect.flatMap(Telemetry.stats, (stats) => Console.log(stats.totals))
 * ```
 *
 * @since 0.1.0
 */
import { ofBuses } from "./internal/telemetry/metrics/buses.ts"
import { type Definition, ofMethods } from "./internal/telemetry/metrics/definitions.ts"

export { type Counts, type MethodStats, stats, type Stats, type Traffic } from "./internal/telemetry/metrics/stats.ts"

/**
 * The definition of a metric: name, type, unit and attributes.
 *
 * @category models
 * @since 0.1.0
 */
export interface MetricDefinition extends Definition {}

/**
 * The definitions of all metrics of this package. A bus of another package may have further ones.
 *
 * **Example** (The names of the metrics)
 *
 * ```ts
 * import { Telemetry } from "@effect-psrpc/core"
 *
 * const names = Telemetry.metrics.map(({ name }) => name)
 * ```
 *
 * @category metrics
 * @since 0.1.0
 */
export const metrics: ReadonlyArray<MetricDefinition> = [...ofMethods, ...ofBuses].map(
  ({ attributes, description, name, type, unit }) => ({ name, type, unit, attributes, description })
)
