import type { MessageBus, PsrpcError } from "@effect-psrpc/core"
import { type BusRuntime, type Limits, SendQueue } from "@effect-psrpc/core/broker"
import { Effect } from "effect"
import type { Violation } from "./connection.ts"
import type { Inbox } from "./inbox.ts"
import type { Link, LinkListener } from "./link.ts"
import type { Peer } from "./peer.ts"
import { Publication } from "./publication.ts"
import { NatsTarget } from "./subjects.ts"
import { Window } from "./window.ts"

export interface PublisherOptions extends Limits.Limits {
  /** Milliseconds after a connection came back in which a message that nobody has heard is sent again. */
  readonly grace: number
}

/** Bytes without the server's confirmation beyond which it counts as not reading: what comes then is held back. */
const congestion = 4 * 1024 * 1024

/** Milliseconds in which a cluster may not have told all of its servers of a new subscription. */
const clusterLag = 250

/**
 * The publishing side of a bus.
 *
 * What is handed to the connection is confirmed by the PONG of a PING behind it: one PING a turn, and one at a time, so
 * that they cost the same however much is published. A message that nobody listens to is answered by the server before
 * that PONG. What the connection does not take waits here and not inside of the client, which would send it when nobody
 * wants it any more; and nothing that may have left is sent again.
 */
export class Publisher implements LinkListener {
  readonly #link: Link
  readonly #inbox: Inbox
  readonly #peer: Peer
  readonly #runtime: BusRuntime.BusRuntime
  readonly #options: PublisherOptions
  readonly #queue: SendQueue.SendQueue<Publication>
  readonly #window = new Window()
  /** One for all messages: the client looks at it while it is called. */
  readonly #reply = { reply: "" }
  #seq = 0
  /** Whether a PING is on its way, or is about to be. */
  #isAsking = false
  #isSettling = false
  /** Whether the server has the subscriptions again: it says so by the PONG of a PING behind them. */
  #isWhole = true
  /** Until when nobody hearing a message is no proof that nobody serves. */
  #graceUntil = -Infinity
  #onIdle: (() => void) | undefined

