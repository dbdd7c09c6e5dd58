/**
 * Limits how often a repeated event is written to the log. A throttle only counts; the bus writes the line.
 *
 * **Example** (A warning for the first, tenth, hundredth, … dropped message)
 *
 * ```ts
 * import { LogThrottle } from "@effect-psrpc/core/broker"
 *
 * const dropped = new LogThrottle.EveryTenfold()
 *
 * const onDropped = (): void => {
 *   const count = dropped.record()
 *   if (count !== undefined) console.warn(`${count} messages dropped so far`)
 * }
 * ```
 *
 * @since 0.1.0
 */
export {
  /**
   * Selects at most one occurrence of an event per interval for the log.
   *
   * @category models
   * @since 0.1.0
   */
  EveryInterval,
  /**
   * Selects the first, tenth, hundredth, … occurrence of an event for the log.
   *
   * @category models
   * @since 0.1.0
   */
  EveryTenfold
} from "../internal/support/logThrottle.ts"
