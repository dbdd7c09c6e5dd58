import { type MessageBus, PsrpcError } from "@effect-psrpc/core"
import { Effect } from "effect"
import type { Violation } from "./connection.ts"
import { HeldMessages, sweepInterval } from "./held.ts"
import type { Inbox } from "./inbox.ts"
import type { Link, LinkListener } from "./link.ts"
import type { Peer } from "./peer.ts"
import { Publication } from "./publication.ts"
import type { Runtime } from "./runtime.ts"
import { NatsTarget } from "./subjects.ts"
import { retryInterval, UnheardMessages } from "./unheard.ts"
import { Window } from "./window.ts"

export interface PublisherOptions {
  readonly maxPayload: number
  readonly maxHeldMessages: number
  readonly maxHeldBytes: number
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
  readonly #runtime: Runtime
  readonly #options: PublisherOptions
  readonly #held: HeldMessages
  readonly #unheard: UnheardMessages
  readonly #window = new Window()
  /** One for all messages: the client looks at it while it is called. */
  readonly #reply = { reply: "" }
  #seq = 0
  /** Whether a PING is on its way, or is about to be. */
  #isAsking = false
  #isSettling = false
  /** Until when nobody hearing a message is no proof that nobody serves. */
  #graceUntil = -Infinity
  #retrying: (() => void) | undefined
  #alarm: { readonly at: number; readonly cancel: () => void } | undefined
  #onIdle: (() => void) | undefined

