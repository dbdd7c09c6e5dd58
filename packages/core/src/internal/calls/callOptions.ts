/** The options of calls, streams, subscriptions and updates. Public in `Client` and `Publisher`. */
import type { Duration } from "effect"
import type { Selection } from "../../Selection.ts"
import type { Metadata } from "../metadata/model.ts"
import type { Free } from "./interceptorTypes.ts"

interface Intercepted {
  /** What runs around this call alone, inside of the client's own interceptors; the first is outermost. Default: none. */
  readonly interceptors?: ReadonlyArray<Free> | undefined
}

/**
 * Options of a call.
 *
 * @category models
 * @since 0.1.0
 */
export interface CallOptions extends Intercepted {
  /** How long this call waits, in place of the client's timeout. */
  readonly timeout?: Duration.Input | undefined
  /** Metadata of this call, over the client's and `Metadata.with`'s. */
  readonly metadata?: Metadata | undefined
}

/**
 * Options of a call that chooses among servers.
 *
 * @category models
 * @since 0.1.0
 */
export interface SelectingCallOptions extends CallOptions {
  /** How this call chooses, in place of the client's selection. */
  readonly selection?: Selection | undefined
}

/**
 * Options of a call that every server answers.
 *
 * @category models
 * @since 0.1.0
 */
export interface MultiCallOptions extends CallOptions {
  /** How many answers are enough: the Stream ends with the last of them. Default: no number is. */
  readonly expect?: number | undefined
  /** How long the next answer is waited for, once one has come. Default: as long as the call's timeout. */
  readonly idle?: Duration.Input | undefined
  /** How many answers wait to be read; for those beyond there is an `overflow` error. Default: the client's. */
  readonly bufferSize?: number | undefined
}

/**
 * Options of a stream's opening. Its timeout is also that of the sends, unless there is a `sendTimeout`.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamOptions extends CallOptions {
  /** How many messages wait to be read before the sender has to. Default: the client's. */
  readonly bufferSize?: number | undefined
  /** How long a send on the open stream waits, where it does not say. Default: as long as the opening may take. */
  readonly sendTimeout?: Duration.Input | undefined
}

/**
 * Options of a stream's opening that chooses among servers.
 *
 * @category models
 * @since 0.1.0
 */
export interface SelectingStreamOptions extends StreamOptions {
  /** How this call chooses, in place of the client's selection. */
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
   * How many sends may be under way at a time, unacknowledged: never more than the other end takes in unread. Default: 16.
   *
   * Go's ends tell neither how much that is (100 is assumed) nor wait for room: with one whose reader falls behind, sends
   * fail when its buffer is full, and what follows a lost message may arrive. With 1 there is no such gap.
   */
  readonly concurrency?: number | undefined
  /**
   * Where the other end cannot be told that no more messages follow (Go's cannot): how long, after the last send, the
   * next message is waited for before the stream is closed. Default: until the other end closes it.
   */
  readonly idle?: Duration.Input | undefined
}

/**
 * Options of a subscription.
 *
 * @category models
 * @since 0.1.0
 */
export interface SubscribeOptions extends Intercepted {
  /** How many updates wait to be read. Default: the client's. */
  readonly bufferSize?: number | undefined
  /**
   * What a reader that is too slow loses: the newest update (`"dropping"`), the oldest (`"sliding"`), or the
   * subscription, which ends there, and fails with `resource_exhausted` once the buffer has been read (`"fail"`); other
   * subscribers of a queue take over. What is lost is counted; of the first two the log warns, too: of the first loss,
   * the tenth, the hundredth, and so on. Default: `"dropping"`.
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
  /** How long this update waits for a lost connection, in place of the publisher's timeout. */
  readonly timeout?: Duration.Input | undefined
  /** What runs around this update alone, inside of the publisher's own interceptors. Default: none. */
  readonly interceptors?: ReadonlyArray<Free> | undefined
}
