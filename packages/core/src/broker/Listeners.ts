/**
 * The listeners of a bus by channel, with queue groups.
 *
 * **Example** (Delivering a message)
 *
 * ```ts
 * import { Listeners } from "@effect-psrpc/core/broker"
 *
 * const listeners = new Listeners.Listeners((defect) => console.error("a listener threw", defect))
 * listeners.add("news", (message) => console.log(message.length, "bytes"), false)
 *
 * const onMessage = (channel: string, message: Uint8Array): void => listeners.get(channel)?.all(message)
 * ```
 *
 * @since 0.1.0
 */
export {
  /**
   * The listeners of one channel: those outside of the queue group, and its members in turn.
   *
   * @category models
   * @since 0.1.0
   */
  ListenerGroup,
  /**
   * A table of listener groups by channel. A listener that throws does not stop the others; `onDefect` is called.
   *
   * @category models
   * @since 0.1.0
   */
  Listeners
} from "../internal/bus/listeners.ts"
