import { MessageBus } from "@effect-psrpc/core"
import { Metric } from "effect"
import type { Inbox } from "./inbox.ts"
import type { Peer } from "./peer.ts"
import type { Publisher } from "./publisher.ts"
import type { Runtime } from "./runtime.ts"
import { NatsTarget, routeSubject } from "./subjects.ts"

/** How often a message may be handed on. */
const mostHops = 16
/** How long a message that is handed on may wait for a lost connection, in milliseconds; its own deadline is its sender's. */
const patience = 10_000
/** Lines in the log about lost messages are this far apart, in milliseconds. */
const logInterval = 1000

/** Messages of queues that were handed on to another member. */
export const handedOnMessages = Metric.counter("psrpc_messages_handed_on", {
  description: "Messages of queues that a member without a route for them has handed on",
  incremental: true
})

/** Messages of queues that nobody had a route for. */
export const unroutedMessages = Metric.withAttributes(
  Metric.counter("psrpc_messages_dropped", {
    description: "Messages that came to nothing, by reason",
    incremental: true
  }),
  { reason: "no_route", side: "bus" }
)

/**
 * Hands on what came to the wrong member. The group spans all channels of a subject, and NATS gives each message to any
 * one member.
 *
 * First the members that have the route are asked by a subject of their own. Where there is none, or the server cannot
 * tell, the message goes to any member once more: a Go server may have the route. Chance alone would lose one message in
 * a hundred of four members within 16 hops.
 */
export class HandOn {
  readonly #publisher: Publisher
  readonly #inbox: Inbox
  readonly #peer: Peer
  readonly #runtime: Runtime
  #unlogged = 0
  #loggedAt = -Infinity

  constructor(publisher: Publisher, inbox: Inbox, peer: Peer, runtime: Runtime) {
    this.#publisher = publisher
    this.#inbox = inbox
    this.#peer = peer
    this.#runtime = runtime
  }

  handOn(subject: string, route: string, bytes: Uint8Array): void {
    const msg = MessageBus.decodeMsg(bytes)
    if (msg === "malformed") return this.#dropped(subject, route, "it is malformed")
    if (msg.hops >= mostHops) return this.#dropped(subject, route, `nobody has the route after ${msg.hops} hops`)
    const message = MessageBus.withHop(bytes)
    this.#runtime.count(handedOnMessages, 1)
    if (route === "" || !this.#inbox.isOn) return this.#toAnybody(subject, route, message)
    this.#publish(new NatsTarget(routeSubject(subject, route), "", false), message, {
      delivered: (receivers) => {
        if (receivers === 0) this.#toAnybody(subject, route, message)
      },
      // not allowed, for instance
      undelivered: (error) => {
        if (error.mayHaveRun) this.#dropped(subject, route, error.message)
        else this.#toAnybody(subject, route, message)
      }
    })
  }

  #toAnybody(subject: string, route: string, message: Uint8Array): void {
    this.#publish(new NatsTarget(subject, ""), message, {
      delivered: (receivers) => {
        if (receivers === 0) this.#dropped(subject, route, "there is no member any more")
      },
      undelivered: (error) => this.#dropped(subject, route, error.message)
    })
  }

  #publish(
    target: NatsTarget,
    message: Uint8Array,
    fate: Pick<MessageBus.Delivery, "delivered" | "undelivered">
  ): void {
    this.#publisher.publish(target, message, this.#runtime.now() + patience, { wanted: () => true, ...fate })
  }

  #dropped(subject: string, route: string, reason: string): void {
    this.#runtime.count(unroutedMessages, 1)
    this.#unlogged++
    const now = this.#runtime.now()
    if (now - this.#loggedAt < logInterval) return
    const what = `${this.#unlogged} message(s) of a queue dropped, the last of ${route} on ${subject}: ${reason}`
    this.#runtime.log("warning", this.#peer.message(what))
    this.#loggedAt = now
    this.#unlogged = 0
  }
}
