import type { MessageBus } from "@effect-psrpc/core"
import { type BusRuntime, Msg } from "@effect-psrpc/core/broker"
import { Metric } from "effect"
import type { ConnectionListener, ConnectionMonitor } from "../connection/connectionMonitor.ts"
import type { NatsIdentity } from "../connection/natsIdentity.ts"
import type { Subscriptions } from "../connection/subscriptions.ts"
import type { NoRespondersInbox } from "../publishing/noRespondersInbox.ts"
import type { Publisher } from "../publishing/publisher.ts"
import { NatsTarget } from "../subjects/natsTarget.ts"
import { routeSubject } from "../subjects/subjectNames.ts"
import { forwardProbe, MembershipProbe, type ProbeOptions, probeRoute } from "./membershipProbe.ts"
import { UnroutableMessages } from "./unroutableMessages.ts"

/** Maximum hops of a message. */
const maxHops = 16
/** Added to the hops of a message once its route's own subject had no listeners. */
const noRouteListeners = 64
/** Milliseconds that a forwarded message may wait for a lost connection. Its own deadline is not known here. */
const timeout = 10_000
/** The type of requests. All other messages of a queue are updates. */
const requestType = "type.googleapis.com/internal.Request"

/** Counts messages of queues that were forwarded to another member. */
export const forwardedMessages = Metric.counter("psrpc_messages_forwarded", {
  description: "Messages of queues that were forwarded to another member, because this one has no route for them",
  incremental: true
})

/** A message that arrived at a member without its route. */
interface MisroutedMessage {
  readonly subject: string
  readonly route: string
  readonly bytes: Uint8Array
  readonly isRequest: boolean
}

/**
 * Forwards misrouted messages. A queue group spans all channels of a subject, and NATS gives each message to any member.
 *
 * The message goes first, once, to the subject of the members that have its route. If that has no listeners, or the server
 * does not report it, the message goes to a random member: a Go server may have the route. Random members alone would lose
 * one message in a hundred among four members within 16 hops.
 *
 * An update without subscribers is nothing unusual, and there may be many. If all members are known to forward, it is
 * dropped at once. A request always takes all its hops: if a Go server has joined since, its caller would wait for a
 * timeout.
 */
export class Forwarder implements ConnectionListener {
  readonly #context: Omit<ProbeOptions, "subject">
  readonly #inbox: NoRespondersInbox
  readonly #unroutable: UnroutableMessages
  /** By the subject of the queues that this process is a member of. */
  readonly #probes = new Map<string, MembershipProbe>()

  constructor(
    monitor: ConnectionMonitor,
    publisher: Publisher,
    inbox: NoRespondersInbox,
    subscriptions: Subscriptions,
    broker: NatsIdentity,
    runtime: BusRuntime.BusRuntime
  ) {
    this.#context = { publisher, subscriptions, runtime }
    this.#inbox = inbox
    this.#unroutable = new UnroutableMessages(broker, runtime)
    monitor.listen(this)
  }

  forward(subject: string, route: string, bytes: Uint8Array): void {
    const msg = Msg.decode(bytes)
    if (msg === "malformed") return this.#unroutable.drop(subject, route, "it is malformed")
    if (route === probeRoute) return forwardProbe(this.#context, subject, msg, bytes)
    const message: MisroutedMessage = { subject, route, bytes, isRequest: msg.typeUrl === requestType }
    const hops = msg.hops % noRouteListeners
    if (hops >= maxHops) return this.#drop(message, `no member with its route was found in ${hops} hops`)
    if (msg.hops >= noRouteListeners) {
      if (!message.isRequest && this.#probes.get(subject)?.allForward === true) this.#drop(message, "")
      else this.#toAnyMember(message)
    } else if (route === "" || !this.#inbox.isOn) this.#toAnyMember(message)
    else this.#toRoute(message)
  }

  /** This process joins the queue of a subject. */
  join(subject: string): void {
    this.#probes.set(subject, new MembershipProbe({ ...this.#context, subject }))
  }

  /** The last member in this process leaves the queue of a subject. */
  leave(subject: string): void {
    const probe = this.#probes.get(subject)
    this.#probes.delete(subject)
    probe?.close()
  }

  /** Results of probes are not valid beyond a connection. */
  down(): void {
    const previous = [...this.#probes]
    for (const [subject] of previous) this.join(subject)
    for (const [, probe] of previous) probe.close()
  }

  ended(): void {
    for (const subject of [...this.#probes.keys()]) this.leave(subject)
  }

  #toRoute(message: MisroutedMessage): void {
    const { bytes, route, subject } = message
    this.#publish(new NatsTarget(routeSubject(subject, route), "", false), Msg.withHop(bytes), {
      delivered: (receivers) => {
        if (receivers === 0) this.#hadNoRouteListeners(message)
        else this.#context.runtime.count(forwardedMessages, 1)
      },
      // for example without permission
      undelivered: (error) => {
        if (error.mayHaveRun) this.#unroutable.drop(subject, route, error.message)
        else this.#toAnyMember(message)
      }
    })
  }

  /** No member of this library has the route. */
  #hadNoRouteListeners(message: MisroutedMessage): void {
    const probe = message.isRequest ? undefined : this.#probes.get(message.subject)
    if (probe === undefined) return this.#toAnyMember(message, noRouteListeners)
    probe.misrouted(message.bytes.length, (allForward) => {
      if (allForward) this.#drop(message, "")
      else this.#toAnyMember(message, noRouteListeners)
    })
  }

  #toAnyMember(message: MisroutedMessage, addedHops = 0): void {
    this.#context.runtime.count(forwardedMessages, 1)
    this.#publish(new NatsTarget(message.subject, ""), Msg.withHop(message.bytes, 1 + addedHops), {
      delivered: (receivers) => {
        if (receivers === 0) this.#drop(message, "every member has left")
      },
      undelivered: (error) => this.#unroutable.drop(message.subject, message.route, error.message)
    })
  }

  #drop({ isRequest, route, subject }: MisroutedMessage, reason: string): void {
    if (isRequest) this.#unroutable.drop(subject, route, reason)
    else this.#unroutable.dropUpdate(subject, route)
  }

  #publish(
    target: NatsTarget,
    message: Uint8Array,
    outcome: Pick<MessageBus.Delivery, "delivered" | "undelivered">
  ): void {
    const { publisher, runtime } = this.#context
    publisher.publish(target, message, runtime.now() + timeout, { wanted: () => true, ...outcome })
  }
}
