import type { MessageBus, PsrpcError } from "@effect-psrpc/core"
import type { BusMetrics, BusRuntime } from "@effect-psrpc/core/broker"
import { Cause, type Effect } from "effect"
import type { Message } from "../connection/natsConnection.ts"
import type { NatsIdentity } from "../connection/natsIdentity.ts"
import { SharedSubscription, type Subscriptions } from "../connection/subscriptions.ts"
import type { Forwarder } from "../forwarding/forwarder.ts"
import { routeSubject } from "../subjects/subjectNames.ts"
import { SubjectListeners } from "./subjectListeners.ts"

/** Returns the bytes of a message, not as a Buffer, whose slice() would not copy. */
const bytesOf = ({ data }: Message): Uint8Array =>
  Buffer.isBuffer(data) ? new Uint8Array(data.buffer, data.byteOffset, data.length) : data

/** The receiving side of a bus: passes each message to the listeners of its channel, which is a field of the message. */
export class Receiver {
  readonly #subscriptions: Subscriptions
  readonly #forwarder: Forwarder
  readonly #broker: NatsIdentity
  readonly #runtime: BusRuntime.BusRuntime
  readonly #metrics: BusMetrics.BusMetrics
  readonly #subjects = new Map<string, SubjectListeners>()

  constructor(
    subscriptions: Subscriptions,
    forwarder: Forwarder,
    broker: NatsIdentity,
    runtime: BusRuntime.BusRuntime,
    metrics: BusMetrics.BusMetrics
  ) {
    this.#metrics = metrics
    this.#subscriptions = subscriptions
    this.#forwarder = forwarder
    this.#broker = broker
    this.#runtime = runtime
  }

  /** Adds a listener. Returns what to wait for, and how to remove it. */
  listen(
    channel: MessageBus.Channel,
    listener: MessageBus.Listener,
    queue: boolean
  ): {
    readonly acknowledged: Effect.Effect<void, PsrpcError.PsrpcError>
    /** Unsubscribes. The listener still gets messages that arrive before the server has replied. */
    readonly leave: () => void
    /** Removes the listener. */
    readonly remove: () => void
  } {
    const name = channel.subject
    // as on the wire
    const route = channel.route.toWellFormed()
    const key = queue ? `${name} queue` : name
    let subject = this.#subjects.get(key)
    if (subject === undefined) {
      subject = new SubjectListeners(name, queue, this.#receive, (defect) => this.#threw("a listener", defect))
      this.#subjects.set(key, subject)
      if (queue) this.#forwarder.join(name)
    }
    const { routes, shared } = subject
    subject.add(route, listener)
    this.#subscriptions.retain(shared)
    let forwarded: SharedSubscription | undefined
    if (queue && route !== "") {
      forwarded = routes.get(route)
      if (forwarded === undefined) {
        forwarded = new SharedSubscription(routeSubject(name, route), true, shared.receive)
        routes.set(route, forwarded)
      }
      this.#subscriptions.retain(forwarded)
    }
    return {
      acknowledged: this.#subscriptions.acknowledged(shared),
      leave: () => {
        this.#subscriptions.release(shared)
        if (forwarded === undefined) return
        this.#subscriptions.release(forwarded)
        if (forwarded.users === 0) routes.delete(route)
      },
      remove: () => {
        subject.delete(route, listener)
        if (shared.users > 0 || this.#subjects.get(key) !== subject) return
        this.#subjects.delete(key)
        if (queue) this.#forwarder.leave(name)
      }
    }
  }

  readonly #receive = (subject: SubjectListeners, message: Message): void => {
    try {
      const bytes = bytesOf(message)
      this.#metrics.received(bytes.length)
      if (!subject.shared.queue) return subject.toAll(bytes)
      const route = subject.toOne(bytes)
      if (route !== undefined) this.#forwarder.forward(subject.shared.subject, route, bytes)
    } catch (defect) {
      // an exception would stop nats.js from reading
      this.#threw("the receiver", defect)
    }
  }

  #threw(thrower: string, defect: unknown): void {
    this.#runtime.log("error", this.#broker.message(`${thrower} threw an exception`), Cause.die(defect))
  }
}
