import { Metric } from "effect"
import type { Peer } from "./peer.ts"
import { type BusRuntime, LogThrottle } from "@effect-psrpc/core/broker"

/** Lines in the log about updates are this far apart, in milliseconds. */
const logInterval = 1000

/** Messages of queues that nobody had a route for. */
export const unroutedMessages = Metric.withAttributes(
  Metric.counter("psrpc_messages_dropped", {
    description: "Messages dropped, by reason",
    incremental: true
  }),
  { reason: "no_route", side: "bus" }
)

/** Counts what came to nothing, and says so in the log as loudly as it matters. */
export class Unrouted {
  readonly #peer: Peer
  readonly #runtime: BusRuntime.BusRuntime
  readonly #losses = new LogThrottle.EveryTenfold()
  readonly #updates = new LogThrottle.EveryInterval(logInterval)

  constructor(peer: Peer, runtime: BusRuntime.BusRuntime) {
    this.#peer = peer
    this.#runtime = runtime
  }

  /** Somebody waits for it, or it could not be handed on: a warning the first time, the tenth, the hundredth, … */
  lost(subject: string, route: string, reason: string): void {
    this.#runtime.count(unroutedMessages, 1)
    const count = this.#losses.record()
    if (count === undefined) return
    this.#log("warning", count, subject, route, `${reason} (1st, 10th, 100th, … are logged)`)
  }

  /** An update that nobody has subscribed to: nothing unusual. */
  unheard(subject: string, route: string): void {
    this.#runtime.count(unroutedMessages, 1)
    const count = this.#updates.record(this.#runtime.now())
    if (count !== undefined) this.#log("debug", count, subject, route, "nobody has subscribed to it")
  }

  #log(level: "debug" | "warning", count: number, subject: string, route: string, reason: string): void {
    const what = `${count} message(s) of a queue dropped, the last of ${route} on ${subject}: ${reason}`
    this.#runtime.log(level, this.#peer.message(what))
  }
}
