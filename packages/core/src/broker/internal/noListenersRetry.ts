import type { PsrpcError } from "../../PsrpcError.ts"
import type { QueuedMessage } from "./queuedMessage.ts"

/** Milliseconds between two sends of a message that had no listeners. */
export const retryInterval = 50

/** The messages of one channel, in the order of publishing. */
interface ChannelMessages<Item> {
  items: Array<Item>
  /** The `seq` of the message whose retry is in flight, -1 if there is none. Not the message itself: a bus may send a copy. */
  inFlight: number
}

export interface RetryOptions<Item> {
  readonly now: () => number
  /** Creates the error of a message that was never sent, because earlier ones of its channel had no listeners. */
  readonly notSent: (item: Item) => PsrpcError
  /** Whether the connection accepts one more message now. */
  readonly canSend: () => boolean
  readonly send: (item: Item) => void
  /** Whether a message without listeners may still get some, from processes that have not subscribed again yet. */
  readonly mayHaveListeners: (item: Item) => boolean
}

/**
 * Messages that had no listeners at a time when that is not final, and later messages of the same channels. One message
 * per channel is retried at a time. Once it has listeners, or none can be expected any more, the others follow in order.
 */
export class NoListenersRetry<Item extends QueuedMessage> {
  readonly #options: RetryOptions<Item>
  /** By channel name. An entry exists while a message of the channel waits or is in flight. */
  readonly #channels = new Map<string, ChannelMessages<Item>>()
  size = 0
  bytes = 0

  constructor(options: RetryOptions<Item>) {
    this.#options = options
  }

  get isEmpty(): boolean {
    return this.#channels.size === 0
  }

  /** Whether messages of a channel wait, so that a new one has to wait after them. */
  hasChannel(name: string): boolean {
    return this.#channels.has(name)
  }

  /** Adds a message at its position in the order of publishing. */
  add(item: Item): void {
    let channel = this.#channels.get(item.target.name)
    if (channel === undefined) this.#channels.set(item.target.name, (channel = { items: [], inFlight: -1 }))
    if (channel.inFlight === item.seq) channel.inFlight = -1
    const { items } = channel
    let at = items.length
    while (at > 0 && items[at - 1]!.seq > item.seq) at--
    items.splice(at, 0, item)
    this.size++
    this.bytes += item.message.length
  }

  /** Ends the retry of a message. If it had listeners, the messages after it are sent. */
  settled(item: Item, hadListeners: boolean): void {
    const { name } = item.target
    const channel = this.#channels.get(name)
    if (channel === undefined || channel.inFlight !== item.seq) return
    channel.inFlight = -1
    if (hadListeners) this.#flush(name, channel)
  }

  /** Retries the first message of each channel. */
  retry(): void {
    const now = this.#options.now()
    for (const [name, channel] of [...this.#channels]) {
      // one interval before they expire: the next retry would be too late
      this.#sweep(channel, now + retryInterval)
      const first = channel.items[0]
      if (first !== undefined && channel.inFlight === -1) {
        if (!this.#options.mayHaveListeners(first)) this.#flush(name, channel)
        else if (this.#options.canSend()) this.#retryFirst(channel, first)
      }
      this.#deleteIfEmpty(name, channel)
    }
  }

  /** Removes and returns all messages. */
  clear(): Array<Item> {
    const items = [...this.#channels.values()].flatMap((channel) => channel.items)
    this.#channels.clear()
    this.size = this.bytes = 0
    return items
  }

  #retryFirst(channel: ChannelMessages<Item>, first: Item): void {
    channel.items.shift()
    this.#removed(first)
    channel.inFlight = first.seq
    first.isRetry = true
    this.#options.send(first)
  }

  #removed(item: Item): void {
    this.size--
    this.bytes -= item.message.length
  }

  #deleteIfEmpty(name: string, channel: ChannelMessages<Item>): void {
    const isEmpty = channel.items.length === 0 && channel.inFlight === -1
    if (isEmpty && this.#channels.get(name) === channel) this.#channels.delete(name)
  }

  /** Drops messages that are no longer wanted, and ends those that expire by `time`. */
  #sweep(channel: ChannelMessages<Item>, time: number): void {
    const expired: Array<Item> = []
    const kept: Array<Item> = []
    for (const item of channel.items) {
      if (!item.delivery.wanted()) this.#removed(item)
      else if (item.expiry <= time) expired.push(item)
      else kept.push(item)
    }
    if (kept.length < channel.items.length) channel.items = kept
    // last: a callback may publish again
    for (const item of expired) {
      this.#removed(item)
      if (item.hadNoListeners) item.delivery.delivered(0)
      else item.delivery.undelivered(this.#options.notSent(item))
    }
  }

  /** Sends all messages of a channel; each gets its own outcome. */
  #flush(name: string, channel: ChannelMessages<Item>): void {
    this.#sweep(channel, this.#options.now())
    while (channel.items.length > 0 && this.#options.canSend()) {
      const item = channel.items.shift()!
      this.#removed(item)
      item.isRetry = false
      this.#options.send(item)
    }
    this.#deleteIfEmpty(name, channel)
  }
}
