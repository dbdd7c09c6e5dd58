import type { PsrpcError } from "../../PsrpcError.ts"
import type { Outgoing } from "../Outbox.ts"

/** Milliseconds between two tries of a message that nobody has heard. */
export const retryInterval = 50

/** The messages of one channel, in the order of publishing. */
interface Waiting<Item> {
  items: Array<Item>
  /** The `seq` of the one that is being tried, -1 while none is: a bus may send a copy. */
  trying: number
}

export interface UnheardOptions<Item> {
  readonly now: () => number
  /** What a message is told that was never sent, because nobody has heard those before it. */
  readonly unsent: () => PsrpcError
  /** Whether the connection takes one more. */
  readonly takes: () => boolean
  readonly send: (item: Item) => void
  /** Whether that nobody has heard it may be because they have not subscribed again yet. */
  readonly mayBeHeard: (item: Item) => boolean
}

/**
 * The messages that nobody has heard while those who would may not have subscribed again yet, and what is published
 * behind them on the same channels. One message of each channel is tried at a time; where somebody hears it, or its time
 * is over, the others follow, in order.
 */
export class UnheardMessages<Item extends Outgoing> {
  readonly #options: UnheardOptions<Item>
  /** By name; an entry is here for as long as anything of it waits or is being tried. */
  readonly #channels = new Map<string, Waiting<Item>>()
  size = 0
  bytes = 0

  constructor(options: UnheardOptions<Item>) {
    this.#options = options
  }

  get isEmpty(): boolean {
    return this.#channels.size === 0
  }

  /** Whether messages of a channel wait, so that what is published on it has to wait behind them. */
  waits(name: string): boolean {
    return this.#channels.has(name)
  }

  /** Keeps a message, at its place by the order of publishing. */
  add(item: Item): void {
    let waiting = this.#channels.get(item.target.name)
    if (waiting === undefined) this.#channels.set(item.target.name, (waiting = { items: [], trying: -1 }))
    if (waiting.trying === item.seq) waiting.trying = -1
    const { items } = waiting
    let at = items.length
    while (at > 0 && items[at - 1]!.seq > item.seq) at--
    items.splice(at, 0, item)
    this.size++
    this.bytes += item.message.length
  }

  /** The message that was tried is done with. Where somebody has heard it, those behind it are sent as well. */
  answered(item: Item, wasHeard: boolean): void {
    const { name } = item.target
    const waiting = this.#channels.get(name)
    if (waiting === undefined || waiting.trying !== item.seq) return
    waiting.trying = -1
    if (wasHeard) this.#flush(name, waiting)
  }

  /** Tries again. */
  retry(): void {
    const now = this.#options.now()
    for (const [name, waiting] of [...this.#channels]) {
      // earlier than it expires: the next try would come too late
      this.#sweep(waiting, now + retryInterval)
      const first = waiting.items[0]
      if (first !== undefined && waiting.trying === -1) {
        if (!this.#options.mayBeHeard(first)) this.#flush(name, waiting)
        else if (this.#options.takes()) this.#try(waiting, first)
      }
      this.#forget(name, waiting)
    }
  }

  /** Takes everything out. */
  clear(): Array<Item> {
    const items = [...this.#channels.values()].flatMap((waiting) => waiting.items)
    this.#channels.clear()
    this.size = this.bytes = 0
    return items
  }

  #try(waiting: Waiting<Item>, first: Item): void {
    waiting.items.shift()
    this.#removed(first)
    waiting.trying = first.seq
    first.isAttempt = true
    this.#options.send(first)
  }

  #removed(item: Item): void {
    this.size--
    this.bytes -= item.message.length
  }

  /** A channel where nothing waits any more is as any other. */
  #forget(name: string, waiting: Waiting<Item>): void {
    const isDone = waiting.items.length === 0 && waiting.trying === -1
    if (isDone && this.#channels.get(name) === waiting) this.#channels.delete(name)
  }

  /** Drops what is not wanted any more, and tells what expires by `time`. */
  #sweep(waiting: Waiting<Item>, time: number): void {
    const over: Array<Item> = []
    const kept: Array<Item> = []
    for (const item of waiting.items) {
      if (!item.delivery.wanted()) this.#removed(item)
      else if (item.expiry <= time) over.push(item)
      else kept.push(item)
    }
    if (kept.length < waiting.items.length) waiting.items = kept
    // last: who is told may publish again
    for (const item of over) {
      this.#removed(item)
      if (item.unheard) item.delivery.delivered(0)
      else item.delivery.undelivered(this.#options.unsent())
    }
  }

  /** Sends everything, each with an answer of its own. */
  #flush(name: string, waiting: Waiting<Item>): void {
    this.#sweep(waiting, this.#options.now())
    while (waiting.items.length > 0 && this.#options.takes()) {
      const item = waiting.items.shift()!
      this.#removed(item)
      item.isAttempt = false
      this.#options.send(item)
    }
    this.#forget(name, waiting)
  }
}
