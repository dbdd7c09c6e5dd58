/**
 * What is on its way to a broker and cannot leave yet: messages that wait for a lost connection, and those that nobody
 * has heard just after it came back, when others may not have subscribed again yet.
 *
 * A bus asks it to publish, and tells it what became of what it has sent; each message is told its fate once. Messages of
 * a channel leave in the order of publishing. What has expired or is not wanted any more never leaves.
 *
 * **Example** (A bus that holds messages while it is not connected)
 *
 * ```ts
 * import { type MessageBus, type PsrpcError } from "@effect-psrpc/core"
 * import { type BusRuntime, type Limits, Outbox, type Peer } from "@effect-psrpc/core/broker"
 *
 * interface Connection {
 *   readonly isUp: boolean
 *   readonly publish: (name: string, message: Uint8Array) => void
 * }
 *
 * class Publisher {
 *   readonly #outbox: Outbox.Outbox<Outbox.Outgoing>
 *   #seq = 0
 *
 *   constructor(connection: Connection, peer: Peer.Peer, runtime: BusRuntime.BusRuntime, limits: Limits.Limits) {
 *     this.#outbox = new Outbox.Outbox({
 *       peer,
 *       runtime,
 *       limits,
 *       takes: () => connection.isUp,
 *       why: () => "the connection is down",
 *       mayBeHeard: () => false,
 *       send: (item) => {
 *         connection.publish(item.target.name, item.message)
 *         item.delivery.delivered(-1)
 *       }
 *     })
 *   }
 *
 *   publish(target: MessageBus.Target, message: Uint8Array, expiry: number, delivery: MessageBus.Delivery): void {
 *     this.#outbox.publish({ target, message, expiry, delivery, seq: this.#seq++, unheard: false, isAttempt: false })
 *   }
 *
 *   connected(): void {
 *     this.#outbox.resume()
 *   }
 *
 *   close(error: PsrpcError.PsrpcError): void {
 *     this.#outbox.end(error)
 *   }
 * }
 * ```
 *
 * @since 0.1.0
 */
import type { Delivery, Target } from "../MessageBus.ts"
import type { PsrpcError } from "../PsrpcError.ts"
import type { BusRuntime } from "./BusRuntime.ts"
import { HeldMessages, sweepInterval } from "./internal/held.ts"
import { retryInterval, UnheardMessages } from "./internal/unheard.ts"
import type { Limits } from "./Limits.ts"
import type { Peer } from "./Peer.ts"

/**
 * A message on its way. A bus may add fields of its own.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outgoing {
  readonly target: Target
  readonly message: Uint8Array
  /** Unix milliseconds. */
  readonly expiry: number
  readonly delivery: Delivery
  /** Its place in the order of publishing, from 0: a copy has the same. */
  readonly seq: number
  /** Whether it was sent, and nobody heard it. Set by the outbox. */
  unheard: boolean
  /** Whether others of its channel wait for what becomes of it: then `answered` must be told. Set by the outbox. */
  isAttempt: boolean
}

/**
 * What an outbox asks of its bus.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Item extends Outgoing> {
  readonly peer: Peer
  readonly runtime: BusRuntime
  readonly limits: Pick<Limits, "maxHeldBytes" | "maxHeldMessages" | "maxPayload">
  /** Whether the connection takes one more message now. */
  readonly takes: () => boolean
  /** Why it does not, for people. */
  readonly why: () => string
  /** Sends a message. From here on the bus tells its fate. */
  readonly send: (item: Item) => void
  /** Whether that nobody has heard a message may be because those who would have not subscribed again yet. */
  readonly mayBeHeard: (item: Item) => boolean
}

/**
 * The messages of one bus that cannot leave yet.
 *
 * @category models
 * @since 0.1.0
 */
export class Outbox<Item extends Outgoing> {
  readonly #options: Options<Item>
  readonly #held: HeldMessages<Item>
  readonly #unheard: UnheardMessages<Item>
  #retrying: (() => void) | undefined
  #alarm: { readonly at: number; readonly cancel: () => void } | undefined

