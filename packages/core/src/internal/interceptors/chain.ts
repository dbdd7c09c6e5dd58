/** Interceptors at run time: steps of a kind, put together once for each method. */
import { Context, Effect, Stream } from "effect"
import * as Metadata from "../metadata/model.ts"
import { merge } from "../metadata/combine.ts"
import { CurrentCall } from "../calls/callContext.ts"
import type { CalledMethod, Method } from "../definition/method.ts"
import type { CallInfo } from "../calls/interceptedCalls.ts"
import { type Any, type Kind, TypeId } from "../calls/interceptorTypes.ts"

/** One wrap: given what it is about, and what runs the rest with that or with something in its place. */
export type Step<C = any, R = any> = (call: C, next: (call: C) => R) => R

/** A step of a kind. */
export interface Entry {
  readonly kind: Kind
  readonly step: Step
}

interface Made extends Any {
  readonly entries: ReadonlyArray<Entry>
}

const variance = (_: never): unknown => _

export const make = (entries: ReadonlyArray<Entry>): Made => ({ [TypeId]: variance, entries })

/** Throws for what a program without types may have given in place of a function. */
export const functionOf = <F>(name: string, f: F): F => {
  if (typeof f === "function") return f
  throw new TypeError(`Interceptor.${name}: expected a function, got ${f === null ? "null" : typeof f}`)
}

const isMade = (u: unknown): u is Made => typeof u === "object" && u !== null && TypeId in u

/** The steps of all, one behind the other. Throws for what a program without types may have given. */
export const entriesOf = (interceptors: ReadonlyArray<Any> | undefined): ReadonlyArray<Entry> => {
  if (interceptors === undefined) return []
  if (!Array.isArray(interceptors)) throw new TypeError("interceptors: expected a list of interceptors")
  return interceptors.flatMap((each: unknown, index) => {
    if (isMade(each)) return each.entries
    throw new TypeError(
      `interceptors[${index}]: expected what a constructor of Interceptor makes, got ${each === null ? "null" : typeof each}`
    )
  })
}

/** Who has interceptors, and which kinds run around what it does. */
const kindsOf = {
  client: ["client", "clientMulti", "clientStream", "subscribe"],
  server: ["server", "serverStream"],
  publisher: ["publish"]
} as const satisfies Readonly<Record<string, ReadonlyArray<Kind>>>

export type Owner = keyof typeof kindsOf

/** What is wrong with those that are around nothing, and so protect nothing; one list may be meant for several owners. */
export const idleOf = (owner: Owner, interceptors: ReadonlyArray<Any> | undefined): ReadonlyArray<string> => {
  const own: ReadonlyArray<Kind> = kindsOf[owner]
  return (interceptors ?? []).flatMap((each, index) => {
    const kinds = [...new Set((each as Made).entries.map(({ kind }) => kind))]
    if (kinds.length === 0 || kinds.some((kind) => own.includes(kind))) return []
    return [`interceptors[${index}] (${kinds.join(", ")}) runs around nothing that a ${owner} does (${own.join(", ")})`]
  })
}

/** The steps of one kind. */
export const stepsOf = (entries: ReadonlyArray<Entry>, kind: Kind): ReadonlyArray<Step> =>
  entries.flatMap((entry) => (entry.kind === kind ? [entry.step] : []))

/** What runs a step, or the last: nothing of it before it is run, and all of it each time. */
export type Later<C, R> = (run: (call: C) => R) => (call: C) => R

/** The same for Effects that need to know nothing when they run. */
export const later =
  <C, A, E, R>(run: (call: C) => Effect.Effect<A, E, R>) =>
  (call: C): Effect.Effect<A, E, R> =>
    Effect.suspend(() => effectOf(run(call)))

/** What is no Effect ends a fiber at once, and nothing in it hears of that: here it is a defect as any other. */
export const effectOf = <A, E, R>(given: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.isEffect(given) ? given : Effect.die(new TypeError(`expected an Effect, got ${typeof given}`))

/** All steps around the last, which runs nothing before its time itself: the first is outermost. */
export const around = <C, R>(
  steps: ReadonlyArray<Step<C, R>>,
  last: (call: C) => R,
  runs: Later<C, R>
): ((call: C) => R) => steps.reduceRight<(call: C) => R>((next, step) => runs((call) => step(call, next)), last)

/** What every interceptor sees of a method, but for the topic. */
export const infoOf = (method: Method): Omit<CallInfo, "topic"> => ({
  service: method.service,
  method: method.name,
  kind: method.kind,
  rpc: method.rpc,
  idempotent: method.kind !== "subscription" && (method as CalledMethod).idempotent
})

/**
 * Options over options; what is `undefined` is not given. Metadata is merged, so that what an interceptor adds takes nothing
 * away.
 */
export const changed = <C extends { readonly options: object }>(call: C, over: object | undefined): C => {
  if (over === undefined) return call
  const options: Record<string, unknown> = { ...call.options }
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue
    const base = options[key]
    options[key] = key === "metadata" && base !== undefined ? merge(base as Metadata.Metadata, value) : value
  }
  return { ...call, options }
}

/** Gives steps that run in somebody else's fiber the services that they were made with. */
export interface Services {
  readonly effect: <A, E, R = never>(self: Effect.Effect<A, E, any>) => Effect.Effect<A, E, R>
  readonly stream: <A, E>(self: Stream.Stream<A, E, any>) => Stream.Stream<A, E>
}

/** What Effect keeps by fiber, and is no service that somebody asks a Layer for. */
const fiberLocal =
  /^effect\/(Cause|Clock|ConfigProvider|Console|ErrorReporter|ExecutionPlan|Layer|Logger|Loggers|ManagedRuntime|Metric|Random|References|Schedule|Scheduler|Scope|Tracer)(\/|$)/

/** How many services are added one by one. */
const mostLaidOver = 6

/**
 * The services of `context`, over those of the calling fiber. What is fiber-local stays the caller's: its clock, tracer and
 * loggers, its outgoing metadata, the call that it answers.
 */
export const servicesOf = (context: Context.Context<never>): Services => {
  const own = [...Context.omit(Metadata.Outgoing, CurrentCall)(context).mapUnsafe].filter(
    ([key]) => !fiberLocal.test(key)
  )
  const services = Context.makeUnsafe<never>(new Map(own))
  // few are laid over the caller's context, which costs less than to copy it
  const provided = (caller: Context.Context<any>): Context.Context<any> =>
    own.length > mostLaidOver
      ? Context.merge(caller, services)
      : own.reduce((context, [key, service]) => Context.addUnsafe(context, key, service), caller)
  return {
    effect: (self) => Effect.updateContext(self, provided),
    stream: <A, E>(self: Stream.Stream<A, E, any>) => Stream.updateContext(self, provided) as Stream.Stream<A, E>
  }
}

/** What a client, or a publisher, has of interceptors. */
export interface Interception {
  readonly entries: ReadonlyArray<Entry>
  readonly services: Services
}
