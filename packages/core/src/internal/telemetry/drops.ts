import { type Context, Effect } from "effect"
import { EveryTenfold } from "../support/logThrottle.ts"
import * as LogAnnotations from "./logAnnotations.ts"
import type { Meter } from "./metrics/meter.ts"

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
  /** The server takes no more streams. */
  | "leaving"
  /** A request that the server has claimed, and heard no more of until its time was over. */
  | "unclaimed"

/**
 * Counts what came to nothing. `where` is the label of its method, or says what it was where no method can be told.
 * `warning` is for what its user should see: logged as a warning the first time, the tenth, the hundredth, …
 * `request` is whose request it was, where that is known.
 */
export type Drops = (
  reason: DropReason,
  where: string,
  detail?: unknown,
  warning?: string,
  request?: LogAnnotations.Requested
) => void

/** Counts and logs from callbacks: at debug level, but for what is warned of. */
export const make = (context: Context.Context<never>, meter: Meter): Drops => {
  const runFork = Effect.runForkWith(context)
  const { service } = meter
  const prefix = `${service}.`
  /** A line about a method where `where` is one of the service's, and about the service otherwise. */
  const log = (where: string, request: LogAnnotations.Requested | undefined, line: Effect.Effect<void>): void => {
    const method = where.startsWith(prefix) ? where.slice(prefix.length) : undefined
    runFork(LogAnnotations.annotate(line, service, method, request))
  }
  const throttles = new Map<string, EveryTenfold>()
  /** Counts a warning, and returns its count if it is to be logged now. */
  const due = (warning: string): number | undefined => {
    let throttle = throttles.get(warning)
    if (throttle === undefined) throttles.set(warning, (throttle = new EveryTenfold()))
    return throttle.record()
  }
  return (reason, where, detail, warning, request) => {
    meter.at(where).drops.add(reason)
    const count = warning === undefined ? undefined : due(warning)
    if (count !== undefined) log(where, request, Effect.logWarning(`psrpc: ${warning}, ${count} so far`))
    const text = `psrpc: message dropped (${reason}) at ${where}`
    log(where, request, detail === undefined ? Effect.logDebug(text) : Effect.logDebug(text, detail))
  }
}
