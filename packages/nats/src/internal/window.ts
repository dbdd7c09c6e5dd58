import { Fifo } from "@effect-psrpc/core/broker"
import type { Publication } from "./publication.ts"

/** What a message costs besides its content, in bytes: many small ones are as much as a few large ones. */
const overhead = 100

/**
 * The messages that were handed to the connection and that the server has not confirmed, each with a number of its own.
 * What the server says of a connection it says in order, so one PONG confirms everything before its PING.
 */
export class Window {
  readonly #items = new Fifo.Fifo<Publication>()
  /** The number of the oldest message. */
  #first = 0
  #confirmed = 0
  /** How much is in it. */
  bytes = 0

  get size(): number {
    return this.#items.size
  }

  /** The number of the next message. */
  get next(): number {
    return this.#first + this.size
  }

  /** Returns the message's number. */
  add(item: Publication): number {
    const number = this.next
    this.#items.push(item)
    this.bytes += item.message.length + overhead
    return number
  }

  /** Takes out the message that was added last. */
  pop(): void {
    const item = this.#items.pop()
    if (item !== undefined) this.bytes -= item.message.length + overhead
  }

  get(number: number): Publication | undefined {
    return this.#items.at(number - this.#first)
  }

  /** What is in it. */
  items(): ReadonlyArray<Publication> {
    return this.#items.toArray()
  }

  /** The server has everything before `number`. */
  confirm(number: number): void {
    this.#confirmed = Math.max(this.#confirmed, number)
  }

  /** Takes out what is confirmed. */
  takeConfirmed(): Array<Publication> {
    return this.#take(Math.min(this.size, this.#confirmed - this.#first))
  }

  /** Takes out everything. */
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
