/** The types of servers. Public in `Server`. */
import type { Duration, Effect, Scope } from "effect"
import type * as PsrpcError from "../../PsrpcError.ts"
import type * as Topic from "../../Topic.ts"
import type { Configurable } from "../calls/configurable.ts"
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
 * Options of a server. Each is optional.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Methods, I extends ReadonlyArray<Interceptor.Any> = readonly []> {
  /** Id of the server, unique among all servers of the service. Default: `SRV_` and 12 random characters. */
  readonly serverId?: string | undefined
  /**
   * The topics that the server registers when it starts, by method. A method without a topic is always registered; a
   * method with a topic, for these topics and those that `register` adds later. Default: none.
   */
  readonly topics?:
    | ({ readonly [K in TopicMethod<Methods>]?: ReadonlyArray<TopicOf<Methods[K]>> } & {
        readonly [K in Exclude<keyof Methods, TopicMethod<Methods>>]?: never
      })
    | undefined
  /** The topics that the server registers when it starts, by topic group. Default: none. */
  readonly groups?:
    | ([GroupOf<Methods>] extends [never]
        ? { readonly [G in keyof Methods]?: never }
        : { readonly [G in GroupOf<Methods>]?: ReadonlyArray<TopicOfGroup<Methods, G>> })
    | undefined
  /**
   * Maximum time for in-flight requests to finish while the server closes. What is left then is interrupted. Default: 3
   * seconds (`defaultDrainTimeout`).
   */
  readonly drainTimeout?: Duration.Input | undefined
  /**
   * Maximum time of a send on a stream, until the client has acknowledged the message; a send's own `timeout` replaces
   * it. Default: 3 seconds (`defaultSendTimeout`).
   */
  readonly sendTimeout?: Duration.Input | undefined
  /**
   * Per method and topic: maximum number of in-flight requests and open streams, claimed or running. At the limit the
   * server sends no claims; where none is needed, it answers `resource_exhausted`. Default: 10,000
   * (`defaultMaxInFlight`).
   */
  readonly maxInFlight?: number | undefined
  /**
   * Per method and topic: maximum number of requests whose affinity is being computed. Further requests are not claimed.
   * Default: 100 (`defaultBufferSize`).
   */
  readonly maxPendingAffinity?: number | undefined
  /**
   * Per stream: maximum number of unread messages. A full buffer holds the sender back. Default: 100
   * (`defaultBufferSize`).
   */
  readonly streamBufferSize?: number | undefined
  /**
   * Keepalive interval of an idle stream, at least 100 milliseconds; `"Infinity"` to send none. Default: 10 seconds
   * (`defaultKeepalive`).
   */
  readonly keepalive?: Duration.Input | undefined
  /**
   * Interceptors around handlers; the first is outermost. The handlers do not require the services that interceptors
   * provide; the server requires the services that interceptors require. Default: none.
   */
  readonly interceptors?: I | undefined
}

/**
 * Options of `layerConfig`: the options of a server, each of which may be a `Config` of its value. `interceptors` may not.
 *
 * @category models
 * @since 0.1.0
 */
export type ConfigOptions<Methods, I extends ReadonlyArray<Interceptor.Any> = readonly []> = Configurable<
  Omit<Options<Methods, I>, "interceptors">
> &
  Pick<Options<Methods, I>, "interceptors">

/**
 * A running server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Server<in out Methods> {
  /** Id of the server. */
  readonly serverId: string
  /**
   * Serves a method for a topic until the scope closes. Succeeds when the broker has acknowledged the subscriptions. Fails
   * with `already_exists` if the topic is registered already, and with `canceled` if the server is closed.
   */
  readonly register: <const K extends TopicMethod<Methods>>(
    method: K,
    topic: TopicOf<Methods[K]>
  ) => Effect.Effect<void, PsrpcError.PsrpcError, Scope.Scope>
  /**
   * Ends a registration before its scope closes. In-flight requests finish and are answered; this does not wait for them.
   * Closes open streams with `unavailable` "EOF". Does nothing without such a registration.
   */
  readonly deregister: <const K extends TopicMethod<Methods>>(
    method: K,
    topic: TopicOf<Methods[K]>
  ) => Effect.Effect<void, PsrpcError.PsrpcError>
  /**
   * Serves the methods of a topic group for a topic until the scope closes: all of them, or none if it fails. See
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
   * Closes the server: accepts no more requests, closes open streams with `unavailable` "EOF", and waits for in-flight
   * requests, at most for the drain timeout. Then interrupts the rest, which is answered with `unavailable`. The server
   * drains in the same way when its scope closes.
   */
  readonly drain: Effect.Effect<void>
  /** Closes the server at once: interrupts every handler, and answers their requests with `unavailable`. */
  readonly kill: Effect.Effect<void>
}
