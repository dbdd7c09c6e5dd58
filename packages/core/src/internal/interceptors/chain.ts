/** Interceptors at run time: steps of a kind, put together once for each method. */
import { Context, Effect, Stream, Tracer } from "effect"
import * as Metadata from "../../Metadata.ts"
import { merge } from "../metadata.ts"
import { CurrentCall } from "../callContext.ts"
import type { CalledMethod, Method } from "../method.ts"
import { type Any, type Info, type Kind, TypeId } from "./models.ts"

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

/** The steps of one kind. */
export const stepsOf = (entries: ReadonlyArray<Entry>, kind: Kind): ReadonlyArray<Step> =>
  entries.flatMap((entry) => (entry.kind === kind ? [entry.step] : []))

/** All steps around the last: the first is outermost. */
export const around = <C, R>(steps: ReadonlyArray<Step<C, R>>, last: (call: C) => R): ((call: C) => R) =>
  steps.reduceRight<(call: C) => R>((next, step) => (call) => step(call, next), last)

/** What every interceptor sees of a method, but for the topic. */
export const infoOf = (method: Method): Omit<Info, "topic"> => ({
  service: method.service,
  method: method.name,
  kind: method.kind,
  idempotent: method.kind !== "subscription" && (method as CalledMethod).idempotent
})

/** Options over options; metadata is merged, so that what an interceptor adds takes nothing away. */
export const changed = <C extends { readonly options: object }>(call: C, over: object | undefined): C => {
  if (over === undefined) return call
  const { metadata: base } = call.options as { readonly metadata?: Metadata.Metadata | undefined }
  const { metadata } = over as { readonly metadata?: Metadata.Metadata | undefined }
  const both = base !== undefined && metadata !== undefined ? { metadata: merge(base, metadata) } : {}
  return { ...call, options: { ...call.options, ...over, ...both } }
}

/** Gives steps that run in somebody else's fiber the services that they were made with. */
export interface Services {
  readonly effect: <A, E, R = never>(self: Effect.Effect<A, E, any>) => Effect.Effect<A, E, R>
  readonly stream: <A, E>(self: Stream.Stream<A, E, any>) => Stream.Stream<A, E>
}

const noServices: Services = {
  effect: (self) => self,
  stream: <A, E>(self: Stream.Stream<A, E, any>) => self as Stream.Stream<A, E>
}

const isFiberLocal = (key: string): boolean => key.startsWith("effect/") || key.startsWith("@effect-psrpc/core/")

/**
 * The services of `context`, over those of the calling fiber. What is Effect's or this library's own is fiber-local as a
 * rule, a tracer or outgoing metadata for instance: there the caller's is taken, where it has one.
 */
export const servicesOf = (context: Context.Context<never>): Services => {
  const all = [...Context.omit(Tracer.ParentSpan, Metadata.Outgoing, CurrentCall)(context).mapUnsafe]
  if (all.length === 0) return noServices
  const under = Context.makeUnsafe<never>(new Map(all.filter(([key]) => isFiberLocal(key))))
  const over = Context.makeUnsafe<never>(new Map(all.filter(([key]) => !isFiberLocal(key))))
  const provided = (caller: Context.Context<any>): Context.Context<any> =>
    Context.merge(Context.merge(under, caller), over)
  return {
    effect: (self) => Effect.updateContext(self, provided),
    stream: <A, E>(self: Stream.Stream<A, E, any>) => Stream.updateContext(self, provided) as Stream.Stream<A, E>
  }
}
