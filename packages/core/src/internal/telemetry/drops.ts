import { type Context, Effect } from "effect"
import { EveryTenfold } from "../support/logThrottle.ts"
import * as LogAnnotations from "./logAnnotations.ts"
import type { MethodMetrics } from "./metrics/methodMetrics.ts"

/** Why a message was dropped. */
export type DropReason =
  /** The message cannot be decoded, or has another type than its channel. */
  | "malformed"
  /** A well-formed message of another type. */
  | "foreign"
  /** The deadline has passed. */
  | "expired"
  /** A buffer or a limit was full. */
  | "overflow"
  /** An answer or a claim could not be sent. */
  | "undelivered"
  /** A request or an answer arrived twice. */
  | "repeated"
  /** The server is draining and takes no more streams. */
  | "leaving"
  /** The server sent a claim, and no selection arrived before the deadline. */
  | "unclaimed"

/**
 * Counts a dropped message and logs it. `where` is the label of its method; the kind of the message if the method is unknown.
 * `warning` is the text of a warning, logged the first time, the tenth, the hundredth, and so on. `request` is the request
 * that the message belongs to, if known.
 */
export type Drops = (
  reason: DropReason,
  where: string,
  detail?: unknown,
  warning?: string,
  request?: LogAnnotations.Requested
) => void

/** Makes the function that counts and logs dropped messages: at debug level, and warnings besides. */
export const make = (context: Context.Context<never>, metrics: MethodMetrics): Drops => {
  const runFork = Effect.runForkWith(context)
  const { service } = metrics
  const prefix = `${service}.`
  /** Logs a line about a method if `where` is a label of the service, otherwise about the service. */
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
    metrics.at(where).drops.add(reason)
    const count = warning === undefined ? undefined : due(warning)
    if (count !== undefined) log(where, request, Effect.logWarning(`psrpc: ${warning}, ${count} so far`))
    const text = `psrpc: message dropped (${reason}) at ${where}`
    log(where, request, detail === undefined ? Effect.logDebug(text) : Effect.logDebug(text, detail))
  }
}
