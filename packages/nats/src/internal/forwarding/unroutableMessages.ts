import { BusMetrics, type BusRuntime, LogThrottle } from "@effect-psrpc/core/broker"
import type { NatsIdentity } from "../connection/natsIdentity.ts"

/** Minimum milliseconds between two log lines about updates. */
const logInterval = 1000

/** Counts messages of queues that were dropped because no member has a route for them. */
export const unroutableMessages = BusMetrics.droppedMessages("no_route")

/** Counts and logs messages of queues that no member has a route for. */
export class UnroutableMessages {
  readonly #broker: NatsIdentity
  readonly #runtime: BusRuntime.BusRuntime
  readonly #messages = new LogThrottle.EveryTenfold()
  readonly #updates = new LogThrottle.EveryInterval(logInterval)

  constructor(broker: NatsIdentity, runtime: BusRuntime.BusRuntime) {
    this.#broker = broker
    this.#runtime = runtime
  }

  /** Drops a request, or a message that could not be forwarded: warns of the first, tenth, hundredth, … one. */
  drop(subject: string, route: string, reason: string): void {
    this.#runtime.count(unroutableMessages, 1)
    const count = this.#messages.record()
    if (count === undefined) return
    this.#log("warning", count, subject, route, `${reason} (only the 1st, 10th, 100th, … is logged)`)
  }

  /** Drops an update that has no subscribers, which is nothing unusual. */
  dropUpdate(subject: string, route: string): void {
    this.#runtime.count(unroutableMessages, 1)
    const count = this.#updates.record(this.#runtime.now())
    if (count !== undefined) this.#log("debug", count, subject, route, "it has no subscribers")
  }

  #log(level: "debug" | "warning", count: number, subject: string, route: string, reason: string): void {
    const text = `dropped ${count} message(s) of queues, the last for ${route} on ${subject}: ${reason}`
    this.#runtime.log(level, this.#broker.message(text))
  }
}
