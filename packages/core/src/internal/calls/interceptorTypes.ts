/**
 * The types of interceptors, and their effect on requirements. Public in `Interceptor`.
 *
 * An interceptor is a tuple of wraps. The requirements behind a list of interceptors are computed from the innermost wrap
 * outwards. Example: a handler requires `User | Db`, behind `[Wrap<"server", never, Config>, Wrap<"server", User, Db>]`.
 * The inner wrap removes `User` and adds `Db`: `Db`. The outer one removes nothing and adds `Config`: `Db | Config`.
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
 * The kinds of interceptors: around a server's handlers (of calls, of streams), a client's unary calls, multi calls, streams
 * and subscriptions, and a publisher's updates.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = "server" | "serverStream" | "client" | "clientMulti" | "clientStream" | "subscribe" | "publish"

/**
 * The effect of an interceptor of one kind on the requirements of the handlers, or calls, that it runs around: removes
 * `Provides` and adds `Requires`. Contravariant in `Provides`: a wrap that provides more is assignable to one that provides
 * less.
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
 * An interceptor: wraps of one kind or of several. The first wrap is the outermost.
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
 * An interceptor without requirements. A single call takes no other.
 *
 * @category models
 * @since 0.1.0
 */
export type NoRequirements = Interceptor<ReadonlyArray<Wrap<Kind, never, never>>>

type WrapsOf<I> = I extends { readonly [TypeId]: (_: never) => infer W extends ReadonlyArray<AnyWrap> } ? W : never

/**
 * The wraps of a list of interceptors, in order.
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
 * The requirements `R` behind the wraps `W`, of which those of the kind `K` count, computed from the innermost wrap
 * outwards. Wraps in an array of unknown length add their requirements and provide nothing: there may be none.
 */
type Around<W, K extends Kind, R> = W extends readonly []
  ? R
  : W extends readonly [...infer Outer, infer Inner]
    ? Around<Outer, K, Inner extends Wrap<infer Own, infer P, infer Q> ? (Own extends K ? Exclude<R, P> | Q : R) : R>
    : W extends readonly [unknown, ...ReadonlyArray<unknown>]
      ? AroundList<W, K, R, readonly []>
      : R | (W extends ReadonlyArray<infer Each> ? RequiresOf<Each, K> : never)

/** As `Around`, with an array of unknown length at the end. `Before` are the wraps in front of the array. */
type AroundList<W, K extends Kind, R, Before extends ReadonlyArray<unknown>> = W extends readonly [
  infer Head,
  ...infer Tail
]
  ? AroundList<Tail, K, R, readonly [...Before, Head]>
  : Around<Before, K, Around<W, K, R>>

/** The services that each call of a server has. */
export type CallServices = Scope.Scope | CurrentCall

/**
 * The requirements of handlers of unary and multi methods behind interceptors.
 *
 * @category utility types
 * @since 0.1.0
 */
export type AroundCalls<I, R> = Around<Wraps<I>, "server", Exclude<R, CallServices>>

/**
 * The requirements of handlers of streams behind interceptors.
 *
 * @category utility types
 * @since 0.1.0
 */
export type AroundStreams<I, R> = Around<Wraps<I>, "serverStream", Exclude<R, CallServices>>

/**
 * The requirements of a client for its interceptors.
 *
 * @category utility types
 * @since 0.1.0
 */
export type ClientServices<I> = RequiresOf<Wraps<I>[number], "client" | "clientMulti" | "clientStream" | "subscribe">

/**
 * The requirements of a publisher for its interceptors.
 *
 * @category utility types
 * @since 0.1.0
 */
export type PublisherServices<I> = RequiresOf<Wraps<I>[number], "publish">
