import type { PsrpcError } from "../../PsrpcError.ts"
import { Fifo } from "../../internal/support/fifo.ts"
import type { Outgoing } from "../Outbox.ts"

export interface HeldOptions {
  readonly maxMessages: number
  readonly maxBytes: number
  /** What waits elsewhere, and counts as well. */
  readonly besides: { readonly size: number; readonly bytes: number }
  /** What a message is told that waited in vain. */
  readonly expired: () => PsrpcError
  /** What a message is told that found no room. */
  readonly overflow: () => PsrpcError
}

const smallest = 64
/** A sweep looks at everything, so they are this far apart in milliseconds where one after the other is asked for. */
export const sweepInterval = 25

/**
 * The messages that wait for the connection, in order: bounded, and swept of what has expired or is not wanted any more
 * whenever it has doubled since the last time, so that it costs each message little.
 */
export class HeldMessages<Item extends Outgoing> {
  readonly #options: HeldOptions
  readonly #items = new Fifo<Item>()
  #bytes = 0
  #sweepAt = smallest
  #sweptAt = -Infinity

  constructor(options: HeldOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#items.size
  }

  /** Whether one more message may wait, here or elsewhere. */
  hasRoom(message: Uint8Array): boolean {
    const { besides, maxBytes, maxMessages } = this.#options
    return this.size + besides.size < maxMessages && this.#bytes + besides.bytes + message.length <= maxBytes
  }

  push(item: Item, now: number): void {
    if (this.size >= this.#sweepAt) this.sweep(now)
    if (!this.hasRoom(item.message) && now - this.#sweptAt >= sweepInterval) this.sweep(now)
    if (!this.hasRoom(item.message)) return item.delivery.undelivered(this.#options.overflow())
    this.#items.push(item)
    this.#bytes += item.message.length
  }

  /** Puts back what was taken too early. */
  prepend(items: ReadonlyArray<Item>): void {
    for (let i = items.length - 1; i >= 0; i--) {
      this.#items.unshift(items[i]!)
      this.#bytes += items[i]!.message.length
    }
  }

  /** Drops what is not wanted any more, tells what has expired, and returns when the next one does. */
  sweep(now: number): number {
    const expired: Array<Item> = []
    let next = Infinity
    this.#bytes = 0
    // once around: what is kept goes to the end, in the same order
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
    this.#sweepAt = Math.max(smallest, this.size * 2)
    this.#sweptAt = now
    // last: who is told may publish again
    if (expired.length > 0) {
      const error = this.#options.expired()
      for (const item of expired) item.delivery.undelivered(error)
    }
    return next
  }

  /** Sends what may still be sent, in order, while it is taken. */
  drain(now: number, takes: () => boolean, send: (item: Item) => void): void {
    let error: PsrpcError | undefined
    while (this.size > 0 && takes()) {
      const item = this.#items.shift()!
      this.#bytes -= item.message.length
      if (!item.delivery.wanted()) continue
      if (item.expiry <= now) item.delivery.undelivered((error ??= this.#options.expired()))
      else send(item)
    }
    if (this.size === 0) this.#sweepAt = smallest
  }

  /** Takes everything out. */
  clear(): Array<Item> {
    const items = this.#items.toArray()
    this.#items.clear()
    this.#bytes = 0
    this.#sweepAt = smallest
    return items
  }
}
