/** The types of servers. Public in `Server`. */
import type { Duration, Effect, Scope } from "effect"
import type * as PsrpcError from "../../PsrpcError.ts"
import type * as Topic from "../../Topic.ts"
import type * as Interceptor from "../calls/interceptorTypes.ts"

/**
 * The methods that are registered by topic, each by itself.
 *
 * @category utility types
 * @since 0.1.0
 */
export type TopicMethod<Methods> = {
  [K in keyof Methods]: Methods[K] extends { readonly topic: infer T; readonly group: undefined }
    ? Topic.IsEmpty<T> extends true
      ? never
      : K
    : never
}[keyof Methods] &
  string

/**
 * The topic groups of methods.
 *
 * @category utility types
 * @since 0.1.0
 */
export type GroupOf<Methods> = {
  [K in keyof Methods]: Methods[K] extends { readonly group: infer G extends string } ? G : never
}[keyof Methods]

/**
 * The topic of a topic group.
 *
 * @category utility types
 * @since 0.1.0
 */
export type TopicOfGroup<Methods, G extends string> = {
  [K in keyof Methods]: Methods[K] extends { readonly group: G } ? TopicOf<Methods[K]> : never
}[keyof Methods]

/**
 * A method's topic.
 *
 * @category utility types
 * @since 0.1.0
 */
export type TopicOf<M> = M extends { readonly topic: infer T } ? Topic.Topic<T> : never

/**
 * Options of a server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Methods, I extends ReadonlyArray<Interceptor.Any> = readonly []> {
  /** The server's id, unique among all servers of the service. Default: `SRV_` and 12 random characters. */
  readonly serverId?: string | undefined
  /** How long requests in hand may take when the server closes. Default: 3 seconds. */
  readonly drainTimeout?: Duration.Input | undefined
  /**
   * The topics to register at once, by method. Methods without a topic are registered anyway, others when `register`
   * says so. Default: none.
   */
  readonly topics?:
    | ({ readonly [K in TopicMethod<Methods>]?: ReadonlyArray<TopicOf<Methods[K]>> } & {
        readonly [K in Exclude<keyof Methods, TopicMethod<Methods>>]?: never
      })
    | undefined
  /** The topics to register at once, by topic group. Default: none. */
  readonly groups?:
    | ([GroupOf<Methods>] extends [never]
        ? { readonly [G in keyof Methods]?: never }
        : { readonly [G in GroupOf<Methods>]?: ReadonlyArray<TopicOfGroup<Methods, G>> })
    | undefined
  /**
   * How many requests may wait for their affinity, per method, where to more the server keeps silent; and how many
   * messages of a stream to be read, where more make the sender wait. Default: 100.
   */
  readonly bufferSize?: number | undefined
  /** How long a send on a stream takes at most, where it does not say. Default: 3 seconds. */
  readonly timeout?: Duration.Input | undefined
  /** How often a stream with nothing to send gives a sign of life; `"Infinity"` for never. Default: 10 seconds. */
  readonly keepalive?: Duration.Input | undefined
  /**
   * How many requests and streams of a method, per topic, may be in hand, waiting for their claims or running, before it
   * makes no more offers, and where nothing is claimed answers `resource_exhausted`. Default: 10,000.
   */
  readonly maxPending?: number | undefined
  /**
   * What runs around handlers, the first outermost. What it provides, the handlers need not be given; what it requires,
   * the server requires. Default: none.
   */
  readonly interceptors?: I | undefined
}

/**
 * A running server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Server<in out Methods> {
  readonly serverId: string
  /**
   * Serves a method for a topic until the scope closes; ready when this succeeds. Fails with `already_exists` for a
   * topic that is registered, with `canceled` when the server is closed.
   */
  readonly register: <const K extends TopicMethod<Methods>>(
    method: K,
    topic: TopicOf<Methods[K]>
  ) => Effect.Effect<void, PsrpcError.PsrpcError, Scope.Scope>
  /**
   * Ends a registration before its scope does. Requests in hand are finished and answered, and not waited for; its
   * streams are closed with `unavailable` "EOF". Without such a registration it does nothing.
   */
  readonly deregister: <const K extends TopicMethod<Methods>>(
    method: K,
    topic: TopicOf<Methods[K]>
  ) => Effect.Effect<void, PsrpcError.PsrpcError>
  /**
   * Serves the methods of a topic group for a topic until the scope closes: all of them, or none where it fails. See
   * `register`.
   */
  readonly registerGroup: <const G extends GroupOf<Methods>>(
    group: G,
    topic: TopicOfGroup<Methods, G>
  ) => Effect.Effect<void, PsrpcError.PsrpcError, Scope.Scope>
  /** Ends the registrations of a topic group for a topic. See `deregister`. */
  readonly deregisterGroup: <const G extends GroupOf<Methods>>(
    group: G,
    topic: TopicOfGroup<Methods, G>
  ) => Effect.Effect<void, PsrpcError.PsrpcError>
  /**
   * Takes no more requests, closes its streams with `unavailable` "EOF", finishes what is in hand within the drain
   * timeout, then interrupts what is left, which is answered `unavailable`. The scope's closing does the same.
   */
  readonly drain: Effect.Effect<void>
  /** Interrupts every handler at once; their callers are answered `unavailable`. */
  readonly kill: Effect.Effect<void>
}
