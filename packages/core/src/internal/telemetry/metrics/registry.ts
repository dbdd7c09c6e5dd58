/**
 * The series of all methods, and their registration in Effect's metric registry.
 *
 * A series is registered with a hook that reads it when a snapshot is taken. Plain fields cost an increment, where
 * `Metric.update` costs 0.4 to 1.7 µs. The hook is `Metric.registerUnsafe` of Effect 4.0.6 or later. It is marked unstable, in
 * a module that is stable, so a minor version of Effect may change it; a test fails if that happens.
 */
import { Context, Metric } from "effect"
import { type Definition, metricOf, ofMethods, stateOf } from "./definitions.ts"
import { type Owner, Series } from "./series.ts"

/** Registers a metric that `get` reads for each snapshot. */
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
 * Removes attributes from the context whose names are those of the definitions: Effect would replace the values of the
 * definitions by them, and would merge the series of several services or methods.
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

/** Values that exist once for each metric registry, set of attributes and key. */
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
  /** The attributes that the context adds to every metric. */
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
      const counter = read.labels(series)
      const onLabel = (label: string): void =>
        register(context, definition, { ...attributes, [read.key]: label }, () =>
          stateOf(definition, counter.of(label))
        )
      for (const label of read.always) onLabel(label)
      counter.onLabel = (label) => read.always.includes(label) || onLabel(label)
    }
  }
}

/** Returns the series of a method: one for each metric registry and set of attributes. */
export const seriesOf = (given: Context.Context<never>, owner: Owner): Series => {
  const context = withOwnNames(given, ofMethods)
  const { kind = "", method = "", service, side } = owner
  return kept.get(context, [side, service, method, kind], () => {
    const series = new Series(owner)
    registerAll(context, series)
    return { series, attributes: { ...Context.get(context, Metric.CurrentMetricAttributes) } }
  }).series
}

/** Returns all series of a registry. */
export const allSeries = (registry: Metric.MetricRegistry): ReadonlyArray<Kept> => Array.from(kept.of(registry))