  constructor(link: Link, inbox: Inbox, peer: Peer, runtime: Runtime, options: PublisherOptions) {
    this.#link = link
    this.#inbox = inbox
    this.#peer = peer
    this.#runtime = runtime
    this.#options = options
    this.#unheard = new UnheardMessages({
      now: () => runtime.now(),
      unsent: () =>
        PsrpcError.fromCode("unavailable", {
          message: peer.message("nobody has heard what was published on the subject before"),
          reason: "no_listeners",
          mayHaveRun: false
        }),
      takes: () => this.#takes(),
      send: (item) => this.#send(item)
    })
    this.#held = new HeldMessages({
      maxMessages: options.maxHeldMessages,
      maxBytes: options.maxHeldBytes,
      besides: this.#unheard,
      expired: () => peer.unreachable(this.#why(), false),
      overflow: () => this.#overflow()
    })
    link.listen(this)
    inbox.onUnheard = (number) => {
      const item = this.#window.get(number)
      if (item !== undefined) item.unheard = true
    }
  }

  publish(given: MessageBus.Target, message: Uint8Array, expiry: number, delivery: MessageBus.Delivery): void {
    const target = NatsTarget.from(given)
    if (target.refusal !== undefined) return delivery.undelivered(target.refusal)
    if (message.length > this.#options.maxPayload) return delivery.undelivered(this.#tooLarge(message))
    if (this.#link.ended !== undefined) return delivery.undelivered(this.#gone())
    const item = new Publication(target, message, expiry, delivery, this.#seq++)
    if (this.#unheard.waits(target.name)) {
      if (this.#held.hasRoom(message)) this.#unheard.add(item)
      else delivery.undelivered(this.#overflow())
      return
    }
    if (this.#held.size === 0 && this.#takes()) return this.#send(item)
    this.#held.push(item, this.#runtime.now())
    this.#watch(expiry)
  }

  #takes(): boolean {
    return this.#window.bytes < congestion && this.#link.isUp
  }

  #send(item: Publication): void {
    const { message, target } = item
    const most = this.#link.info!.max_payload
    item.unheard = false
    if (message.length > most) return this.#refused(item, this.#tooLarge(message, most))
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
    if (item.isAttempt) this.#unheard.answered(item, false)
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
    this.#resume()
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
      else if (item.unheard) this.#unheardBy(item)
      else {
        if (item.isAttempt) this.#unheard.answered(item, true)
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
    const isKept =
      item.target.isPatient &&
      item.until > now &&
      item.expiry > now + retryInterval &&
      this.#link.ended === undefined &&
      this.#held.hasRoom(item.message) &&
      item.delivery.wanted()
    if (isKept) {
      this.#unheard.add(item)
      this.#retryLater()
    } else {
      if (item.isAttempt) this.#unheard.answered(item, false)
      item.delivery.delivered(0)
    }
  }

  #retryLater(): void {
    this.#retrying ??= this.#runtime.after(retryInterval, () => {
      this.#retrying = undefined
      this.#unheard.retry()
      if (!this.#unheard.isEmpty) this.#retryLater()
    })
  }

  /** Sends what was held, as far as the connection takes it. */
  #resume(): void {
    if (this.#held.size === 0) return
    this.#held.drain(
      this.#runtime.now(),
      () => this.#takes(),
      (item) => (this.#unheard.waits(item.target.name) ? this.#unheard.add(item) : this.#send(item))
    )
    if (this.#held.size === 0) this.#quiet()
  }

  up(): void {
    // connections of other processes may not be back
    this.#graceUntil = this.#runtime.now() + this.#options.grace
    this.#resume()
  }

  down(): void {
    this.#isAsking = false
    this.#settle()
    const lost = this.#window.clear()
    if (lost.length > 0) {
      const what = this.#link.ended ?? "the connection broke"
      const error = this.#peer.unreachable(`${what} before the server had confirmed the message`, true)
      for (const item of lost) {
        if (item.refusal !== undefined) this.#refused(item, item.refusal)
        else {
          if (item.isAttempt) this.#unheard.answered(item, false)
          item.delivery.undelivered(error)
        }
      }
    }
    this.#onIdle?.()
  }

  ended(): void {
    this.#quiet()
    this.#retrying?.()
    this.#retrying = undefined
    const waiting = [...this.#unheard.clear(), ...this.#held.clear()]
    if (waiting.length === 0) return
    const error = this.#gone()
    for (const { delivery } of waiting) delivery.undelivered(error)
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
    return this.#link.ended === undefined && this.#takes() ? undefined : this.#peer.unreachable(this.#why(), false)
  }

  #gone(): PsrpcError.PsrpcError {
    return this.#peer.unreachable(this.#link.trouble, false)
  }

  #overflow(): PsrpcError.PsrpcError {
    return PsrpcError.fromCode("resource_exhausted", {
      message: this.#peer.message(`${this.#why()}, and too many messages wait for it`),
      reason: "overflow",
      mayHaveRun: false
    })
  }

  #why(): string {
    if (this.#link.ended !== undefined || !this.#link.isUp) return this.#link.trouble
    return this.#window.bytes < congestion ? "nobody listens yet" : "the server does not read what it is sent"
  }

  #tooLarge(message: Uint8Array, serverLimit?: number): PsrpcError.PsrpcError {
    const limit =
      serverLimit === undefined ? `maxPayload, ${this.#options.maxPayload}` : `the server's max_payload, ${serverLimit}`
    return PsrpcError.fromCode("resource_exhausted", {
      message: this.#peer.message(`a message of ${message.length} bytes is larger than ${limit}`),
      reason: "too_large",
      mayHaveRun: false
    })
  }

  /** Sweeps once the earliest of what is held expires. */
  #watch(expiry: number): void {
    const now = this.#runtime.now()
    const at = Math.max(expiry, now + sweepInterval)
    if (this.#held.size === 0 || at === Infinity || (this.#alarm !== undefined && this.#alarm.at <= at)) return
    this.#quiet()
    const cancel = this.#runtime.after(at - now, () => {
      this.#alarm = undefined
      this.#watch(this.#held.sweep(this.#runtime.now()))
    })
    this.#alarm = { at, cancel }
  }

  #quiet(): void {
    this.#alarm?.cancel()
    this.#alarm = undefined
  }
}
