/** What the metrics say, in a form that tests can compare. */
import { type Context, Effect, Metric } from "effect"

/** Numbers by metric and word (`calls_finished ok`); of times, how often and how many seconds in all. */
export type Numbers = Readonly<Record<string, number | readonly [count: number, sum: number]>>

const words = ["code", "outcome", "reason"]

const prefix = "psrpc_"

const valueOf = (snapshot: Metric.Metric.Snapshot): Numbers[string] => {
  switch (snapshot.type) {
    case "Counter":
      return Number(snapshot.state.count)
    case "Gauge":
      return Number(snapshot.state.value)
    case "Histogram":
      return [snapshot.state.count, snapshot.state.sum]
    default:
      throw new Error(`psrpc has no ${snapshot.type}`)
  }
}

const isNothing = (value: Numbers[string]): boolean => (typeof value === "number" ? value === 0 : value[0] === 0)

/** All that is not 0 of one method on one side; the method is `undefined` for what has none. */
export const numbersIn = (context: Context.Context<never>, side: string, method: string | undefined): Numbers => {
  const found: Record<string, Numbers[string]> = {}
  for (const snapshot of Metric.snapshotUnsafe(context)) {
    const { attributes = {}, id } = snapshot
    if (!id.startsWith(prefix) || attributes["side"] !== side || attributes["method"] !== method) continue
    const value = valueOf(snapshot)
    if (isNothing(value)) continue
    const word = words.map((key) => attributes[key]).find((word) => word !== undefined)
    const name = id.slice(prefix.length)
    found[word === undefined ? name : `${name} ${word}`] = value
  }
  return found
}

/** The same in the test's own registry. */
export const numbers = (side: string, method: string | undefined): Effect.Effect<Numbers> =>
  Effect.map(Effect.context<never>(), (context) => numbersIn(context, side, method))

/** Of these, those whose names begin so. */
export const only = (numbers: Numbers, ...names: ReadonlyArray<string>): Numbers =>
  Object.fromEntries(Object.entries(numbers).filter(([key]) => names.some((name) => key.startsWith(name))))

/** How the calls of a method ended, and how many have not: what every way of ending is tested for. */
export const endings = (side: string, method: string): Effect.Effect<Numbers> =>
  Effect.map(numbers(side, method), (all) => only(all, "calls_finished", "calls_in_flight"))
