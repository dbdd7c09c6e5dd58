import type { Duration } from "effect"
import { millisOf } from "../../../internal/time/millis.ts"
import type { PsrpcError } from "../../../PsrpcError.ts"

/**
 * What is in a message: the name of the protobuf message, without its package. A subscription's update has the name of
 * the user's own message, and bytes that are no message at all are `malformed`.
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
 * A published message, as faults are decided by.
 *
 * @category models
 * @since 0.1.0
 */
export interface Message {
  /** The name of the target: on buses with flat names `Service|Method|…|REQ`. */
  readonly channel: string
  /** What is in it. */
  readonly type: MessageType
  /** Its place among all messages that were published on this bus, from 0. */
  readonly index: number
  /** Its place among those of its type, from 0. */
  readonly indexOfType: number
}

/**
 * What happens to one message. The constructors make the usual ones, `all` puts several together.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fault {
  /** How much later it is sent, in milliseconds. What is published after it waits behind it. */
  readonly latency: number
  /**
   * When it is sent after that, in milliseconds: once for each entry, and not at all where there is none. Others are not
   * held up by it.
   */
  readonly copies: ReadonlyArray<number>
  /** What its publisher is told instead of what became of it. */
  readonly error?: PsrpcError | undefined
}

/**
 * Faults: the same for every message, or decided for each. `undefined` is none.
 *
 * @category models
 * @since 0.1.0
 */
export type Faults = Fault | ((message: Message) => Fault | undefined)

/**
 * No fault.
 *
 * @category faults
 * @since 0.1.0
 */
export const none: Fault = Object.freeze({ latency: 0, copies: Object.freeze([0]) })

/**
 * Loses the message. Its publisher is told what a broker would say, behind whom it is lost: that it was delivered.
 *
 * @category faults
 * @since 0.1.0
 */
export const lose: Fault = Object.freeze({ latency: 0, copies: Object.freeze([]) })

/**
 * Sends the message later, and lets others overtake it.
 *
 * @category faults
 * @since 0.1.0
 */
export const delay = (duration: Duration.Input): Fault => ({ latency: 0, copies: [millisOf("delay", duration)] })

/**
 * Sends the message later, and with it everything that is published after it: order is kept.
 *
 * @category faults
 * @since 0.1.0
 */
export const latency = (duration: Duration.Input): Fault => ({ latency: millisOf("latency", duration), copies: [0] })

/**
 * Sends the message, and then the same bytes again. In a queue each goes to one member. A bus that knows repetitions by
 * their bytes, as Redis does in queues, drops them.
 *
 * @category faults
 * @since 0.1.0
 */
export const duplicate = (
  options: {
    /** How often it is sent besides. Default: 1. */
    readonly times?: number | undefined
    /** How much later than the one before. Default: at once. */
    readonly after?: Duration.Input | undefined
  } = {}
): Fault => {
  const times = options.times ?? 1
  if (!(Number.isInteger(times) && times >= 0)) {
    throw new TypeError(`times: ${String(times)} is no number of duplicates: expected a whole number`)
  }
  const after = millisOf("after", options.after ?? 0)
  return { latency: 0, copies: Array.from({ length: times + 1 }, (_, i) => i * after) }
}

/**
 * Tells the publisher that the message was not handed over. With an error whose `mayHaveRun` is `true` the message is sent
 * all the same, and only the broker's word is lost; with `false` it is not.
 *
 * @category faults
 * @since 0.1.0
 */
export const undelivered = (error: PsrpcError): Fault => ({ latency: 0, copies: error.mayHaveRun ? [0] : [], error })

/** The fault of one message. */
export const decide = (faults: Faults, message: Message): Fault | undefined =>
  typeof faults === "function" ? faults(message) : faults

const both = (a: Fault, b: Fault): Fault => ({
  latency: a.latency + b.latency,
  copies: a.copies.flatMap((first) => b.copies.map((second) => first + second)).sort((x, y) => x - y),
  error: a.error ?? b.error
})

/**
 * Everything that these do, together: times add up, and each duplicate of one is duplicated by the other.
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
 * What the first of these does that has something to say about a message.
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
 * Faults for some messages alone.
 *
 * @category combinators
 * @since 0.1.0
 */
export const when =
  (predicate: (message: Message) => boolean, faults: Faults): ((message: Message) => Fault | undefined) =>
  (message) =>
    predicate(message) ? decide(faults, message) : undefined

/**
 * Faults for messages of one type alone: `ofType("Response", lose)`.
 *
 * @category combinators
 * @since 0.1.0
 */
export const ofType = (type: MessageType, faults: Faults): ((message: Message) => Fault | undefined) =>
  when((message) => message.type === type, faults)
