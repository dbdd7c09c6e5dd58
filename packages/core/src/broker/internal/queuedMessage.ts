import type { Delivery, Target } from "../../MessageBus.ts"

/**
 * A message that a bus has to send. A bus may add fields of its own.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueuedMessage {
  readonly target: Target
  readonly message: Uint8Array
  /** Unix milliseconds. */
  readonly expiry: number
  readonly delivery: Delivery
  /** Position in the order of publishing, from 0. A copy of the message has the same. */
  readonly seq: number
  /** Whether the message was sent and had no listeners. Set by the send queue. */
  hadNoListeners: boolean
  /**
   * Whether this send is the retry that later messages of its channel wait for, so that `settled` must be called. Set by
   * the send queue.
   */
  isRetry: boolean
}