  constructor(options: Options<Item>) {
    this.#options = options
    const { limits, mayBeHeard, peer, runtime, send, takes, why } = options
    this.#unheard = new UnheardMessages({
      now: () => runtime.now(),
      unsent: () => peer.unsent(),
      takes,
      send,
      mayBeHeard
    })
    this.#held = new HeldMessages({
      maxMessages: limits.maxHeldMessages,
      maxBytes: limits.maxHeldBytes,
      besides: this.#unheard,
      expired: () => peer.unreachable(why(), false),
      overflow: () => peer.overflow(why())
    })
  }

  /** Sends a message, or keeps it until it may be sent, or tells it why it can be neither. */
  publish(item: Item): void {
    const { limits, send, takes } = this.#options
    if (item.message.length <= limits.maxPayload && this.#unheard.isEmpty && this.#held.size === 0 && takes())
      send(item)
    else this.#keepBack(item)
  }

  #keepBack(item: Item): void {
    const { limits, peer, runtime, send, takes, why } = this.#options
    const { delivery, expiry, message, target } = item
    if (message.length > limits.maxPayload) {
      return delivery.undelivered(peer.tooLarge(message.length, `maxPayload, ${limits.maxPayload}`))
    }
    if (this.#unheard.waits(target.name)) {
      if (this.#held.hasRoom(message)) this.#unheard.add(item)
      else delivery.undelivered(peer.overflow(why()))
      return
    }
    if (this.#held.size === 0 && takes()) return send(item)
    this.#held.push(item, runtime.now())
    this.#watch(expiry)
    // the connection may be back already, with its event still to come
    this.resume()
  }

  /** Sends what was held, as far as the connection takes it: to be called when it takes messages again. */
  resume(): void {
    if (this.#held.size === 0) return
    const { runtime, send, takes } = this.#options
    this.#held.drain(runtime.now(), takes, (item) => {
      if (this.#unheard.waits(item.target.name)) this.#unheard.add(item)
      else send(item)
    })
    if (this.#held.size === 0) this.#quiet()
  }

  /**
   * Nobody has heard a message that was sent. Keeps it, to be sent again, and returns `true`, where it may be heard yet;
   * else it is the bus's to tell it that it has no receivers.
   */
  keep(item: Item): boolean {
    const { mayBeHeard, runtime } = this.#options
    const isKept =
      mayBeHeard(item) &&
      item.expiry > runtime.now() + retryInterval &&
      this.#held.hasRoom(item.message) &&
      item.delivery.wanted()
    if (isKept) {
      item.unheard = true
      this.#unheard.add(item)
      this.#retryLater()
    } else this.answered(item, false)
    return isKept
  }

  /** A message that was sent is done with, whatever became of it. What has waited for it follows where it was heard. */
  answered(item: Item, wasHeard: boolean): void {
    if (item.isAttempt) this.#unheard.answered(item, wasHeard)
  }

  /** Takes back messages that have certainly not left, in order. */
  putBack(items: ReadonlyArray<Item>): void {
    for (const item of items) if (item.isAttempt) this.#unheard.add(item)
    this.#held.prepend(items.filter((item) => !item.isAttempt))
    for (const { expiry } of items) this.#watch(expiry)
  }

  /** Tells all that is here that it will not be sent. */
  end(error: PsrpcError): void {
    this.#quiet()
    this.#retrying?.()
    this.#retrying = undefined
    for (const { delivery } of [...this.#unheard.clear(), ...this.#held.clear()]) delivery.undelivered(error)
  }

  #retryLater(): void {
    this.#retrying ??= this.#options.runtime.after(retryInterval, () => {
      this.#retrying = undefined
      this.#unheard.retry()
      if (!this.#unheard.isEmpty) this.#retryLater()
    })
  }

  /** Sweeps once the earliest of what is held expires. */
  #watch(expiry: number): void {
    const { runtime } = this.#options
    const now = runtime.now()
    const at = Math.max(expiry, now + sweepInterval)
    if (this.#held.size === 0 || at === Infinity || (this.#alarm !== undefined && this.#alarm.at <= at)) return
    this.#quiet()
    const cancel = runtime.after(at - now, () => {
      this.#alarm = undefined
      this.#watch(this.#held.sweep(runtime.now()))
    })
    this.#alarm = { at, cancel }
  }

  #quiet(): void {
    this.#alarm?.cancel()
    this.#alarm = undefined
  }
}
