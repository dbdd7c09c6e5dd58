/** Interceptors at run time: steps of each kind, composed once for each method. */
import { Effect } from "effect"
import type { Metadata } from "../metadata/model.ts"
import { merge } from "../metadata/combine.ts"
import type { CalledMethod, Method } from "../definition/method.ts"
import type { CallInfo } from "../calls/interceptedCalls.ts"
import { type Any, type Kind, TypeId } from "../calls/interceptorTypes.ts"

/** An interceptor at run time: receives the call, and `next`, which runs the rest with that call or with another one. */
export type Step<C = any, R = any> = (call: C, next: (call: C) => R) => R

/** A step, with its kind. */
export interface Entry {
  readonly kind: Kind
  readonly step: Step
}

/** The value of an interceptor. */
interface Implementation extends Any {
  readonly entries: ReadonlyArray<Entry>
}

const variance = (_: never): unknown => _

export const make = (entries: ReadonlyArray<Entry>): Implementation => ({ [TypeId]: variance, entries })

/** Checks that an argument is a function. Throws a `TypeError` that names the constructor. */
export const functionOf = <F>(name: string, f: F): F => {
  if (typeof f === "function") return f
  throw new TypeError(`Interceptor.${name}: expected a function, got ${f === null ? "null" : typeof f}`)
}

const isInterceptor = (u: unknown): u is Implementation => typeof u === "object" && u !== null && TypeId in u

/** Returns the steps of all interceptors, in order. Throws a `TypeError` for a value that is not an interceptor. */
export const entriesOf = (interceptors: ReadonlyArray<Any> | undefined): ReadonlyArray<Entry> => {
  if (interceptors === undefined) return []
  if (!Array.isArray(interceptors)) throw new TypeError("interceptors: expected an array of interceptors")
  return interceptors.flatMap((each: unknown, index) => {
    if (isInterceptor(each)) return each.entries
    throw new TypeError(
      `interceptors[${index}]: expected an interceptor, as the constructors of Interceptor make, got ${each === null ? "null" : typeof each}`
    )
  })
}

/** Returns the steps of one kind. */
export const stepsOf = (entries: ReadonlyArray<Entry>, kind: Kind): ReadonlyArray<Step> =>
  entries.flatMap((entry) => (entry.kind === kind ? [entry.step] : []))

/** Defers a step: it runs when its result runs, and again each time that its result runs. */
export type Defer<C, R> = (run: (call: C) => R) => (call: C) => R

/** Defers a step whose result is an Effect. */
export const defer =
  <C, A, E, R>(run: (call: C) => Effect.Effect<A, E, R>) =>
  (call: C): Effect.Effect<A, E, R> =>
    Effect.suspend(() => effectOf(run(call)))

/** Turns a return value that is not an Effect into a defect. The fiber would end without running its finalizers. */
export const effectOf = <A, E, R>(given: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.isEffect(given) ? given : Effect.die(new TypeError(`expected an Effect, got ${typeof given}`))

/** Composes the steps around `last`, which defers itself. The first step is the outermost. */
export const compose = <C, R>(
  steps: ReadonlyArray<Step<C, R>>,
  last: (call: C) => R,
  defer: Defer<C, R>
): ((call: C) => R) => steps.reduceRight<(call: C) => R>((next, step) => defer((call) => step(call, next)), last)

/** The part of the call info that is the same for all calls of a method. */
export const infoOf = (method: Method): Omit<CallInfo, "topic"> => ({
  service: method.service,
  method: method.name,
  kind: method.kind,
  rpc: method.rpc,
  annotations: method.annotations,
  idempotent: method.kind !== "subscription" && (method as CalledMethod).idempotent
})

/**
 * Replaces options of a call. An option that is `undefined` is not replaced. Metadata is merged, so that an interceptor that
 * adds a key keeps the others.
 */
export const changed = <C extends { readonly options: object }>(call: C, over: object | undefined): C => {
  if (over === undefined) return call
  const options: Record<string, unknown> = { ...call.options }
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue
    const base = options[key]
    options[key] = key === "metadata" && base !== undefined ? merge(base as Metadata, value) : value
  }
  return { ...call, options }
}
