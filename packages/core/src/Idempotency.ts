/**
 * Idempotency keys: a request that arrives twice runs its handler once.
 *
 * A client sends a key in the metadata of the call: `Retry.unary({ idempotencyKey: true })` makes one for each call. A server
 * with {@link interceptor} keeps the answer to each key, and answers a second request with the same key from its store.
 *
 * **Example** (An order that is placed once)
 *
 * ```ts
 * import { Client, Idempotency, Retry, Rpc, Server, Service } from "@effect-psrpc/core"
 * import { Effect, Schema } from "effect"
 *
 * class Orders extends Service.make("Orders", {
 *   place: Rpc.unary({ request: Schema.String, response: Schema.Int })
 * }) {}
 *
 * let last = 0
 * const OrdersLive = Server.layer(Orders, { place: () => Effect.sync(() => ++last) }, {
 *   interceptors: [Idempotency.interceptor()]
 * })
 *
 * const program = Effect.gen(function*() {
 *   const orders = yield* Client.make(Orders, { interceptors: [Retry.unary({ idempotencyKey: true })] })
 *   return yield* orders.place("tea")
 * })
 * ```
 *
 * @since 0.1.0
 */
import { Duration } from "effect"
import type { Failure, ServerCall } from "./internal/calls/interceptedCalls.ts"
import type { Interceptor, Wrap } from "./internal/calls/interceptorTypes.ts"
import { make } from "./internal/interceptors/chain.ts"
import * as Store from "./internal/retry/idempotencyStore.ts"

/**
 * The metadata key of the idempotency key: `idempotency-key`. `Metadata.with({ [Idempotency.key]: orderId })` sends a key of
 * the caller's own. At most 255 characters.
 *
 * @category constants
 * @since 0.1.0
 */
export const key: string = Store.keyName

/**
 * Default number of answers that a store keeps: 10,000.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultSize: number = Store.defaultSize

/**
 * Default time that a store keeps an answer: 5 minutes.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultTimeToLive: Duration.Duration = Duration.millis(Store.defaultTimeToLive)

/**
 * Options of the store of answers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Maximum number of answers in the store. The oldest is removed first. Default: 10,000. */
  readonly size?: number | undefined
  /** How long the store keeps an answer. Default: 5 minutes. */
  readonly timeToLive?: Duration.Input | undefined
  /**
   * Returns the scope of a call's key: equal keys of different scopes are different keys. Use the tenant, for example, if
   * callers choose keys that others can guess. Default: one scope.
   */
  readonly scope?: ((call: ServerCall) => string) | undefined
  /**
   * Whether to keep a failed answer. Default: unless its code is transient (`unavailable`, `deadline_exceeded`,
   * `resource_exhausted`, `aborted`, `canceled`). A defect or an interruption is never kept.
   */
  readonly cacheWhen?: ((error: Failure) => boolean) | undefined
  /**
   * Whether a handler with a key runs to completion although its caller has disconnected or its deadline has passed, so
   * that the next attempt finds the answer. Calls made by the handler still end at its deadline, and a server that closes
   * interrupts the handler at the end of its drain. Default: `true`.
   */
  readonly runToCompletion?: boolean | undefined
}

/**
 * Makes an interceptor that answers a request from the store if its idempotency key has been used before. While the first
 * request with a key is running, the second waits for its answer. The handler runs once.
 *
 * A key belongs to its service, method and topic. A key that arrives with a different request, or with more than 255
 * characters, fails with `invalid_argument`. A request without a key, or with an empty one, is not affected. Each server
 * answers a multi call itself.
 *
 * Place it after interceptors that authenticate callers: it answers every request that reaches it.
 *
 * The store is in the memory of this process. If a method has several servers, the next attempt may reach another server:
 * route equal keys to one server, by topic or by affinity, or keep the answers in a database. Servers that are given the
 * same interceptor value share one store. Throws a `TypeError` for invalid options.
 *
 * @category constructors
 * @since 0.1.0
 */
export const interceptor = (options: Options = {}): Interceptor<readonly [Wrap<"server", never, never>]> =>
  make([{ kind: "server", step: Store.step(options) }]) as never
