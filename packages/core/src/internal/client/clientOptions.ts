/** The options of a client. Public in `Client`. */
import type { Duration } from "effect"
import type * as Interceptor from "../calls/interceptorTypes.ts"
import type { Configurable } from "../calls/configurable.ts"
import type { Selection } from "../calls/selection.ts"
import type { Metadata } from "../metadata/model.ts"

/**
 * Options of a client. Each is optional.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<I extends ReadonlyArray<Interceptor.Any> = readonly []> {
  /**
   * Id of the client, unique among all clients of the service. It is a part of channel names, so it may not contain white
   * space, `*`, `>`, or empty parts around a `.`. Default: `CLI_` and 12 random characters.
   */
  readonly clientId?: string | undefined
  /**
   * Maximum time of a call, from its start to the response, and of a stream's opening. A call inside a handler also ends
   * at the deadline of the handler's request. Default: the time left to that deadline, or 3 seconds (`defaultTimeout`)
   * outside of handlers.
   */
  readonly timeout?: Duration.Input | undefined
  /**
   * How calls select a server among those that send claims. One that compares affinities applies to methods with affinity
   * routing alone; a service without any refuses it. Default: `Selection.affinity` for methods with affinity routing,
   * `Selection.first` for methods with queue routing.
   */
  readonly selection?: Selection | undefined
  /** Metadata of every call. Default: none. */
  readonly metadata?: Metadata | undefined
  /**
   * Maximum size of a call's metadata: bytes of all keys and values together, in UTF-8. A call with more fails with
   * `invalid_argument`. Default: 16,384 (`defaultMaxMetadataSize`).
   */
  readonly maxMetadataSize?: number | undefined
  /**
   * Per stream: maximum number of unread messages. A full buffer holds the sender back. Default: 100
   * (`defaultBufferSize`).
   */
  readonly streamBufferSize?: number | undefined
  /**
   * Per subscription: maximum number of unread updates. The subscription's `overflow` decides what happens to more.
   * Default: 100 (`defaultBufferSize`).
   */
  readonly subscriptionBufferSize?: number | undefined
  /**
   * Per multi call: maximum number of unread responses. More are dropped, and reported in the Stream as one failed answer
   * with the reason `overflow`. Default: 100 (`defaultBufferSize`).
   */
  readonly multiBufferSize?: number | undefined
  /**
   * Per call: maximum number of claims that wait to be compared. More are dropped and logged. Default: 100
   * (`defaultBufferSize`).
   */
  readonly claimBufferSize?: number | undefined
  /**
   * Keepalive interval of an idle stream, at least 100 milliseconds; `"Infinity"` to send none. Default: 10 seconds
   * (`defaultKeepalive`).
   */
  readonly keepalive?: Duration.Input | undefined
  /**
   * Interceptors around calls, streams and subscriptions; the first is outermost. The client requires the services that
   * they require. Default: none.
   */
  readonly interceptors?: I | undefined
}

/**
 * Options of `layerConfig`: the options of a client, each of which may be a `Config` of its value. `interceptors` may not.
 *
 * @category models
 * @since 0.1.0
 */
export type ConfigOptions<I extends ReadonlyArray<Interceptor.Any> = readonly []> = Configurable<
  Omit<Options<I>, "interceptors">
> &
  Pick<Options<I>, "interceptors">
