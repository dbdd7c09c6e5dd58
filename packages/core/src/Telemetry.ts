/**
 * What the library tells of its work: metrics, and the numbers behind them as plain values.
 *
 * Clients, servers, publishers and buses count what they do in Effect's metrics, whether anybody reads them or not: a
 * metric of theirs is a number that is read when somebody takes a snapshot. Whatever exports Effect's metrics exports
 * these; who has no such thing reads `Telemetry.stats`.
 *
 * **Example** (What was done so far)
 *
 * ```ts
 * import { Telemetry } from "@effect-psrpc/core"
 * import { Console, Effect } from "effect"
 *
 * const program = Effect.flatMap(Telemetry.stats, (stats) => Console.log(Telemetry.table(stats)))
 * ```
 *
 * @since 0.1.0
 */
import { ofBuses } from "./internal/telemetry/metrics/buses.ts"
import { type Definition, ofMethods } from "./internal/telemetry/metrics/definitions.ts"

export { type Counts, type MethodStats, stats, type Stats, type Traffic } from "./internal/telemetry/metrics/stats.ts"
export { table } from "./internal/telemetry/metrics/table.ts"

/**
 * A metric: its name, its type, its unit and its attributes.
 *
 * @category models
 * @since 0.1.0
 */
export interface MetricDefinition extends Definition {}

/**
 * The metrics that there are, but for those that a package of a bus has of its own.
 *
 * **Example** (Their names)
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
