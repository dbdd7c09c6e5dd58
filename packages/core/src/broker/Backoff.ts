/**
 * Delays between attempts to reconnect to a broker: exponential, with a maximum and jitter.
 *
 * **Example** (The delay before the third attempt)
 *
 * ```ts
 * import { Backoff } from "@effect-psrpc/core/broker"
 *
 * Backoff.delay({ minDelay: 50, maxDelay: 2000 }, 2) // between 100 and 200 milliseconds
 * ```
 *
 * @since 0.1.0
 */
import type { ReconnectDelays } from "./Limits.ts"

/**
 * Returns the delay before a reconnect attempt, in whole milliseconds. Attempts count from 0. The delay is
 * `minDelay · 2^attempt`, at most `maxDelay`, reduced at random by up to one half, so that clients of a broker that
 * restarts do not all return at the same moment.
 *
 * @category accessors
 * @since 0.1.0
 */
export const delay = ({ maxDelay, minDelay }: ReconnectDelays, attempt: number): number =>
  Math.ceil(Math.min(maxDelay, minDelay * 2 ** attempt) * (0.5 + Math.random() / 2))
