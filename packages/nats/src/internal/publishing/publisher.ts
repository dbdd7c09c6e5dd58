import type { MessageBus, PsrpcError } from "@effect-psrpc/core"
import { type BusRuntime, type Limits, SendQueue } from "@effect-psrpc/core/broker"
import { Effect } from "effect"
import type { ConnectionListener, ConnectionMonitor } from "../connection/connectionMonitor.ts"
import type { Violation } from "../connection/natsConnection.ts"
import type { NatsIdentity } from "../connection/natsIdentity.ts"
import { NatsTarget } from "../subjects/natsTarget.ts"
import type { NoRespondersInbox } from "./noRespondersInbox.ts"
import { Publication } from "./publication.ts"
import { UnconfirmedMessages } from "./unconfirmedMessages.ts"

export interface PublisherOptions extends Limits.Limits {
  /** Milliseconds after a reconnect in which a message without listeners is sent again. */
  readonly gracePeriod: number
}

/** Unconfirmed bytes above which further messages are held back, because the server does not read. */
const congestionLimit = 4 * 1024 * 1024

/** Milliseconds in which a new subscription may not be known to all servers of a cluster. */
const clusterLag = 250

/**
 * The publishing side of a bus.
 *
 * The PONG of a later PING confirms messages that were passed to the connection. There is at most one PING per turn of the
 * event loop, and one in flight, so that the cost does not depend on the number of messages. The server reports a message
 * without listeners before that PONG. Messages that the connection does not accept wait here and not inside of nats.js,
 * which sends expired ones. A message that may have been sent is never sent again.
 */
export class Publisher implements ConnectionListener {
  readonly #monitor: ConnectionMonitor
  readonly #inbox: NoRespondersInbox
  readonly #broker: NatsIdentity
  readonly #runtime: BusRuntime.BusRuntime
  readonly #options: PublisherOptions
  readonly #queue: SendQueue.SendQueue<Publication>
  readonly #unconfirmed = new UnconfirmedMessages()
  /** One object for all messages: nats.js reads it during the call. */
  readonly #reply = { reply: "" }
  #seq = 0
  /** Whether a PING is in flight, or scheduled. */
  #isPinging = false
  #isSettling = false
  /** Whether the server has all subscriptions again: confirmed by the PONG of a PING after them. */
  #hasSubscriptions = true
  /** End of the grace period, in which a message without listeners may still get some. */
  #graceUntil = -Infinity
  #onIdle: (() => void) | undefined

