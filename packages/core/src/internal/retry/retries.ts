import type { Metric } from "effect"
import { type Definition, metricOf } from "../telemetry/metrics/definitions.ts"

/** The metric of attempts after the first. */
export const definition: Definition = {
  name: "psrpc_retries",
  type: "counter",
  attributes: ["side", "service", "method", "kind"],
  description: "Attempts after the first that `Retry` has made: calls, openings of streams, and sends on them"
}

export const retries = metricOf(definition, {}) as Metric.Counter<number>
