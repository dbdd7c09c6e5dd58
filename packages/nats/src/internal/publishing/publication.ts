import type { MessageBus, PsrpcError } from "@effect-psrpc/core"
import type { SendQueue } from "@effect-psrpc/core/broker"
import type { NatsTarget } from "../subjects/natsTarget.ts"

/** One publish of a message, until its outcome is known. */
export class Publication implements SendQueue.QueuedMessage {
  readonly target: NatsTarget
  readonly message: Uint8Array
  /** Unix milliseconds. */
  readonly expiry: number
  readonly delivery: MessageBus.Delivery
  readonly seq: number
  /** End of the time in which "no listeners" is not final, in Unix milliseconds; 0 before the message was sent. */
  retryUntil = 0
  isRetry = false
  /** Also set when the server reports it, before the send queue handles it. */
  hadNoListeners = false
  /** The error by which the server refused the message. */
  refusal: PsrpcError.PsrpcError | undefined = undefined

  constructor(target: NatsTarget, message: Uint8Array, expiry: number, delivery: MessageBus.Delivery, seq: number) {
    this.target = target
    this.message = message
    this.expiry = expiry
    this.delivery = delivery
    this.seq = seq
  }
}
