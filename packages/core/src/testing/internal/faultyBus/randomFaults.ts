/** Random faults, reproducible by a seed. */
import type { Duration } from "effect"
import { millisOf } from "../../../internal/time/millis.ts"
import type { Fault, Message } from "./faults.ts"

/**
 * Options of `random`.
 *
 * @category models
 * @since 0.1.0
 */
export interface RandomOptions {
  /** A whole number. The same seed gives the same faults. */
  readonly seed: number
  /** The probability that a message is lost: 0 to 1. Default: 0. */
  readonly lose?: number | undefined
  /** The probability that a message is sent twice: 0 to 1. Default: 0. */
  readonly duplicate?: number | undefined
  /** The range of the delay of each copy. Other messages can overtake it. Default: no delay. */
  readonly delay?: readonly [minimum: Duration.Input, maximum: Duration.Input] | undefined
  /** The range of the delay of each message and all messages that follow. Default: no latency. */
  readonly latency?: readonly [minimum: Duration.Input, maximum: Duration.Input] | undefined
}

/** Returns a number from 0 to 1 that depends on these arguments alone. The mixing of bits is that of murmur3. */
const uniform = (seed: number, index: number, purpose: number): number => {
  let hash = seed | 0
  for (const word of [Math.floor(seed / 2 ** 32), index, purpose]) {
    let mixed = Math.imul(word, 0xcc9e2d51)
    mixed = Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593)
    hash ^= mixed
    hash = Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
}

const probability = (option: string, value: number | undefined): number => {
  if (value === undefined) return 0
  if (value >= 0 && value <= 1) return value
  throw new TypeError(`${option}: ${String(value)} is not a probability: expected a number from 0 to 1`)
}

const range = (option: string, value: RandomOptions["delay"]): readonly [number, number] => {
  if (value === undefined) return [0, 0]
  const from = millisOf(option, value[0])
  const to = millisOf(option, value[1])
  if (from <= to && to < Infinity) return [from, to]
  throw new TypeError(
    `${option}: expected a minimum and a maximum duration, got ${String(value[0])} and ${String(value[1])}`
  )
}

/** Returns a time in the range: milliseconds, rounded to microseconds. */
const within = ([from, to]: readonly [number, number], at: number): number =>
  Math.round((from + (to - from) * at) * 1000) / 1000

/**
 * Makes random faults, the same for the same seed. The fault of a message depends on the seed and the message's index
 * alone: a change of one probability leaves the other choices unchanged. Use different seeds for buses with different
 * faults.
 *
 * Throws a `TypeError` for an invalid probability, duration or seed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const random = (options: RandomOptions): ((message: Message) => Fault) => {
  const { seed } = options
  if (!Number.isSafeInteger(seed)) throw new TypeError(`seed: ${String(seed)} is not a seed: expected a whole number`)
  const lose = probability("lose", options.lose)
  const duplicate = probability("duplicate", options.duplicate)
  const delay = range("delay", options.delay)
  const latency = range("latency", options.latency)
  return ({ index }) => {
    const late = within(latency, uniform(seed, index, 0))
    if (uniform(seed, index, 1) < lose) return { latency: late, copies: [] }
    const copies = [within(delay, uniform(seed, index, 2))]
    if (uniform(seed, index, 3) < duplicate) copies.push(within(delay, uniform(seed, index, 4)))
    return { latency: late, copies: copies.sort((a, b) => a - b) }
  }
}
