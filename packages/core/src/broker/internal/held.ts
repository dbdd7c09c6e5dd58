import type { PsrpcError } from "../../PsrpcError.ts"
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
  #items: Array<Item> = []
  #head = 0
  #bytes = 0
  #sweepAt = smallest
  #sweptAt = -Infinity

  constructor(options: HeldOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#items.length - this.#head
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
    this.#items = [...items, ...this.#items.slice(this.#head)]
    this.#head = 0
    for (const item of items) this.#bytes += item.message.length
  }

  /** Drops what is not wanted any more, tells what has expired, and returns when the next one does. */
  sweep(now: number): number {
    const expired: Array<Item> = []
    const kept: Array<Item> = []
    let next = Infinity
    this.#bytes = 0
    for (let i = this.#head; i < this.#items.length; i++) {
      const item = this.#items[i]!
      if (!item.delivery.wanted()) continue
      if (item.expiry <= now) {
        expired.push(item)
        continue
      }
      kept.push(item)
      this.#bytes += item.message.length
      if (item.expiry < next) next = item.expiry
    }
    this.#items = kept
    this.#head = 0
    this.#sweepAt = Math.max(smallest, kept.length * 2)
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
    while (this.#head < this.#items.length && takes()) {
      const item = this.#items[this.#head++]!
      this.#bytes -= item.message.length
      if (!item.delivery.wanted()) continue
      if (item.expiry <= now) item.delivery.undelivered((error ??= this.#options.expired()))
      else send(item)
    }
    if (this.#head === this.#items.length) this.clear()
  }

  /** Takes everything out. */
  clear(): Array<Item> {
    const items = this.#items.slice(this.#head)
    this.#items = []
    this.#head = 0
    this.#bytes = 0
    this.#sweepAt = smallest
    return items
  }
}
