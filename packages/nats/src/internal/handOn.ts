import type { MessageBus } from "@effect-psrpc/core"
import { Metric } from "effect"
import { Census, type CensusOptions, walkOn, walkRoute } from "./census.ts"
import type { Inbox } from "./inbox.ts"
import type { Interests } from "./interests.ts"
import type { Link, LinkListener } from "./link.ts"
import type { Peer } from "./peer.ts"
import type { Publisher } from "./publisher.ts"
import { type BusRuntime, Msg } from "@effect-psrpc/core/broker"
import { NatsTarget, routeSubject } from "./subjects.ts"
import { Unrouted } from "./unrouted.ts"

/** How often a message may be handed on. */
const mostHops = 16
/** Added to the hops of a message once nobody was found on its route's own subject. */
const asked = 64
/** How long a message that is handed on may wait for a lost connection, in milliseconds; its own deadline is its sender's. */
const patience = 10_000
/** What calls are made of. All else in a queue is updates. */
const requestType = "type.googleapis.com/internal.Request"

/** Messages of queues that were handed on to another member. */
export const handedOnMessages = Metric.counter("psrpc_messages_handed_on", {
  description: "Messages of queues that a member without a route for them has handed on",
  incremental: true
})

/** A message that came to the wrong member. */
interface Stray {
  readonly subject: string
  readonly route: string
  readonly bytes: Uint8Array
  readonly isRequest: boolean
}

/**
 * Hands on what came to the wrong member. The group spans all channels of a subject, and NATS gives each message to any
 * one member.
 *
 * First the members that have the route are asked by a subject of their own, once. Where there is none, or the server
 * cannot tell, the message goes to any member once more: a Go server may have the route. Chance alone would lose one
 * message in a hundred of four members within 16 hops.
 *
 * An update that nobody has subscribed to is nothing unusual, and there may be many. So where all members are known to be
 * ours it goes no further. A request always does: that a Go server has come since would cost its caller a timeout.
 */
export class HandOn implements LinkListener {
  readonly #to: Omit<CensusOptions, "subject">
  readonly #inbox: Inbox
  readonly #unrouted: Unrouted
  /** Of the queues that this process is in, by subject. */
  readonly #censuses = new Map<string, Census>()

  constructor(
    link: Link,
    publisher: Publisher,
    inbox: Inbox,
    interests: Interests,
    peer: Peer,
    runtime: BusRuntime.BusRuntime
  ) {
    this.#to = { publisher, interests, runtime }
    this.#inbox = inbox
    this.#unrouted = new Unrouted(peer, runtime)
    link.listen(this)
  }

  handOn(subject: string, route: string, bytes: Uint8Array): void {
    const msg = Msg.decode(bytes)
    if (msg === "malformed") return this.#unrouted.lost(subject, route, "it is malformed")
    if (route === walkRoute) return walkOn(this.#to, subject, msg, bytes)
    const stray: Stray = { subject, route, bytes, isRequest: msg.typeUrl === requestType }
    const hops = msg.hops % asked
    if (hops >= mostHops) return this.#nobody(stray, `nobody has the route after ${hops} hops`)
    if (msg.hops >= asked) {
      if (!stray.isRequest && this.#censuses.get(subject)?.isOurs === true) this.#nobody(stray, "")
      else this.#toAnybody(stray)
    } else if (route === "" || !this.#inbox.isOn) this.#toAnybody(stray)
    else this.#toRoute(stray)
  }

  /** Somebody of this process is in the queue of a subject. */
  join(subject: string): void {
    this.#censuses.set(subject, new Census({ ...this.#to, subject }))
  }

  /** Nobody is any more. */
  forget(subject: string): void {
    const census = this.#censuses.get(subject)
    this.#censuses.delete(subject)
    census?.close()
  }

  /** What was known is as old as the connection. */
  down(): void {
    const old = [...this.#censuses]
    for (const [subject] of old) this.join(subject)
    for (const [, census] of old) census.close()
  }

  ended(): void {
    for (const subject of [...this.#censuses.keys()]) this.forget(subject)
  }

  #toRoute(stray: Stray): void {
    const { bytes, route, subject } = stray
    this.#publish(new NatsTarget(routeSubject(subject, route), "", false), Msg.withHop(bytes), {
      delivered: (receivers) => {
        if (receivers === 0) this.#notOurs(stray)
        else this.#to.runtime.count(handedOnMessages, 1)
      },
      // not allowed, for instance
      undelivered: (error) => {
        if (error.mayHaveRun) this.#unrouted.lost(subject, route, error.message)
        else this.#toAnybody(stray)
      }
    })
  }

  /** Nobody of ours has the route. */
  #notOurs(stray: Stray): void {
    const census = stray.isRequest ? undefined : this.#censuses.get(stray.subject)
    if (census === undefined) return this.#toAnybody(stray, asked)
    census.ask(stray.bytes.length, (isOurs) => {
      if (isOurs) this.#nobody(stray, "")
      else this.#toAnybody(stray, asked)
    })
  }

  #toAnybody(stray: Stray, more = 0): void {
    this.#to.runtime.count(handedOnMessages, 1)
    this.#publish(new NatsTarget(stray.subject, ""), Msg.withHop(stray.bytes, 1 + more), {
      delivered: (receivers) => {
        if (receivers === 0) this.#nobody(stray, "there is no member any more")
      },
      undelivered: (error) => this.#unrouted.lost(stray.subject, stray.route, error.message)
    })
  }

  #nobody({ isRequest, route, subject }: Stray, reason: string): void {
    if (isRequest) this.#unrouted.lost(subject, route, reason)
    else this.#unrouted.unheard(subject, route)
  }

  #publish(
    target: NatsTarget,
    message: Uint8Array,
    fate: Pick<MessageBus.Delivery, "delivered" | "undelivered">
  ): void {
    const { publisher, runtime } = this.#to
    publisher.publish(target, message, runtime.now() + patience, { wanted: () => true, ...fate })
  }
}
