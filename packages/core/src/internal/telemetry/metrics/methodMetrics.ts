import type { Context } from "effect"
import type { Method } from "../../definition/method.ts"
import { seriesOf } from "./registry.ts"
import type { Series, Side } from "./series.ts"

/** The metrics of a client, a server or a publisher, by method. */
export interface MethodMetrics {
  readonly side: Side
  /** The service's name on the wire. */
  readonly service: string
  /** The series of a method. Called once for each method. */
  readonly of: (method: Method) => Series
  /** The series of a method by its label; that of the service if `of` has not been called for the method. */
  readonly at: (label: string) => Series
}

export const make = (context: Context.Context<never>, side: Side, service: string): MethodMetrics => {
  const byLabel = new Map<string, Series>()
  let others: Series | undefined
  return {
    side,
    service,
    of: (method) => {
      const { kind, label, name } = method
      let series = byLabel.get(label)
      if (series === undefined) {
        const requireClaim = kind !== "subscription" && method.requireClaim
        series = seriesOf(context, { side, service, method: name, kind, requireClaim })
        byLabel.set(label, series)
      }
      return series
    },
    at: (label) =>
      byLabel.get(label) ??
      (others ??= seriesOf(context, { side, service, method: undefined, kind: undefined, requireClaim: false }))
  }
}
