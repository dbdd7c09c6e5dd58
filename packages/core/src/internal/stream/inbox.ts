import { Effect, type Stream } from "effect"
import type * as PsrpcError from "../../PsrpcError.ts"
import type { Deadlines, Timed } from "../time/deadlines.ts"
import type { StreamHead } from "../wire/streamEnvelope.ts"
import { done, Mailbox } from "./mailbox.ts"

/** The endpoint, as far as its inbox needs it. */
export interface ReceivingEndpoint {
  /** Acknowledges a message that is in the buffer. */
  ack(head: StreamHead): void
  /** A message waits for room in the buffer, without an ack. */
  onHeld(): void
  /** A message is dropped: there was no room for it, or none in time. */
  onDropped(reason: "overflow" | "expired"): void
}

/** A message that waits for room in the buffer until it expires. */
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
    this.inbox.onExpired(this)
  }
}

/**
 * The unread messages of an endpoint. A message is acknowledged when it is in the buffer. When the buffer is full, as many
 * messages again are held until there is room, without an ack, so that the sender waits.
 */
export class Inbox {
  readonly #deadlines: Deadlines
  readonly #endpoint: ReceivingEndpoint
  readonly #capacity: number
  readonly #mailbox: Mailbox<unknown>
  readonly #held = new Set<Held>()
  #hasEnded = false

  constructor(deadlines: Deadlines, endpoint: ReceivingEndpoint, capacity: number) {
    this.#deadlines = deadlines
    this.#endpoint = endpoint
    this.#capacity = capacity
    this.#mailbox = new Mailbox(() => this.#refill())
  }

  get messages(): Stream.Stream<unknown, PsrpcError.PsrpcError> {
    return this.#mailbox.stream
  }

  offer(head: StreamHead, value: unknown): void {
    if (this.#hasEnded) return
    // no message overtakes a held one
    if (this.#held.size === 0 && this.#mailbox.size < this.#capacity) {
      // the ack first: the reader that wakes may close the stream, and no ack follows a close
      this.#endpoint.ack(head)
      this.#mailbox.push(value)
    } else if (this.#held.size < this.#capacity) {
      const held = new Held(this, head, value)
      this.#held.add(held)
      this.#deadlines.add(held, head.expiry - this.#deadlines.now())
      this.#endpoint.onHeld()
    } else this.#endpoint.onDropped("overflow")
  }

  /** Handles the half-close of the peer: moves all held messages to the buffer, and acknowledges them and the half-close. */
  finish(head: StreamHead): void {
    const isFirst = !this.#hasEnded
    this.#hasEnded = true
    if (isFirst) this.#takeHeld((held) => this.#endpoint.ack(held))
    // the ack first: the reader that wakes may close the stream
    this.#endpoint.ack(head)
    if (isFirst) this.#mailbox.end(done)
  }

  /** Ends the messages after those that have arrived, without acks: the stream is closed. */
  close(cause: PsrpcError.PsrpcError | undefined): void {
    // messages that have ended do not fail afterwards
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#takeHeld(() => {})
    this.#mailbox.end(cause === undefined ? done : Effect.fail(cause))
  }

  /** Moves all held messages to the buffer, even if it is full. */
  #takeHeld(onTaken: (head: StreamHead) => void): void {
    const all = Array.from(this.#held).filter((held) => this.#release(held))
    for (const { head } of all) onTaken(head)
    for (const { value } of all) this.#mailbox.push(value)
  }

  /** Moves held messages to the buffer while there is room. */
  #refill(): void {
    for (const held of this.#held) {
      if (this.#mailbox.size >= this.#capacity) return
      if (!this.#release(held)) continue
      this.#endpoint.ack(held.head)
      this.#mailbox.push(held.value)
    }
  }

  /** Removes a held message. Returns false if it has expired, since a timer may be late. */
  #release(held: Held): boolean {
    this.#held.delete(held)
    this.#deadlines.delete(held)
    if (held.head.expiry > this.#deadlines.now()) return true
    this.#endpoint.onDropped("expired")
    return false
  }

  /** A held message has expired. */
  onExpired(held: Held): void {
    if (this.#held.delete(held)) this.#endpoint.onDropped("expired")
  }
}
