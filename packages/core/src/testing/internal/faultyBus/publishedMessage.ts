/** One published message: its record, and the report to its publisher. */
import type * as Deadlines from "../../../internal/time/deadlines.ts"
import type { Delivery, Target } from "../../../MessageBus.ts"
import type { PsrpcError } from "../../../PsrpcError.ts"
import type { Fault, Message } from "./faults.ts"

/**
 * The outcome of a published message.
 *
 * | outcome | meaning |
 * | --- | --- |
 * | `queued` | waits for the connection |
 * | `pending` | is sent later, or waits for the report of the bus behind |
 * | `delivered` | reported as delivered |
 * | `lost` | not sent, and reported as delivered |
 * | `undelivered` | reported as undelivered |
 * | `canceled` | not sent: its publisher canceled it while it was queued |
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome = "queued" | "pending" | "delivered" | "lost" | "undelivered" | "canceled"

/**
 * The record of a published message. Its outcome changes until the message is reported.
 *
 * @category models
 * @since 0.1.0
 */
export interface PublishedMessage extends Message {
  /** The encoded `Msg`. */
  readonly bytes: Uint8Array
  /** Unix milliseconds on the Clock. */
  readonly publishedAt: number
  /** The fault of this message. */
  readonly fault: Fault
  readonly outcome: Outcome
  /** The times at which the message was sent to the bus behind, one for each copy: Unix milliseconds on the Clock. */
  readonly sentAt: ReadonlyArray<number>
  /** The number of receivers that was reported to the publisher; only of a delivered or lost message. */
  readonly receivers?: number | undefined
  /** The error that was reported to the publisher; only of an undelivered message. */
  readonly error?: PsrpcError | undefined
}

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

/** A record while its outcome can change. */
export type OpenRecord = Mutable<Omit<PublishedMessage, "sentAt">> & { readonly sentAt: Array<number> }

/** Ignores the outcome of a copy that is not reported to the publisher. */
export const ignoreOutcome: Delivery = { wanted: () => true, delivered() {}, undelivered() {} }

/** One published message. Reports its outcome to the publisher once, and writes it to the record. */
export class PendingMessage implements Delivery {
  readonly target: Target
  readonly expiry: number
  readonly record: OpenRecord
  readonly #delivery: Delivery
  #isReported = false
  /** A copy is scheduled: the publisher can no longer cancel it. */
  hasLeft = false

  constructor(target: Target, expiry: number, delivery: Delivery, record: OpenRecord) {
    this.target = target
    this.expiry = expiry
    this.#delivery = delivery
    this.record = record
  }

  wanted(): boolean {
    if (this.hasLeft || this.#delivery.wanted()) return true
    this.record.outcome = "canceled"
    return false
  }

  delivered(receivers: number): void {
    this.#succeed("delivered", receivers)
  }

  lost(receivers: number): void {
    this.#succeed("lost", receivers)
  }

  undelivered(error: PsrpcError): void {
    if (this.#isReported) return
    this.#isReported = true
    this.record.outcome = "undelivered"
    this.record.error = error
    this.#delivery.undelivered(error)
  }

  #succeed(outcome: Outcome, receivers: number): void {
    if (this.#isReported) return
    this.#isReported = true
    this.record.outcome = outcome
    this.record.receivers = receivers
    this.#delivery.delivered(receivers)
  }
}

/** One copy of a message, sent at its deadline. The first copy of a lost message only reports the loss. */
export class ScheduledCopy implements Deadlines.Timed {
  slot = -1
  due = 0
  seq = 0
  readonly message: PendingMessage
  readonly isFirst: boolean
  readonly #send: (copy: ScheduledCopy) => void

  constructor(message: PendingMessage, isFirst: boolean, send: (copy: ScheduledCopy) => void) {
    this.message = message
    this.isFirst = isFirst
    this.#send = send
  }

  expired(): void {
    this.#send(this)
  }
}

/** A message that waits for the connection until it expires. */
export class QueuedMessage implements Deadlines.Timed {
  slot = -1
  due = 0
  seq = 0
  readonly message: PendingMessage
  readonly #expire: (queued: QueuedMessage) => void

  constructor(message: PendingMessage, expire: (queued: QueuedMessage) => void) {
    this.message = message
    this.#expire = expire
  }

  expired(): void {
    this.#expire(this)
  }
}
