/**
 * A first-in, first-out queue without allocations per item, for messages that wait in a bus.
 *
 * **Example** (Messages in the order of publishing)
 *
 * ```ts
 * import { Fifo } from "@effect-psrpc/core/broker"
 *
 * const waiting = new Fifo.Fifo<string>()
 * waiting.push("first")
 * waiting.push("second")
 * waiting.shift() // => "first"
 * waiting.size // => 1
 * ```
 *
 * @since 0.1.0
 */
export {
  /**
   * A first-in, first-out queue on a ring of array places.
   *
   * @category models
   * @since 0.1.0
   */
  Fifo
} from "../internal/support/fifo.ts"
