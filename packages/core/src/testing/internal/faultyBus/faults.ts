/** Faults of messages: constructors, and combinations of them. */
import type { Duration } from "effect"
import { millisOf } from "../../../internal/time/millis.ts"
import type { PsrpcError } from "../../../PsrpcError.ts"

/**
 * The type of a message: the name of the protobuf message in the `Msg`, without its package. An update has the name of
 * the user's own message. Bytes that are not a `Msg` are `malformed`.
 *
 * @category models
 * @since 0.1.0
 */
export type MessageType =
  | "Request"
  | "Response"
  | "ClaimRequest"
  | "ClaimResponse"
  | "Stream"
  | "malformed"
  | (string & {})

/**
 * A published message, as a function sees it that decides faults.
 *
 * @category models
 * @since 0.1.0
 */
export interface Message {
  /** The name of the target: on buses with flat names `Service|Method|…|REQ`. */
  readonly channel: string
  readonly type: MessageType
  /** The index among all messages published on this bus, from 0. */
  readonly index: number
  /** The index among the messages of the same type, from 0. */
  readonly indexOfType: number
}

/**
 * The fault of one message. The constructors make the usual faults; `all` combines several.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fault {
  /** The delay of the message and of all messages that are published after it, in milliseconds. */
  readonly latency: number
  /**
   * The delays of the copies that are sent, in milliseconds after `latency`. Other messages can overtake them. Without
   * any copy the message is lost.
   */
  readonly copies: ReadonlyArray<number>
  /** The error that is reported to the publisher in place of the outcome. */
  readonly error?: PsrpcError | undefined
}

/**
 * Faults: one for every message, or a function that decides the fault of each message. `undefined` is no fault.
 *
 * @category models
 * @since 0.1.0
 */
export type Faults = Fault | ((message: Message) => Fault | undefined)

/**
 * No fault.
 *
 * @category constructors
 * @since 0.1.0
 */
export const none: Fault = Object.freeze({ latency: 0, copies: Object.freeze([0]) })

/**
 * Loses the message. The publisher receives the report of a broker that lost it after accepting it: `delivered`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const lose: Fault = Object.freeze({ latency: 0, copies: Object.freeze([]) })

/**
 * Delays the message. Other messages can overtake it.
 *
 * Throws a `TypeError` for an invalid duration.
 *
 * @category constructors
 * @since 0.1.0
 */
export const delay = (duration: Duration.Input): Fault => ({ latency: 0, copies: [millisOf("delay", duration)] })

/**
 * Delays the message and all messages that are published after it, in their order.
 *
 * Throws a `TypeError` for an invalid duration.
 *
 * @category constructors
 * @since 0.1.0
 */
export const latency = (duration: Duration.Input): Fault => ({ latency: millisOf("latency", duration), copies: [0] })

/**
 * Sends the message, then copies with the same bytes. In a queue each copy goes to one member. A bus that detects copies
 * by their bytes drops them, as the bus for Redis does in queues.
 *
 * Throws a `TypeError` for an invalid number or duration.
 *
 * @category constructors
 * @since 0.1.0
 */
export const duplicate = (
  options: {
    /** The number of copies besides the message. Default: 1. */
    readonly times?: number | undefined
    /** The delay of each copy after the one before. Default: 0. */
    readonly after?: Duration.Input | undefined
  } = {}
): Fault => {
  const times = options.times ?? 1
  if (!(Number.isInteger(times) && times >= 0)) {
    throw new TypeError(`times: ${String(times)} is not a number of copies: expected a whole number of 0 or more`)
  }
  const after = millisOf("after", options.after ?? 0)
  return { latency: 0, copies: Array.from({ length: times + 1 }, (_, i) => i * after) }
}

/**
 * Reports an error to the publisher. The message is sent all the same if the error's `mayHaveRun` is `true`: only the
 * broker's confirmation is lost. Otherwise the message is not sent.
 *
 * @category constructors
 * @since 0.1.0
 */
export const undelivered = (error: PsrpcError): Fault => ({ latency: 0, copies: error.mayHaveRun ? [0] : [], error })

/** Returns the fault of one message. */
export const decide = (faults: Faults, message: Message): Fault | undefined =>
  typeof faults === "function" ? faults(message) : faults

const both = (a: Fault, b: Fault): Fault => ({
  latency: a.latency + b.latency,
  copies: a.copies.flatMap((first) => b.copies.map((second) => first + second)).sort((x, y) => x - y),
  error: a.error ?? b.error
})

/**
 * Combines faults: delays add up, and each copy of one is copied by the other.
 *
 * @category combinators
 * @since 0.1.0
 */
export const all =
  (...faults: ReadonlyArray<Faults>): ((message: Message) => Fault | undefined) =>
  (message) => {
    let result: Fault | undefined
    for (const each of faults) {
      const fault = decide(each, message)
      if (fault !== undefined) result = result === undefined ? fault : both(result, fault)
    }
    return result
  }

/**
 * Uses the first of these that has a fault for the message.
 *
 * @category combinators
 * @since 0.1.0
 */
export const first =
  (...faults: ReadonlyArray<Faults>): ((message: Message) => Fault | undefined) =>
  (message) => {
    for (const each of faults) {
      const fault = decide(each, message)
      if (fault !== undefined) return fault
    }
    return undefined
  }

/**
 * Restricts faults to messages for which the predicate returns `true`.
 *
 * @category combinators
 * @since 0.1.0
 */
export const when =
  (predicate: (message: Message) => boolean, faults: Faults): ((message: Message) => Fault | undefined) =>
  (message) =>
    predicate(message) ? decide(faults, message) : undefined

/**
 * Restricts faults to messages of one type: `ofType("Response", lose)`.
 *
 * @category combinators
 * @since 0.1.0
 */
export const ofType = (type: MessageType, faults: Faults): ((message: Message) => Fault | undefined) =>
  when((message) => message.type === type, faults)
