/**
 * Where the numbers are kept, and how Effect's metric registry finds them.
 *
 * A series is registered with a hook that reads it when somebody takes a snapshot: `Metric.registerUnsafe`, which is there
 * since Effect 4.0.6. It is marked unstable in a module that is stable, and so may change in a minor version of what the
 * peer dependency allows; a test says so if it does.
 */
import { Context, Metric } from "effect"
import { type Definition, metricOf, ofMethods, stateOf } from "./definitions.ts"
import { type Owner, Series } from "./series.ts"

/** Registers what is read when somebody asks. */
export const register = (
  context: Context.Context<never>,
  definition: Definition,
  attributes: Readonly<Record<string, string>>,
  get: () => unknown
): void => {
  const ignore = (): void => {}
  Metric.registerUnsafe(metricOf(definition, attributes), context, { get, update: ignore, modify: ignore })
}

/**
 * The context without attributes that are named as those of the definitions are: Effect would put them in the place of
 * these, and series of several services or methods would be one.
 */
export const withOwnNames = (
  context: Context.Context<never>,
  definitions: ReadonlyArray<Definition>
): Context.Context<never> => {
  const own = new Set(["unit", ...definitions.flatMap(({ attributes }) => attributes)])
  const given = Object.entries(Context.get(context, Metric.CurrentMetricAttributes))
  const others = given.filter(([key]) => !own.has(key))
  if (others.length === given.length) return context
  return Context.add(context, Metric.CurrentMetricAttributes, Object.fromEntries(others))
}

/** Things that are there once for each metric registry, each set of attributes and each key. */
export class PerRegistry<A> {
  readonly #all = new WeakMap<Metric.MetricRegistry, Map<string, A>>()

  get(context: Context.Context<never>, key: ReadonlyArray<string>, make: () => A): A {
    const registry = Context.get(context, Metric.MetricRegistry)
    let made = this.#all.get(registry)
    if (made === undefined) this.#all.set(registry, (made = new Map()))
    const attributes = Object.entries(Context.get(context, Metric.CurrentMetricAttributes)).sort()
    const id = JSON.stringify([attributes, key])
    let known = made.get(id)
    if (known === undefined) made.set(id, (known = make()))
    return known
  }

  of(registry: Metric.MetricRegistry): Iterable<A> {
    return this.#all.get(registry)?.values() ?? []
  }
}

interface Kept {
  readonly series: Series
  /** What the context adds to every metric. */
  readonly attributes: Readonly<Record<string, string>>
}

const kept = new PerRegistry<Kept>()

const present = (attributes: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined)) as Record<string, string>

const registerAll = (context: Context.Context<never>, series: Series): void => {
  const { owner } = series
  const { kind, method, service, side } = owner
  const attributes = present({ side, service, method, kind })
  for (const definition of ofMethods) {
    if (!definition.applies(owner)) continue
    const { read } = definition
    if ("number" in read) register(context, definition, attributes, () => stateOf(definition, read.number(series)))
    else if ("times" in read) register(context, definition, attributes, () => read.times(series).state)
    else {
      const tally = read.words(series)
      const onWord = (word: string): void =>
        register(context, definition, { ...attributes, [read.key]: word }, () => stateOf(definition, tally.of(word)))
      for (const word of read.always) onWord(word)
      tally.onWord = (word) => read.always.includes(word) || onWord(word)
    }
  }
}

/** The numbers of a method: the same for all who ask in one metric registry, with the same attributes. */
export const seriesOf = (given: Context.Context<never>, owner: Owner): Series => {
  const context = withOwnNames(given, ofMethods)
  const { kind = "", method = "", service, side } = owner
  return kept.get(context, [side, service, method, kind], () => {
    const series = new Series(owner)
    registerAll(context, series)
    return { series, attributes: { ...Context.get(context, Metric.CurrentMetricAttributes) } }
  }).series
}

/** All that is counted by method in a registry. */
export const allSeries = (registry: Metric.MetricRegistry): ReadonlyArray<Kept> => Array.from(kept.of(registry))
