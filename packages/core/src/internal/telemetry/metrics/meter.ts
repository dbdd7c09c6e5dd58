import type { Context } from "effect"
import type { Method } from "../../definition/method.ts"
import { seriesOf } from "./registry.ts"
import type { Series, Side } from "./series.ts"

/** The numbers of a client, a server or a publisher, by method. */
export interface Meter {
  readonly side: Side
  /** The service's name on the wire. */
  readonly service: string
  /** The numbers of a method: to be asked for once. */
  readonly of: (method: Method) => Series
  /** The same by the method's label; of what has no method, or one that was not asked for, those of the service. */
  readonly at: (label: string) => Series
}

export const make = (context: Context.Context<never>, side: Side, service: string): Meter => {
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
