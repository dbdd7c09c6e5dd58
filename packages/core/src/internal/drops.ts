import { type Context, Effect, Metric } from "effect"

/** Why a message that arrived was not used. */
export type DropReason =
  /** It is not what the channel carries, or not readable at all. */
  | "malformed"
  /** It is something else, well-formed. */
  | "foreign"
  /** Its sender has stopped waiting. */
  | "expired"
  /** A buffer was full. */
  | "overflow"
  /** An answer or a claim that could not be sent. */
  | "undelivered"
  /** The same request or answer, again. */
  | "repeated"

/**
 * Messages that arrived, or were to be sent, and came to nothing, by `reason`, `side` and `service`.
 */
export const droppedMessages = Metric.counter("psrpc_messages_dropped", {
  description: "Messages that came to nothing, by reason",
  incremental: true
})

export type Drops = (reason: DropReason, where: string, detail?: unknown) => void

/** Counts and logs, at debug level, from callbacks. */
export const make = (context: Context.Context<never>, side: "client" | "server", service: string): Drops => {
  const runFork = Effect.runForkWith(context)
  const counters = new Map<DropReason, Metric.Counter<number>>()
  return (reason, where, detail) => {
    let counter = counters.get(reason)
    if (counter === undefined) {
      counter = Metric.withAttributes(droppedMessages, { reason, side, service })
      counters.set(reason, counter)
    }
    counter.updateUnsafe(1, context)
    runFork(
      detail === undefined
        ? Effect.logDebug(`psrpc: message dropped (${reason}) at ${where}`)
        : Effect.logDebug(`psrpc: message dropped (${reason}) at ${where}`, detail)
    )
  }
}
