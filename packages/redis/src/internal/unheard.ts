import type { PsrpcError } from "@effect-psrpc/core"
import type { Held } from "./held.ts"

/** Milliseconds between two tries of a message that nobody got. */
export const retryInterval = 50

/** The messages of one channel, in the order of publishing. */
interface Waiting {
  items: Array<Held>
  /** The `seq` of the one that is being tried; -1 while none is. */
  trying: number
}

export interface UnheardOptions {
  readonly now: () => number
  /** What a message is told that was never sent, because nobody got those before it. */
  readonly unsent: () => PsrpcError.PsrpcError
  /** Whether the connection takes one more. */
  readonly takes: () => boolean
  readonly send: (item: Held) => void
  /** Sends a message whose answer is to come back here. */
  readonly attempt: (item: Held) => void
}

/**
 * The messages that nobody got just after a connection came back, when other processes may not have subscribed again
 * yet, and what is published behind them on the same channels. One message of each channel is tried at a time; where it
 * finds a receiver the others follow, in order.
 */
export class UnheardMessages {
  readonly #options: UnheardOptions
  /** By name; an entry is here for as long as anything of it waits or is being tried. */
  readonly #channels = new Map<string, Waiting>()
  size = 0
  bytes = 0

  constructor(options: UnheardOptions) {
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
  add(item: Held): void {
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

  /** The message that was tried is done with. Where somebody got it, those behind it are sent as well. */
  answered(item: Held, wasHeard: boolean): void {
    const { name } = item.target
    const waiting = this.#channels.get(name)
    if (waiting === undefined || waiting.trying !== item.seq) return
    waiting.trying = -1
    if (wasHeard) this.#flush(name, waiting)
  }

  /** Tries again, and with `all` sends everything a last time. */
  retry(all: boolean): void {
    // earlier than it expires: the next try would come too late
    const late = this.#options.now() + retryInterval
    for (const [name, waiting] of [...this.#channels]) {
      this.#sweep(waiting, late)
      if (all) this.#flush(name, waiting)
      else if (waiting.trying === -1 && this.#options.takes()) {
        const item = waiting.items.shift()
        if (item !== undefined) {
          this.#removed(item)
          waiting.trying = item.seq
          this.#options.attempt(item)
        }
      }
      this.#forget(name, waiting)
    }
  }

  /** Takes everything out. */
  clear(): Array<Held> {
    const items = [...this.#channels.values()].flatMap((waiting) => waiting.items)
    this.#channels.clear()
    this.size = this.bytes = 0
    return items
  }

  #removed(item: Held): void {
    this.size--
    this.bytes -= item.message.length
  }

  /** A channel where nothing waits any more is as any other. */
  #forget(name: string, waiting: Waiting): void {
    const isDone = waiting.items.length === 0 && waiting.trying === -1
    if (isDone && this.#channels.get(name) === waiting) this.#channels.delete(name)
  }

  /** Drops what is not wanted any more, and tells what expires by `time`. */
  #sweep(waiting: Waiting, time: number): void {
    const over: Array<Held> = []
    const kept: Array<Held> = []
    for (const item of waiting.items) {
      if (!item.delivery.wanted()) this.#removed(item)
      else if (item.expiry <= time) over.push(item)
      else kept.push(item)
    }
    if (kept.length < waiting.items.length) waiting.items = kept
    // last: who is told may publish again
    for (const item of over) {
      this.#removed(item)
      if (item.tried) item.delivery.delivered(0)
      else item.delivery.undelivered(this.#options.unsent())
    }
  }

  #flush(name: string, waiting: Waiting): void {
    this.#sweep(waiting, this.#options.now())
    while (waiting.items.length > 0 && this.#options.takes()) {
      const item = waiting.items.shift()!
      this.#removed(item)
      this.#options.send(item)
    }
    this.#forget(name, waiting)
  }
}
