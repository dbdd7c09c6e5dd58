import type { Metric } from "effect"
import { type Definition, metricOf } from "../telemetry/metrics/definitions.ts"

/** The metric of attempts after the first. */
export const definition: Definition = {
  name: "psrpc_retries",
  type: "counter",
  attributes: ["side", "service", "method", "kind"],
  description: "Attempts of `Retry` after the first: of calls, of openings of streams, and of their sends"
}

export const retries = metricOf(definition, {}) as Metric.Counter<number>
