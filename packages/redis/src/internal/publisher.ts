import { type MessageBus, PsrpcError } from "@effect-psrpc/core"
import { Effect } from "effect"
import { type Lock, Publish } from "./commands.ts"
import { type Held, HeldMessages, sweepInterval } from "./held.ts"
import { HeldLocks } from "./locks.ts"
import type { Peer } from "./peer.ts"
import type { Runtime } from "./runtime.ts"
import { retryInterval, UnheardMessages } from "./unheard.ts"
import type { Wire } from "./wire.ts"

export interface PublisherOptions {
  readonly maxPayload: number
  readonly maxHeldMessages: number
  readonly maxHeldBytes: number
  /** Milliseconds after a connection came back in which a message that nobody got is sent again. */
  readonly grace: number
}

/** The subscribing side, as far as publishing waits for it: answers would be lost before it is whole. */
export interface Subscribing {
  readonly isWhole: boolean
  /** Why it is not. */
  readonly trouble: string
}

/**
 * The publishing side of a bus: sends while both connections work, and holds messages while one of them does not.
 * Nothing is left to ioredis' own queue, which would send what has expired, and nothing that may have reached somebody
 * is sent again.
 */
export class Publisher {
  readonly #peer: Peer
  readonly #runtime: Runtime
  readonly #options: PublisherOptions
  readonly #subscribing: Subscribing
  readonly #held: HeldMessages
  readonly #unheard: UnheardMessages
  readonly #locks: HeldLocks
  #wire: Wire | undefined
  #seq = 0
  /** Until when nobody receiving a message is no proof that nobody serves. */
  #graceUntil = -Infinity
  #retrying: (() => void) | undefined
  /** Why nothing is taken any more: the bus is closed, or a client will not connect again. */
  readonly #ends = new Set<string>()
  #ended: string | undefined
  /** Why there is no connection, where ioredis has said so. */
  reason: string | undefined
  #alarm: { readonly at: number; readonly cancel: () => void } | undefined

