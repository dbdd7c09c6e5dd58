/** The options of calls, streams, subscriptions and updates. Public in `Client` and `Publisher`. */
import type { Duration } from "effect"
import type { Metadata } from "../metadata/model.ts"
import type { NoRequirements } from "./interceptorTypes.ts"
import type { Selection } from "./selection.ts"

interface Intercepted {
  /** Interceptors around this call alone, inside of the client's own; the first is outermost. Default: none. */
  readonly interceptors?: ReadonlyArray<NoRequirements> | undefined
}

/**
 * Options of a call.
 *
 * @category models
 * @since 0.1.0
 */
export interface CallOptions extends Intercepted {
  /** Maximum time of this call, see the client's `timeout`. Default: the client's. */
  readonly timeout?: Duration.Input | undefined
  /** Metadata of this call; replaces values of the client's metadata and of `Metadata.with`. Default: none. */
  readonly metadata?: Metadata | undefined
}

/**
 * Options of a call of a method with queue routing.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueueCallOptions extends CallOptions {
  /** How this call selects a server. Default: the client's selection if it takes the first claim, else `Selection.first`. */
  readonly selection?: Selection<"first"> | undefined
}

/**
 * Options of a call of a method with affinity routing.
 *
 * @category models
 * @since 0.1.0
 */
export interface AffinityCallOptions extends CallOptions {
  /** How this call selects a server. Default: the client's selection. */
  readonly selection?: Selection | undefined
}

/**
 * Options of a call that every server answers.
 *
 * @category models
 * @since 0.1.0
 */
export interface MultiCallOptions extends CallOptions {
  /** Number of responses after which the Stream ends. Default: no limit. */
  readonly expect?: number | undefined
  /** Maximum time between two responses. The Stream ends when it has passed. Default: the call's timeout. */
  readonly idleTimeout?: Duration.Input | undefined
  /**
   * Maximum number of unread responses. More are dropped, and reported in the Stream as one failed answer with the reason
   * `overflow`. Default: the client's.
   */
  readonly multiBufferSize?: number | undefined
}

/**
 * Options of a stream's opening. `timeout` is the maximum time of the opening.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamOptions extends CallOptions {
  /** Maximum number of unread messages. A full buffer holds the sender back. Default: the client's. */
  readonly streamBufferSize?: number | undefined
  /**
   * Maximum time of a send on the open stream; a send's own `timeout` replaces it. Default: the timeout of the opening,
   * without the deadline of the handler that it is made in.
   */
  readonly sendTimeout?: Duration.Input | undefined
}

/**
 * Options of the opening of a stream with queue routing.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueueStreamOptions extends StreamOptions {
  /**
   * How this opening selects a server. Default: the client's selection if it takes the first claim, else
   * `Selection.first`.
   */
  readonly selection?: Selection<"first"> | undefined
}

/**
 * Options of the opening of a stream with affinity routing.
 *
 * @category models
 * @since 0.1.0
 */
export interface AffinityStreamOptions extends StreamOptions {
  /** How this opening selects a server. Default: the client's selection. */
  readonly selection?: Selection | undefined
}

/**
 * Options of `through`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ThroughOptions {
  /**
   * Maximum number of unacknowledged sends. The size of the server's receive buffer limits it further. Default: 16.
   *
   * Go's endpoints do not announce the size of their buffer (100 is assumed) and do not hold a sender back: a send to a
   * full buffer fails, and later messages may arrive after the lost one. With 1 there is no such gap.
   */
  readonly concurrency?: number | undefined
  /**
   * For a server that does not support half-close, such as Go's: maximum time without a message after the last send. The
   * stream is then closed. Default: no limit, the server closes it.
   */
  readonly idleTimeout?: Duration.Input | undefined
}

/**
 * Options of a subscription.
 *
 * @category models
 * @since 0.1.0
 */
export interface SubscribeOptions extends Intercepted {
  /** Maximum number of unread updates. Default: the client's. */
  readonly subscriptionBufferSize?: number | undefined
  /**
   * Policy for updates that arrive while the buffer is full. Default: `"dropping"`.
   *
   * - `"dropping"` drops the newest update
   * - `"sliding"` drops the oldest unread update
   * - `"fail"` ends the subscription: its Stream fails with `resource_exhausted` after the unread updates, and other
   *   members of its queue group receive further updates
   *
   * Dropped updates are counted. The log warns of the 1st, 10th, 100th drop, and so on.
   */
  readonly overflow?: "dropping" | "sliding" | "fail" | undefined
}

/**
 * Options of one update.
 *
 * @category models
 * @since 0.1.0
 */
export interface PublishOptions {
  /** Maximum time that this update waits for a lost connection. Default: the publisher's timeout. */
  readonly timeout?: Duration.Input | undefined
  /** Interceptors around this update alone, inside of the publisher's own; the first is outermost. Default: none. */
  readonly interceptors?: ReadonlyArray<NoRequirements> | undefined
}