  constructor(link: Link, inbox: Inbox, peer: Peer, runtime: BusRuntime.BusRuntime, options: PublisherOptions) {
    this.#link = link
    this.#inbox = inbox
    this.#peer = peer
    this.#runtime = runtime
    this.#options = options
    this.#queue = new SendQueue.SendQueue({
      broker: peer,
      runtime,
      limits: options,
      canSend: () => this.#takes(),
      blockedBy: () => this.#why(),
      send: (item) => this.#send(item),
      mayHaveListeners: ({ target, until }) => target.isPatient && until > runtime.now()
    })
    link.listen(this)
    inbox.onUnheard = (number) => {
      const item = this.#window.get(number)
      if (item !== undefined) item.hadNoListeners = true
    }
  }

  publish(given: MessageBus.Target, message: Uint8Array, expiry: number, delivery: MessageBus.Delivery): void {
    const target = NatsTarget.from(given)
    if (target.refusal !== undefined) return delivery.undelivered(target.refusal)
    if (this.#link.ended !== undefined) return delivery.undelivered(this.#gone())
    this.#queue.publish(new Publication(target, message, expiry, delivery, this.#seq++))
  }

  #takes(): boolean {
    return this.#window.bytes < congestion && this.#link.isUp
  }

  #send(item: Publication): void {
    const { message, target } = item
    const most = this.#link.info!.max_payload
    item.hadNoListeners = false
    if (message.length > most) {
      return this.#refused(
        item,
        this.#peer.tooLarge(target.name, message.length, `the server's max_payload of ${most} bytes`)
      )
    }
    const number = this.#window.add(item)
    // before the client's own, so that the PING leaves in one write with the messages
    if (!this.#isAsking) {
      this.#isAsking = true
      queueMicrotask(() => this.#ask())
    }
    try {
      const reply = this.#inbox.replyTo(number)
      if (reply === undefined) return this.#link.connection.publish(target.name, message)
      this.#reply.reply = reply
      this.#link.connection.publish(target.name, message, this.#reply)
    } catch (error) {
      this.#window.pop()
      this.#refused(item, this.#peer.failed("publish", error))
    }
  }

  /** It has certainly not left. */
  #refused(item: Publication, error: PsrpcError.PsrpcError): void {
    this.#queue.settled(item, false)
    item.delivery.undelivered(error)
  }

  /** Asks the server to confirm everything that was handed over by now. */
  #ask(): void {
    if (this.#window.size === 0 || !this.#link.isUp) {
      this.#isAsking = false
      return
    }
    const limit = this.#window.next
    this.#link.ping((isAnswered) => {
      this.#isAsking = false
      if (!isAnswered) return
      this.#window.confirm(limit)
      if (this.#isSettling) return
      this.#isSettling = true
      // what the server has refused comes before its PONG, but is heard of some turns of the microtask queue later
      setImmediate(this.#afterPong)
    })
  }

  readonly #afterPong = (): void => {
    this.#isSettling = false
    this.#settle()
    this.#queue.resume()
    // under load the next message has asked by now, in one write with itself
    if (!this.#isAsking) {
      this.#isAsking = true
      this.#ask()
    }
  }

  /** Tells what is confirmed. */
  #settle(): void {
    for (const item of this.#window.takeConfirmed()) {
      if (item.refusal !== undefined) this.#refused(item, item.refusal)
      else if (item.hadNoListeners) this.#unheardBy(item)
      else {
        this.#queue.settled(item, true)
        item.delivery.delivered(-1)
      }
    }
    if (this.#window.size === 0) this.#onIdle?.()
  }

  /** Keeps a message that nobody has heard, while that may be because nobody has subscribed again yet. */
  #unheardBy(item: Publication): void {
    const now = this.#runtime.now()
    if (item.until === 0) {
      item.until = Math.max(this.#graceUntil, this.#link.info?.cluster === undefined ? now : now + clusterLag)
    }
    if (this.#link.ended !== undefined || !this.#queue.retryLater(item)) item.delivery.delivered(0)
  }

  up(): void {
    // a turn later: what was refused before is asked for again in this one
    queueMicrotask(() => {
      this.#link.ping((isAnswered) => {
        if (isAnswered) this.#isWhole = true
      })
    })
    // connections of other processes may not be back
    this.#graceUntil = this.#runtime.now() + this.#options.grace
    this.#queue.resume()
  }

  down(): void {
    this.#isWhole = false
    this.#isAsking = false
    this.#settle()
    const lost = this.#window.clear()
    if (lost.length > 0) {
      const what = this.#link.ended ?? "the connection broke"
      const error = this.#peer.unreachable(`${what} before the server had confirmed the message`, true)
      for (const item of lost) {
        if (item.refusal !== undefined) this.#refused(item, item.refusal)
        else {
          this.#queue.settled(item, false)
          item.delivery.undelivered(error)
        }
      }
    }
    this.#onIdle?.()
  }

  ended(): void {
    this.#queue.failAll(this.#gone())
  }

  violated({ operation, subject }: Violation): void {
    if (operation !== "publish") return
    const error = this.#peer.denied(`publish to ${subject}`)
    for (const item of this.#window.items()) if (item.target.name === subject) item.refusal = error
  }

  /** Waits until the server has confirmed everything, or the connection has broken. */
  readonly idle: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.#window.size === 0) return resume(Effect.void)
    this.#onIdle = () => resume(Effect.void)
  })

  failure(): PsrpcError.PsrpcError | undefined {
    const isWell = this.#link.ended === undefined && this.#takes() && this.#isWhole
    return isWell ? undefined : this.#peer.unreachable(this.#why(), false)
  }

  #gone(): PsrpcError.PsrpcError {
    return this.#peer.unreachable(this.#link.trouble, false)
  }

  #why(): string {
    if (this.#link.ended !== undefined || !this.#link.isUp) return this.#link.trouble
    if (!this.#isWhole) return "the server has not confirmed the subscriptions yet"
    return this.#window.bytes < congestion ? "nobody listens yet" : "the server does not read what it is sent"
  }
}
