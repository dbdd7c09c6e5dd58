import { type MessageBus, PsrpcError } from "@effect-psrpc/core"
import { Effect } from "effect"
import { type Lock, Publish } from "./commands.ts"
import { type Held, HeldMessages, sweepInterval } from "./held.ts"
import type { Peer } from "./peer.ts"
import type { Runtime } from "./runtime.ts"
import type { Wire } from "./wire.ts"

export interface PublisherOptions {
  readonly maxPayload: number
  readonly maxHeldMessages: number
  readonly maxHeldBytes: number
}

/**
 * The publishing side of a bus: sends while there is a connection, and holds messages while there is none. Nothing is
 * left to ioredis' own queue, which would send what has expired, and nothing that may have been sent is sent again.
 */
export class Publisher {
  readonly #peer: Peer
  readonly #runtime: Runtime
  readonly #options: PublisherOptions
  readonly #held: HeldMessages
  #wire: Wire | undefined
  /** Whether the bus is closed, or the client will not connect again. */
  #ended: string | undefined
  /** Why there is no connection, where ioredis has said so. */
  reason: string | undefined
  #alarm: { readonly at: number; readonly cancel: () => void } | undefined

  constructor(peer: Peer, runtime: Runtime, options: PublisherOptions) {
    this.#peer = peer
    this.#runtime = runtime
    this.#options = options
    this.#held = new HeldMessages({
      maxMessages: options.maxHeldMessages,
      maxBytes: options.maxHeldBytes,
      expired: () => peer.unreachable(this.#why(), false),
      overflow: () =>
        new PsrpcError.ResourceExhausted({
          message: peer.message(`${this.#why()}, and too many messages wait for it`),
          reason: "overflow",
          mayHaveRun: false
        })
    })
  }

  /** The connection to send on from now on. */
  attach(wire: Wire): void {
    this.#wire = wire
    wire.onDrain = () => this.resume()
    this.resume()
  }

  publish(target: MessageBus.Target, message: Uint8Array, expiry: number, delivery: MessageBus.Delivery): void {
    if (message.length > this.#options.maxPayload) return delivery.undelivered(this.#tooLarge(message))
    if (this.#ended !== undefined) return delivery.undelivered(this.#peer.unreachable(this.#ended, false))
    const wire = this.#wire
    if (this.#held.size === 0 && wire !== undefined && wire.isReady && !wire.isCongested) {
      return wire.send(new Publish(target, message, expiry, delivery))
    }
    this.#held.push({ target, message, expiry, delivery }, this.#runtime.now())
    this.#watch(expiry)
    // the connection may be back already, with its event still to come
    this.resume()
  }

  /** Asks for a lock, where that is possible just now. */
  lock(lock: Lock): boolean {
    const wire = this.#wire
    if (wire === undefined || !wire.isReady || this.#ended !== undefined) return false
    wire.send(lock)
    return true
  }

  /** Sends what was held, as far as the connection takes it. */
  resume(): void {
    const wire = this.#wire
    if (wire === undefined || this.#ended !== undefined) return
    this.#held.drain(
      this.#runtime.now(),
      () => wire.isReady && !wire.isCongested,
      ({ delivery, expiry, message, target }) => wire.send(new Publish(target, message, expiry, delivery))
    )
    if (this.#held.size === 0) this.#quiet()
  }

  /** The connection of a wire has closed. */
  broken(wire: Wire): void {
    const unsent: ReadonlyArray<Held> = wire.broken()
    if (unsent.length === 0) return
    if (this.#ended !== undefined) {
      const error = this.#peer.unreachable(this.#ended, false)
      for (const { delivery } of unsent) delivery.undelivered(error)
      return
    }
    this.#held.prepend(unsent)
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
    this.#ended ??= reason
    this.#quiet()
    const held = this.#held.clear()
    if (held.length === 0) return
    const error = this.#peer.unreachable(this.#ended, false)
    for (const { delivery } of held) delivery.undelivered(error)
  }

  /** A client that had ended was connected again. */
  revive(): void {
    this.#ended = undefined
  }

  failure(): PsrpcError.PsrpcError | undefined {
    const wire = this.#wire
    if (this.#ended === undefined && wire !== undefined && wire.isReady && !wire.isCongested) return undefined
    return this.#peer.unreachable(this.#why(), false)
  }

  #why(): string {
    if (this.#ended !== undefined) return this.#ended
    if (this.#wire?.isReady === true) return "Redis does not read what it is sent"
    return `the connection is down (reconnecting)${this.reason === undefined ? "" : `: ${this.reason}`}`
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
