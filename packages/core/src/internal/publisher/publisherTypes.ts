/** The types of publishers. Public in `Publisher`. */
import type { Duration, Effect } from "effect"
import type * as PsrpcError from "../../PsrpcError.ts"
import type { Arguments } from "../calls/arguments.ts"
import type { PublishOptions } from "../calls/callOptions.ts"
import type { Configurable } from "../calls/configurable.ts"
import type * as Interceptor from "../calls/interceptorTypes.ts"
import type { Methods } from "../definition/service.ts"

/**
 * Options of a publisher.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<I extends ReadonlyArray<Interceptor.Any> = readonly []> {
  /** Maximum time that an update waits for a lost connection. Default: 3 seconds. */
  readonly timeout?: Duration.Input | undefined
  /** Interceptors around updates, the outermost first. The publisher requires their services. Default: none. */
  readonly interceptors?: I | undefined
}

/**
 * Options of `layerConfig`: the options of a publisher, each of which may be a `Config` of its value. `interceptors` may not.
 *
 * @category models
 * @since 0.1.0
 */
export type ConfigOptions<I extends ReadonlyArray<Interceptor.Any> = readonly []> = Configurable<
  Omit<Options<I>, "interceptors">
> &
  Pick<Options<I>, "interceptors">

/**
 * The function that publishes an update. It succeeds when the broker has accepted the update, with or without subscribers. It
 * fails with `unavailable` if the broker cannot be reached in time, with `malformed_request` if the update cannot be encoded,
 * and with `resource_exhausted` if it is larger than the broker accepts.
 *
 * @category utility types
 * @since 0.1.0
 */
export type PublishCall<M> = M extends {
  readonly kind: "subscription"
  readonly message: infer Message
  readonly topic: infer T
}
  ? (...args: Arguments<Message, T, PublishOptions, "message">) => Effect.Effect<void, PsrpcError.PsrpcError>
  : never

/**
 * The publisher of a service: a function for each subscription method.
 *
 * @category utility types
 * @since 0.1.0
 */
export type From<S> = {
  readonly [K in keyof Methods<S> as Methods<S>[K] extends { readonly kind: "subscription" } ? K : never]: PublishCall<
    Methods<S>[K]
  >
}
