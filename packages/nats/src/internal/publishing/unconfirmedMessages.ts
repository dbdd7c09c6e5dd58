import { Fifo } from "@effect-psrpc/core/broker"
import type { Publication } from "./publication.ts"

/** Bytes that a message counts besides its content: many small messages take as much memory as a few large ones. */
const overhead = 100

/**
 * Messages that were passed to the connection and that the server has not confirmed, each with a number. The server
 * replies in order, so that one PONG confirms all messages before its PING.
 */
export class UnconfirmedMessages {
  readonly #items = new Fifo.Fifo<Publication>()
  /** The number of the oldest message. */
  #first = 0
  /** Messages with smaller numbers are confirmed. */
  #confirmed = 0
  /** The size of all messages, with their overhead. */
  bytes = 0

  get size(): number {
    return this.#items.size
  }

  /** The number of the next message. */
  get next(): number {
    return this.#first + this.size
  }

  /** Adds a message and returns its number. */
  add(item: Publication): number {
    const number = this.next
    this.#items.push(item)
    this.bytes += item.message.length + overhead
    return number
  }

  /** Removes the newest message. */
  pop(): void {
    const item = this.#items.pop()
    if (item !== undefined) this.bytes -= item.message.length + overhead
  }

  get(number: number): Publication | undefined {
    return this.#items.at(number - this.#first)
  }

  /** Copies the messages, oldest first. */
  toArray(): ReadonlyArray<Publication> {
    return this.#items.toArray()
  }

  /** Confirms all messages before `number`. */
  confirm(number: number): void {
    this.#confirmed = Math.max(this.#confirmed, number)
  }

  /** Removes and returns the confirmed messages. */
  takeConfirmed(): Array<Publication> {
    return this.#take(Math.min(this.size, this.#confirmed - this.#first))
  }

  /** Removes and returns all messages. */
  clear(): Array<Publication> {
    return this.#take(this.size)
  }

  #take(count: number): Array<Publication> {
    const taken: Array<Publication> = []
    for (let i = 0; i < count; i++) {
      const item = this.#items.shift()!
      this.bytes -= item.message.length + overhead
      taken.push(item)
    }
    this.#first += taken.length
    return taken
  }
}
