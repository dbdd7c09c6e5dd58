import type { PsrpcError } from "@effect-psrpc/core"
import type { Publication } from "./publication.ts"

/** Milliseconds between two tries of a message that nobody has heard. */
export const retryInterval = 50

/** The messages of one subject, in the order of publishing. */
interface Waiting {
  items: Array<Publication>
  /** The one that is being tried. */
  trying: Publication | undefined
}

export interface UnheardOptions {
  readonly now: () => number
  /** What a message is told that was never sent, because nobody has heard those before it. */
  readonly unsent: () => PsrpcError.PsrpcError
  /** Whether the connection takes one more. */
  readonly takes: () => boolean
  readonly send: (item: Publication) => void
}

/**
 * The messages that nobody has heard while those who would may not have subscribed again yet, and what is published
 * behind them on the same subjects. One message of each subject is tried at a time; where somebody hears it, or its time
 * is over, the others follow, in order.
 */
export class UnheardMessages {
  readonly #options: UnheardOptions
  /** By subject; an entry is here for as long as anything of it waits or is being tried. */
  readonly #subjects = new Map<string, Waiting>()
  size = 0
  bytes = 0

  constructor(options: UnheardOptions) {
    this.#options = options
  }

  get isEmpty(): boolean {
    return this.#subjects.size === 0
  }

  /** Whether messages of a subject wait, so that what is published on it has to wait behind them. */
  waits(subject: string): boolean {
    return this.#subjects.has(subject)
  }

  /** Keeps a message, at its place by the order of publishing. */
  add(item: Publication): void {
    let waiting = this.#subjects.get(item.target.name)
    if (waiting === undefined) this.#subjects.set(item.target.name, (waiting = { items: [], trying: undefined }))
    if (waiting.trying === item) waiting.trying = undefined
    const { items } = waiting
    let at = items.length
    while (at > 0 && items[at - 1]!.seq > item.seq) at--
    items.splice(at, 0, item)
    this.size++
    this.bytes += item.message.length
  }

  /** The message that was tried is done with. Where somebody has heard it, those behind it are sent as well. */
  answered(item: Publication, wasHeard: boolean): void {
    const { name } = item.target
    const waiting = this.#subjects.get(name)
    if (waiting === undefined || waiting.trying !== item) return
    waiting.trying = undefined
    if (wasHeard) this.#flush(name, waiting)
  }

  /** Tries again. */
  retry(): void {
    const now = this.#options.now()
    for (const [name, waiting] of [...this.#subjects]) {
      // earlier than it expires: the next try would come too late
      this.#sweep(waiting, now + retryInterval)
      const first = waiting.items[0]
      if (first !== undefined && waiting.trying === undefined) {
        if (first.until <= now) this.#flush(name, waiting)
        else if (this.#options.takes()) this.#try(waiting, first)
      }
      this.#forget(name, waiting)
    }
  }

  /** Takes everything out. */
  clear(): Array<Publication> {
    const items = [...this.#subjects.values()].flatMap((waiting) => waiting.items)
    this.#subjects.clear()
    this.size = this.bytes = 0
    return items
  }

  #try(waiting: Waiting, first: Publication): void {
    waiting.items.shift()
    this.#removed(first)
    waiting.trying = first
    first.isAttempt = true
    this.#options.send(first)
  }

  #removed(item: Publication): void {
    this.size--
    this.bytes -= item.message.length
  }

  /** A subject where nothing waits any more is as any other. */
  #forget(name: string, waiting: Waiting): void {
    const isDone = waiting.items.length === 0 && waiting.trying === undefined
    if (isDone && this.#subjects.get(name) === waiting) this.#subjects.delete(name)
  }

  /** Drops what is not wanted any more, and tells what expires by `time`. */
  #sweep(waiting: Waiting, time: number): void {
    const over: Array<Publication> = []
    const kept: Array<Publication> = []
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
  #flush(name: string, waiting: Waiting): void {
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
