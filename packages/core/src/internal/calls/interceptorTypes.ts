/**
 * The types of interceptors, and what they do to requirements; public in `Interceptor`.
 */
import type { Scope } from "effect"
import type { CurrentCall } from "./callContext.ts"

/**
 * The type id of interceptors.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId: TypeId = "~effect-psrpc/Interceptor"

/**
 * The type id of interceptors.
 *
 * @category type IDs
 * @since 0.1.0
 */
export type TypeId = "~effect-psrpc/Interceptor"

/**
 * What an interceptor may wrap: a server's handlers (of calls, of streams), a client's calls (with one answer, with many),
 * its streams, its subscriptions, and a publisher's updates.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = "server" | "serverStream" | "client" | "clientMulti" | "clientStream" | "subscribe" | "publish"

/**
 * What a wrap of one kind does to the requirements of what is behind it: takes away what it provides, and adds its own.
 * One that provides more will do in place of one that provides less, and never the other way round.
 *
 * @category models
 * @since 0.1.0
 */
export interface Wrap<out K extends Kind, in Provides, out Requires> {
  readonly kind: K
  readonly provides: (_: Provides) => void
  readonly requires: Requires
}

/**
 * Any wrap, erased.
 *
 * @category models
 * @since 0.1.0
 */
export type AnyWrap = Wrap<Kind, never, unknown>

/**
 * An interceptor: wraps of one kind or of several, the first outermost.
 *
 * @category models
 * @since 0.1.0
 */
export interface Interceptor<out Wraps extends ReadonlyArray<AnyWrap>> {
  readonly [TypeId]: (_: never) => Wraps
}

/**
 * Any interceptor, erased.
 *
 * @category models
 * @since 0.1.0
 */
export interface Any {
  readonly [TypeId]: (_: never) => unknown
}

/**
 * An interceptor that requires nothing, as a single call may be given.
 *
 * @category models
 * @since 0.1.0
 */
export type Free = Interceptor<ReadonlyArray<Wrap<Kind, never, never>>>

type WrapsOf<I> = I extends { readonly [TypeId]: (_: never) => infer W extends ReadonlyArray<AnyWrap> } ? W : never

/**
 * The wraps of interceptors, one behind the other.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Wraps<I> = I extends readonly []
  ? readonly []
  : I extends readonly [infer Head, ...infer Tail]
    ? readonly [...WrapsOf<Head>, ...Wraps<Tail>]
    : I extends readonly [...infer Rest, infer Last]
      ? readonly [...Wraps<Rest>, ...WrapsOf<Last>]
      : I extends ReadonlyArray<infer Each>
        ? ReadonlyArray<WrapsOf<Each>[number]>
        : never

type RequiresOf<W, K extends Kind> =
  W extends Wrap<infer Own, never, infer Requires> ? (Own extends K ? Requires : never) : never

/**
 * The requirements of what wraps of the given kinds are around, from the innermost outwards. Of those in a list whose length
 * is not known, nothing is taken to be provided.
 */
type Around<W, K extends Kind, R> = W extends readonly []
  ? R
  : W extends readonly [...infer Outer, infer Inner]
    ? Around<Outer, K, Inner extends Wrap<infer Own, infer P, infer Q> ? (Own extends K ? Exclude<R, P> | Q : R) : R>
    : W extends readonly [unknown, ...ReadonlyArray<unknown>]
      ? AroundList<W, K, R, readonly []>
      : R | (W extends ReadonlyArray<infer Each> ? RequiresOf<Each, K> : never)

/** The same where a list is innermost: `Before` are those in front of it. */
type AroundList<W, K extends Kind, R, Before extends ReadonlyArray<unknown>> = W extends readonly [
  infer Head,
  ...infer Tail
]
  ? AroundList<Tail, K, R, readonly [...Before, Head]>
  : Around<Before, K, Around<W, K, R>>

/** What each call has of its own. */
type OfTheCall = Scope.Scope | CurrentCall

/**
 * What handlers of calls require behind interceptors.
 *
 * @category utility types
 * @since 0.1.0
 */
export type AroundCalls<I, R> = Around<Wraps<I>, "server", Exclude<R, OfTheCall>>

/**
 * What handlers of streams require behind interceptors.
 *
 * @category utility types
 * @since 0.1.0
 */
export type AroundStreams<I, R> = Around<Wraps<I>, "serverStream", Exclude<R, OfTheCall>>

/**
 * What a client requires for its interceptors.
 *
 * @category utility types
 * @since 0.1.0
 */
export type ClientServices<I> = RequiresOf<Wraps<I>[number], "client" | "clientMulti" | "clientStream" | "subscribe">

/**
 * What a publisher requires for its interceptors.
 *
 * @category utility types
 * @since 0.1.0
 */
export type PublisherServices<I> = RequiresOf<Wraps<I>[number], "publish">

/** What a wrap of a kind requires of others: each call has a scope, and a handler's its call. */
type Of<K extends Kind, R> = Exclude<R, K extends "server" | "serverStream" ? OfTheCall : Scope.Scope>

/** An interceptor of several kinds, which provides the same in all, and requires the same. */
export type Same<Kinds extends ReadonlyArray<Kind>, P, R> = Interceptor<{
  readonly [N in keyof Kinds]: Wrap<Kinds[N], P, Of<Kinds[N], R>>
}>

/** An interceptor of one kind. */
export type Single<K extends Kind, P, R> = Same<readonly [K], P, R>
