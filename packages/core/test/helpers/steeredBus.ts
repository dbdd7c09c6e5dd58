/** A bus in front of that of the test, which holds what it is told to, and whose connection fails when it is told to. */
import { Effect } from "effect"
import { type Delivery, MessageBus, type Target } from "../../src/MessageBus.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import { typeOf } from "./harness.ts"

export interface HeldMessage {
  readonly type: string
  readonly target: Target
  readonly message: Uint8Array
  readonly expiry: number
  readonly delivery: Delivery
}

/** What a broken connection says. */
export const broken = (mayHaveRun: boolean): PsrpcError.PsrpcError =>
  PsrpcError.fromCode("unavailable", { message: "the broker is gone", reason: "connection", mayHaveRun })

export const steeredBus = Effect.map(MessageBus, (beneath) => {
  const held: Array<HeldMessage> = []
  const steering = {
    /** What was published and neither sent nor refused yet. */
    held,
    /** Which messages are held, by the name of what is in them. */
    holds: (_type: string): boolean => false,
    failure: undefined as PsrpcError.PsrpcError | undefined,
    /** Sends what is held, as far as it is wanted. */
    release: () => {
      for (const { delivery, expiry, message, target } of held.splice(0)) {
        if (delivery.wanted()) beneath.publishUnsafe(target, message, expiry, delivery)
      }
    }
  }
  const bus = MessageBus.of({
    ...beneath,
    failure: () => steering.failure,
    publishUnsafe(target, message, expiry, delivery) {
      const type = typeOf(message)
      if (steering.holds(type)) held.push({ type, target, message, expiry, delivery })
      else beneath.publishUnsafe(target, message, expiry, delivery)
    }
  })
  return { bus, steering }
})