  constructor(peer: Peer, runtime: Runtime, options: PublisherOptions, subscribing: Subscribing) {
    this.#peer = peer
    this.#runtime = runtime
    this.#options = options
    this.#subscribing = subscribing
    this.#locks = new HeldLocks(runtime, options.maxHeldMessages)
    this.#unheard = new UnheardMessages({
      now: () => runtime.now(),
      unsent: () =>
        new PsrpcError.Unavailable({
          message: peer.message("nobody has got what was published on the channel before"),
          reason: "no_listeners",
          mayHaveRun: false
        }),
      takes: () => this.#takes(),
      send: (item) => this.#wire!.send(this.#commandOf(item)),
      attempt: (item) => {
        const command = this.#commandOf(item)
        command.isAttempt = true
        this.#wire!.send(command)
      }
    })
    this.#held = new HeldMessages({
      maxMessages: options.maxHeldMessages,
      maxBytes: options.maxHeldBytes,
      besides: this.#unheard,
      expired: () => peer.unreachable(this.#why(), false),
      overflow: () => this.#overflow()
    })
  }

  /** The connection to send on from now on. */
  attach(wire: Wire): void {
    this.#wire = wire
    wire.onDrain = () => this.resume()
    wire.heard = (message, receivers) => this.#heard(message, receivers)
    this.resume()
  }

  publish(target: MessageBus.Target, message: Uint8Array, expiry: number, delivery: MessageBus.Delivery): void {
    if (message.length > this.#options.maxPayload) return delivery.undelivered(this.#tooLarge(message))
    if (this.#ended !== undefined) return delivery.undelivered(this.#peer.unreachable(this.#ended, false))
    const seq = this.#seq++
    if (this.#unheard.isEmpty && this.#held.size === 0 && this.#takes()) {
      return this.#wire!.send(new Publish(target, message, expiry, delivery, seq))
    }
    const item: Held = { target, message, expiry, delivery, seq, tried: false }
    if (this.#unheard.waits(target.name)) {
      if (this.#held.hasRoom(message)) this.#unheard.add(item)
      else delivery.undelivered(this.#overflow())
      return
    }
    if (this.#held.size === 0 && this.#takes()) return this.#wire!.send(this.#commandOf(item))
    this.#held.push(item, this.#runtime.now())
    this.#watch(expiry)
    // the connection may be back already, with its event still to come
    this.resume()
  }

  #takes(): boolean {
    const wire = this.#wire
    return wire !== undefined && wire.isReady && !wire.isCongested && this.#subscribing.isWhole
  }

  /** A command of its own for each time that a message is sent: ioredis may still have the last one. */
  #commandOf({ delivery, expiry, message, seq, target, tried }: Held): Publish {
    const command = new Publish(target, message, expiry, delivery, seq)
    command.tried = tried
    return command
  }

  /** One of our connections is back: those of other processes may not be. */
  cameBack(): void {
    this.#graceUntil = this.#runtime.now() + this.#options.grace
  }

  get #isGrace(): boolean {
    return this.#runtime.now() < this.#graceUntil || !this.#subscribing.isWhole
  }

  /** Keeps a message that nobody got, while that may be because nobody has subscribed again yet. */
  #heard(message: Publish, receivers: number): boolean {
    const isKept =
      receivers === 0 &&
      this.#ended === undefined &&
      this.#isGrace &&
      message.expiry > this.#runtime.now() + retryInterval &&
      this.#held.hasRoom(message.message) &&
      message.delivery.wanted()
    if (!isKept) {
      if (message.isAttempt) this.#unheard.answered(message, receivers > 0)
      return false
    }
    const { delivery, expiry, seq, target } = message
    this.#unheard.add({ target, message: message.message, expiry, delivery, seq, tried: true })
    this.#retryLater()
    return true
  }

  #retryLater(): void {
    this.#retrying ??= this.#runtime.after(retryInterval, () => {
      this.#retrying = undefined
      this.#unheard.retry(!this.#isGrace)
      if (!this.#unheard.isEmpty) this.#retryLater()
    })
  }

  /** Asks for a lock, at the latest when the connection is back. */
  lock(lock: Lock): boolean {
    if (this.#ended !== undefined) return false
    const wire = this.#wire
    if (wire === undefined || !wire.isReady) return this.#locks.push(lock)
    wire.send(lock)
    return true
  }

  /** Sends what was held, as far as the connection takes it. */
  resume(): void {
    const wire = this.#wire
    if (wire === undefined || this.#ended !== undefined) return
    if (wire.isReady) for (const lock of this.#locks.take()) wire.send(lock)
    this.#held.drain(
      this.#runtime.now(),
      () => this.#takes(),
      (item) => {
        if (this.#unheard.waits(item.target.name)) this.#unheard.add(item)
        else wire.send(this.#commandOf(item))
      }
    )
    if (this.#held.size === 0) this.#quiet()
  }

  /** The connection of a wire has closed. */
  broken(wire: Wire): void {
    const unsent = wire.broken()
    if (unsent.length === 0) return
    if (this.#ended !== undefined) {
      const error = this.#peer.unreachable(this.#ended, false)
      for (const { delivery } of unsent) delivery.undelivered(error)
      return
    }
    for (const message of unsent) if (message.isAttempt) this.#unheard.add(message)
    this.#held.prepend(unsent.filter((message) => !message.isAttempt))
    for (const { expiry } of unsent) this.#watch(expiry)
  }

  /** Takes no more, and waits some milliseconds until Redis has answered what it was sent. */
  close(timeout: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.end("the bus is closed")
      const wire = this.#wire
      if (wire === undefined) return Effect.void
      wire.flush()
      const answered = wire.isReady ? Effect.timeoutOption(wire.idle, timeout) : Effect.void
      return Effect.andThen(
        answered,
        Effect.sync(() => this.broken(wire))
      )
    })
  }

  /** There will be no connection any more. */
  end(reason: string): void {
    this.#ends.add(reason)
    this.#ended ??= reason
    this.#quiet()
    this.#retrying?.()
    this.#retrying = undefined
    this.#locks.clear()
    const waiting = [...this.#unheard.clear(), ...this.#held.clear()]
    if (waiting.length === 0) return
    const error = this.#peer.unreachable(this.#ended, false)
    for (const { delivery } of waiting) delivery.undelivered(error)
  }

  /** A client that had ended was connected again. */
  revive(reason: string): void {
    this.#ends.delete(reason)
    this.#ended = this.#ends.values().next().value
  }

  failure(): PsrpcError.PsrpcError | undefined {
    return this.#ended === undefined && this.#takes() ? undefined : this.#peer.unreachable(this.#why(), false)
  }

  #overflow(): PsrpcError.PsrpcError {
    return new PsrpcError.ResourceExhausted({
      message: this.#peer.message(`${this.#why()}, and too many messages wait for it`),
      reason: "overflow",
      mayHaveRun: false
    })
  }

  #why(): string {
    if (this.#ended !== undefined) return this.#ended
    if (this.#wire?.isReady !== true) {
      return `the connection is down (reconnecting)${this.reason === undefined ? "" : `: ${this.reason}`}`
    }
    if (!this.#subscribing.isWhole) return this.#subscribing.trouble
    return this.#wire.isCongested ? "Redis does not read what it is sent" : "nobody listens yet"
  }

  #tooLarge(message: Uint8Array): PsrpcError.PsrpcError {
    return new PsrpcError.ResourceExhausted({
      message: this.#peer.message(
        `a message of ${message.length} bytes is larger than maxPayload, ${this.#options.maxPayload}`
      ),
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
