/**
 * The control of a call: what the library's own interceptors and `through` may do, besides what every interceptor may.
 *
 * It is a value of the fiber that runs the interceptors of a call or the send of a message. Clients and servers set it only
 * if there are interceptors, so a call without interceptors does not pay for it. It is not passed on: a client or a server
 * that is made within such a fiber does not keep it, and a nested call sets its own.
 */
import { Context, type Effect } from "effect"

export interface CallControl {
  /** At a client: completes when the client is closed. */
  readonly awaitClosed?: Effect.Effect<void>
  /** At a client: counts an attempt after the first. */
  countRetry?(): void
  /**
   * At a server: lets the handler continue after its deadline and after a cancellation. A server that closes still
   * interrupts it.
   */
  runToCompletion?(): void
  /** Within a send of `through`: called when the message is handed to the bus, or cannot be. */
  onSent?(): void
}

const none: CallControl = {}

/** Reads the control of the current fiber. Without interceptors it is empty. */
export const CurrentControl: Context.Reference<CallControl> = Context.Reference<CallControl>(
  "@effect-psrpc/core/internal/calls/CurrentControl",
  { defaultValue: () => none }
)
