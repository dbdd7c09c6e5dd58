import { Metric } from "effect"
import type { Peer } from "./peer.ts"
import type { BusRuntime } from "@effect-psrpc/core/broker"

/** Lines in the log about updates are this far apart, in milliseconds. */
const logInterval = 1000

/** Messages of queues that nobody had a route for. */
export const unroutedMessages = Metric.withAttributes(
  Metric.counter("psrpc_messages_dropped", {
    description: "Messages that came to nothing, by reason",
    incremental: true
  }),
  { reason: "no_route", side: "bus" }
)

/** Counts what came to nothing, and says so in the log as loudly as it matters. */
export class Unrouted {
  readonly #peer: Peer
  readonly #runtime: BusRuntime.BusRuntime
  #losses = 0
  #updates = 0
  #loggedAt = -Infinity

  constructor(peer: Peer, runtime: BusRuntime.BusRuntime) {
    this.#peer = peer
    this.#runtime = runtime
  }

  /** Somebody waits for it, or it could not be handed on: a warning the first time, the tenth, the hundredth, … */
  lost(subject: string, route: string, reason: string): void {
    this.#runtime.count(unroutedMessages, 1)
    this.#losses++
    if (!Number.isInteger(Math.log10(this.#losses))) return
    this.#log("warning", this.#losses, subject, route, `${reason} (1st, 10th, 100th, … are logged)`)
  }

  /** An update that nobody has subscribed to: nothing unusual. */
  unheard(subject: string, route: string): void {
    this.#runtime.count(unroutedMessages, 1)
    this.#updates++
    const now = this.#runtime.now()
    if (Math.abs(now - this.#loggedAt) < logInterval) return
    this.#log("debug", this.#updates, subject, route, "nobody has subscribed to it")
    this.#loggedAt = now
    this.#updates = 0
  }

  #log(level: "debug" | "warning", count: number, subject: string, route: string, reason: string): void {
    const what = `${count} message(s) of a queue dropped, the last of ${route} on ${subject}: ${reason}`
    this.#runtime.log(level, this.#peer.message(what))
  }
}