  constructor(
    monitor: ConnectionMonitor,
    inbox: NoRespondersInbox,
    broker: NatsIdentity,
    runtime: BusRuntime.BusRuntime,
    options: PublisherOptions
  ) {
    this.#monitor = monitor
    this.#inbox = inbox
    this.#broker = broker
    this.#runtime = runtime
    this.#options = options
    this.#queue = new SendQueue.SendQueue({
      broker,
      runtime,
      limits: options,
      canSend: () => this.#canSend(),
      blockedBy: () => this.#problem(),
      send: (item) => this.#send(item),
      mayHaveListeners: ({ retryUntil, target }) => target.retriesNoListeners && retryUntil > runtime.now()
    })
    monitor.listen(this)
    inbox.onNoResponders = (number) => {
      const item = this.#unconfirmed.get(number)
      if (item !== undefined) item.hadNoListeners = true
    }
  }

  publish(given: MessageBus.Target, message: Uint8Array, expiry: number, delivery: MessageBus.Delivery): void {
    const target = NatsTarget.from(given)
    if (target.refusal !== undefined) return delivery.undelivered(target.refusal)
    if (this.#monitor.ended !== undefined) return delivery.undelivered(this.#endError())
    this.#queue.publish(new Publication(target, message, expiry, delivery, this.#seq++))
  }

  #canSend(): boolean {
    return this.#unconfirmed.bytes < congestionLimit && this.#monitor.isUp
  }

  #send(item: Publication): void {
    const { message, target } = item
    const maxPayload = this.#monitor.info!.max_payload
    item.hadNoListeners = false
    if (message.length > maxPayload) {
      const limit = `the server's max_payload of ${maxPayload} bytes`
      return this.#notSent(item, this.#broker.tooLarge(target.name, message.length, limit))
    }
    const number = this.#unconfirmed.add(item)
    // scheduled before nats.js schedules its write, so that the PING leaves in one write with the messages
    if (!this.#isPinging) {
      this.#isPinging = true
      queueMicrotask(() => this.#ping())
    }
    try {
      const reply = this.#inbox.replyTo(number)
      if (reply === undefined) return this.#monitor.connection.publish(target.name, message)
      this.#reply.reply = reply
      this.#monitor.connection.publish(target.name, message, this.#reply)
    } catch (error) {
      this.#unconfirmed.pop()
      this.#notSent(item, this.#broker.failure(`publish to ${target.name}`, error))
    }
  }

  #notSent(item: Publication, error: PsrpcError.PsrpcError): void {
    this.#queue.settled(item, false)
    item.delivery.undelivered(error)
  }

  /** Sends a PING, whose PONG confirms all messages that were passed to the connection so far. */
  #ping(): void {
    if (this.#unconfirmed.size === 0 || !this.#monitor.isUp) {
      this.#isPinging = false
      return
    }
    const limit = this.#unconfirmed.next
    this.#monitor.ping((hasReply) => {
      this.#isPinging = false
      if (!hasReply) return
      this.#unconfirmed.confirm(limit)
      if (this.#isSettling) return
      this.#isSettling = true
      // the server's refusals come before its PONG, but nats.js reports them some microtasks later
      setImmediate(this.#afterPong)
    })
  }

  readonly #afterPong = (): void => {
    this.#isSettling = false
    this.#settle()
    this.#queue.resume()
    // under load a later message has sent a PING by now, in one write with itself
    if (!this.#isPinging) {
      this.#isPinging = true
      this.#ping()
    }
  }

  /** Reports the outcome of confirmed messages. */
  #settle(): void {
    for (const item of this.#unconfirmed.takeConfirmed()) {
      if (item.refusal !== undefined) this.#notSent(item, item.refusal)
      else if (item.hadNoListeners) this.#hadNoListeners(item)
      else {
        this.#queue.settled(item, true)
        item.delivery.delivered(-1)
      }
    }
    if (this.#unconfirmed.size === 0) this.#onIdle?.()
  }

  #hadNoListeners(item: Publication): void {
    const now = this.#runtime.now()
    if (item.retryUntil === 0) {
      const clusterKnows = this.#monitor.info?.cluster === undefined ? now : now + clusterLag
      item.retryUntil = Math.max(this.#graceUntil, clusterKnows)
    }
    if (this.#monitor.ended !== undefined || !this.#queue.retryLater(item)) item.delivery.delivered(0)
  }

  up(): void {
    // a microtask later: subscriptions that were refused before are requested again in this one
    queueMicrotask(() => {
      this.#monitor.ping((hasReply) => {
        if (hasReply) this.#hasSubscriptions = true
      })
    })
    // connections of other processes may not be back
    this.#graceUntil = this.#runtime.now() + this.#options.gracePeriod
    this.#queue.resume()
  }

  down(): void {
    this.#hasSubscriptions = false
    this.#isPinging = false
    this.#settle()
    const lost = this.#unconfirmed.clear()
    if (lost.length > 0) {
      const cause = this.#monitor.ended ?? "the connection was lost"
      const error = this.#broker.unreachable(`${cause} before the server confirmed the message`, true)
      for (const item of lost) {
        if (item.refusal !== undefined) this.#notSent(item, item.refusal)
        else {
          this.#queue.settled(item, false)
          item.delivery.undelivered(error)
        }
      }
    }
    this.#onIdle?.()
  }

  ended(): void {
    this.#queue.failAll(this.#endError())
  }

  denied({ operation, subject }: Violation): void {
    if (operation !== "publish") return
    const error = this.#broker.denied(`publish to ${subject}`)
    for (const item of this.#unconfirmed.toArray()) if (item.target.name === subject) item.refusal = error
  }

  /** Waits until the server has confirmed every message, or the connection is lost. */
  readonly idle: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.#unconfirmed.size === 0) return resume(Effect.void)
    this.#onIdle = () => resume(Effect.void)
  })

  failure(): PsrpcError.PsrpcError | undefined {
    const works = this.#monitor.ended === undefined && this.#canSend() && this.#hasSubscriptions
    return works ? undefined : this.#broker.unreachable(this.#problem(), false)
  }

  #endError(): PsrpcError.PsrpcError {
    return this.#broker.unreachable(this.#monitor.problem, false)
  }

  /** Returns why messages are not sent. */
  #problem(): string {
    if (this.#monitor.ended !== undefined || !this.#monitor.isUp) return this.#monitor.problem
    if (!this.#hasSubscriptions) return "the connection is back, but the server has not confirmed its subscriptions"
    return this.#unconfirmed.bytes < congestionLimit
      ? "there are no listeners yet"
      : "the server does not read from the connection"
  }
}
