import { Effect, type Stream } from "effect"
import type * as PsrpcError from "../../PsrpcError.ts"
import type { Deadlines, Timed } from "../time/deadlines.ts"
import { done, Mailbox } from "./mailbox.ts"
import type { StreamHead } from "../wire/streamEnvelope.ts"

/** What is told what became of a message. */
export interface Acknowledger {
  /** It is in the buffer. */
  ack(head: StreamHead): void
  /** It waits for room in the buffer: nothing is said to the other end but that somebody is here. */
  hold(): void
  /** It came to nothing: there was no room, or none in time. */
  discard(reason: "overflow" | "expired"): void
}

/** A message that waits for room in the buffer until its sender gives it up. */
class Held implements Timed {
  slot = -1
  due = 0
  seq = 0

  readonly inbox: Inbox
  readonly head: StreamHead
  readonly value: unknown

  constructor(inbox: Inbox, head: StreamHead, value: unknown) {
    this.inbox = inbox
    this.head = head
    this.value = value
  }

  expired(): void {
    this.inbox.giveUp(this)
  }
}

/**
 * What one end of a stream has received and not read. A message is acknowledged once it is in the buffer; when that is
 * full, as many again are held until there is room, unacknowledged, so that the sender waits.
 */
export class Inbox {
  readonly #deadlines: Deadlines
  readonly #end: Acknowledger
  readonly #capacity: number
  readonly #mailbox: Mailbox<unknown>
  readonly #held = new Set<Held>()
  #ended = false

  constructor(deadlines: Deadlines, end: Acknowledger, capacity: number) {
    this.#deadlines = deadlines
    this.#end = end
    this.#capacity = capacity
    this.#mailbox = new Mailbox(() => this.#refill())
  }

  get messages(): Stream.Stream<unknown, PsrpcError.PsrpcError> {
    return this.#mailbox.stream
  }

  offer(head: StreamHead, value: unknown): void {
    // no message goes past one that is held, or past the end
    if (this.#ended) return
    if (this.#held.size === 0 && this.#mailbox.size < this.#capacity) {
      // the ack first: a reader that is woken may close the stream, and no ack follows a close
      this.#end.ack(head)
      this.#mailbox.push(value)
    } else if (this.#held.size < this.#capacity) {
      const held = new Held(this, head, value)
      this.#held.add(held)
      this.#deadlines.add(held, head.expiry - this.#deadlines.now())
      this.#end.hold()
    } else this.#end.discard("overflow")
  }

  /** The other end sends no more: all that has come is in the buffer now, and acknowledged, as is what says so. */
  end(head: StreamHead): void {
    const isFirst = !this.#ended
    this.#ended = true
    if (isFirst) this.#takeIn((held) => this.#end.ack(held))
    // the ack first: a reader that is woken may close the stream
    this.#end.ack(head)
    if (isFirst) this.#mailbox.end(done)
  }

  /** The stream is closed: what has come is read first, and nobody waits for its acks any more. */
  close(cause: PsrpcError.PsrpcError | undefined): void {
    // messages that have ended have ended normally
    if (this.#ended) return
    this.#ended = true
    this.#takeIn(() => {})
    this.#mailbox.end(cause === undefined ? done : Effect.fail(cause))
  }

  /** Takes in what is held, room or not. */
  #takeIn(taken: (head: StreamHead) => void): void {
    const all = Array.from(this.#held).filter((held) => this.#release(held))
    for (const { head } of all) taken(head)
    for (const { value } of all) this.#mailbox.push(value)
  }

  /** Its sender does not wait any more. */
  giveUp(held: Held): void {
    if (this.#held.delete(held)) this.#end.discard("expired")
  }

  /** Takes a message out of those held; says whether its sender still waits, since a timer may be late. */
  #release(held: Held): boolean {
    this.#held.delete(held)
    this.#deadlines.delete(held)
    if (held.head.expiry > this.#deadlines.now()) return true
    this.#end.discard("expired")
    return false
  }

  #refill(): void {
    for (const held of this.#held) {
      if (this.#mailbox.size >= this.#capacity) return
      if (!this.#release(held)) continue
      this.#end.ack(held.head)
      this.#mailbox.push(held.value)
    }
  }
}
