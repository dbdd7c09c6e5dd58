import type { MessageBus, PsrpcError } from "@effect-psrpc/core"
import type { NatsTarget } from "./subjects.ts"

/** One message on its way, from its publisher to the end of it. */
export class Publication {
  readonly target: NatsTarget
  readonly message: Uint8Array
  /** Unix milliseconds. */
  readonly expiry: number
  readonly delivery: MessageBus.Delivery
  /** Its place in the order of publishing. */
  readonly seq: number
  /** Until when that nobody has heard it proves nothing, in unix milliseconds; 0 before it was sent. */
  until = 0
  /** Whether others wait for what becomes of it. */
  isRetry = false
  /** Nobody listens, the server has said. */
  hadNoListeners = false
  /** Why the server has not taken it. */
  refusal: PsrpcError.PsrpcError | undefined = undefined

  constructor(target: NatsTarget, message: Uint8Array, expiry: number, delivery: MessageBus.Delivery, seq: number) {
    this.target = target
    this.message = message
    this.expiry = expiry
    this.delivery = delivery
    this.seq = seq
  }
}
