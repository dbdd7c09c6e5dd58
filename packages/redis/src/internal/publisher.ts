import type { MessageBus, PsrpcError } from "@effect-psrpc/core"
import { type BusRuntime, type ConnectionLog, type Limits, SendQueue } from "@effect-psrpc/core/broker"
import { Effect } from "effect"
import { type Lock, Publish } from "./commands.ts"
import { HeldLocks } from "./locks.ts"
import type { Peer } from "./peer.ts"
import type { Wire } from "./wire.ts"

export interface PublisherOptions extends Limits.Limits {
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
  readonly #runtime: BusRuntime.BusRuntime
  readonly #options: PublisherOptions
  readonly #subscribing: Subscribing
  readonly #queue: SendQueue.SendQueue<Publish>
  readonly #locks: HeldLocks
  #wire: Wire | undefined
  #seq = 0
  /** Until when nobody receiving a message is no proof that nobody serves. */
  #graceUntil = -Infinity
  /** Why nothing is taken any more: the bus is closed, or a client will not connect again. */
  readonly #ends = new Set<string>()
  #ended: string | undefined
  readonly #log: ConnectionLog.ConnectionLog

  constructor(
    peer: Peer,
    runtime: BusRuntime.BusRuntime,
    options: PublisherOptions,
    subscribing: Subscribing,
    log: ConnectionLog.ConnectionLog
  ) {
    this.#log = log
    this.#peer = peer
    this.#runtime = runtime
    this.#options = options
    this.#subscribing = subscribing
    this.#locks = new HeldLocks(runtime, options.maxBufferedMessages)
    this.#queue = new SendQueue.SendQueue({
      broker: peer,
      runtime,
      limits: options,
      canSend: () => this.#takes(),
      blockedBy: () => this.#why(),
      send: (item) => this.#wire!.send(item.unused()),
      mayHaveListeners: () => this.#isGrace
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
    if (this.#ended !== undefined) return delivery.undelivered(this.#peer.unreachable(this.#ended, false))
    this.#queue.publish(new Publish(target, message, expiry, delivery, this.#seq++))
  }

  #takes(): boolean {
    const wire = this.#wire
    return wire !== undefined && wire.isReady && !wire.isCongested && this.#subscribing.isWhole
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
    if (receivers === 0 && this.#ended === undefined) return this.#queue.retryLater(message)
    this.#queue.settled(message, receivers > 0)
    return false
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
    this.#queue.resume()
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
    this.#queue.putBack(unsent)
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
    this.#locks.clear()
    this.#queue.failAll(this.#peer.unreachable(this.#ended, false))
  }

  /** A client that had ended was connected again. */
  revive(reason: string): void {
    this.#ends.delete(reason)
    this.#ended = this.#ends.values().next().value
  }

  failure(): PsrpcError.PsrpcError | undefined {
    return this.#ended === undefined && this.#takes() ? undefined : this.#peer.unreachable(this.#why(), false)
  }

  #why(): string {
    if (this.#ended !== undefined) return this.#ended
    if (this.#wire?.isReady !== true) {
      const { reason } = this.#log
      return `the connection is down (reconnecting)${reason === undefined ? "" : `: ${reason}`}`
    }
    if (!this.#subscribing.isWhole) return this.#subscribing.trouble
    return this.#wire.isCongested ? "Redis does not read what it is sent" : "nobody listens yet"
  }
}
