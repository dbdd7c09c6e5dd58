import { Fifo } from "../../internal/support/fifo.ts"
import type { PsrpcError } from "../../PsrpcError.ts"
import type { QueuedMessage } from "./queuedMessage.ts"

export interface BufferOptions<Item> {
  readonly maxMessages: number
  readonly maxBytes: number
  /** Messages that wait elsewhere and count toward the same limits. */
  readonly besides: { readonly size: number; readonly bytes: number }
  /** Creates the error of a message that expired in the buffer. */
  readonly expired: () => PsrpcError
  /** Creates the error of a message that the buffer has no room for. */
  readonly overflow: (item: Item) => PsrpcError
}

const smallestSweep = 64
/** Minimum milliseconds between two sweeps that are made to find room: a sweep visits every message. */
export const sweepInterval = 25

/**
 * Messages that wait for the connection, in order and within limits. A sweep removes those that have expired or are no
 * longer wanted; it runs whenever the buffer has doubled since the last one, so that its cost per message is constant.
 */
export class BufferedMessages<Item extends QueuedMessage> {
  readonly #options: BufferOptions<Item>
  readonly #items = new Fifo<Item>()
  #bytes = 0
  #sweepAt = smallestSweep
  #sweptAt = -Infinity

  constructor(options: BufferOptions<Item>) {
    this.#options = options
  }

  get size(): number {
    return this.#items.size
  }

  /** Whether the limits allow one more message, here or elsewhere. */
  hasRoom(message: Uint8Array): boolean {
    const { besides, maxBytes, maxMessages } = this.#options
    return this.size + besides.size < maxMessages && this.#bytes + besides.bytes + message.length <= maxBytes
  }

  /** Adds a message, or fails it if there is no room. */
  push(item: Item, now: number): void {
    if (this.size >= this.#sweepAt) this.sweep(now)
    if (!this.hasRoom(item.message) && now - this.#sweptAt >= sweepInterval) this.sweep(now)
    if (!this.hasRoom(item.message)) return item.delivery.undelivered(this.#options.overflow(item))
    this.#items.push(item)
    this.#bytes += item.message.length
  }

  /** Adds messages at the front, in order. */
  prepend(items: ReadonlyArray<Item>): void {
    for (let i = items.length - 1; i >= 0; i--) {
      this.#items.unshift(items[i]!)
      this.#bytes += items[i]!.message.length
    }
  }

  /** Drops messages that are no longer wanted, fails those that have expired, and returns the next expiry. */
  sweep(now: number): number {
    const expired: Array<Item> = []
    let next = Infinity
    this.#bytes = 0
    // one round: messages that stay go to the end, which keeps their order
    for (let left = this.size; left > 0; left--) {
      const item = this.#items.shift()!
      if (!item.delivery.wanted()) continue
      if (item.expiry <= now) {
        expired.push(item)
        continue
      }
      this.#items.push(item)
      this.#bytes += item.message.length
      if (item.expiry < next) next = item.expiry
    }
    this.#sweepAt = Math.max(smallestSweep, this.size * 2)
    this.#sweptAt = now
    // last: a callback may publish again
    if (expired.length > 0) {
      const error = this.#options.expired()
      for (const item of expired) item.delivery.undelivered(error)
    }
    return next
  }

  /** Sends messages in order while `canSend` returns true; skips those that are not wanted and fails expired ones. */
  drain(now: number, canSend: () => boolean, send: (item: Item) => void): void {
    let error: PsrpcError | undefined
    while (this.size > 0 && canSend()) {
      const item = this.#items.shift()!
      this.#bytes -= item.message.length
      if (!item.delivery.wanted()) continue
      if (item.expiry <= now) item.delivery.undelivered((error ??= this.#options.expired()))
      else send(item)
    }
    if (this.size === 0) this.#sweepAt = smallestSweep
  }

  /** Removes and returns all messages. */
  clear(): Array<Item> {
    const items = this.#items.toArray()
    this.#items.clear()
    this.#bytes = 0
    this.#sweepAt = smallestSweep
    return items
  }
}
