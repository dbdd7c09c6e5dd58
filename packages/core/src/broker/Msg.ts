/**
 * The `Msg` around every message on the wire, for buses that route by its contents or forward it. Most buses treat
 * messages as bytes and do not need this module.
 *
 * **Example** (A message with a route, read back)
 *
 * ```ts
 * import { Msg } from "@effect-psrpc/core/broker"
 *
 * const message = Msg.encode({ typeUrl: "", value: new Uint8Array([1]), channel: "Hello.REQ" })
 * Msg.readChannel(message) // => "Hello.REQ"
 * ```
 *
 * @since 0.1.0
 */
export {
  /**
   * Decodes a `Msg` without looking into its value. Returns `"malformed"` if the bytes are not a `Msg`.
   *
   * @category decoding
   * @since 0.1.0
   */
  decodeMsg as decode,
  /**
   * Encodes a `Msg`. `nonce: true` adds a random field, so that two messages with equal contents differ.
   *
   * @category encoding
   * @since 0.1.0
   */
  encodeMsg as encode,
  /**
   * A decoded `Msg`.
   *
   * @category models
   * @since 0.1.0
   */
  type Msg,
  /**
   * Reads the field `channel` of a `Msg`. Returns `""` if the field is missing or the bytes are malformed.
   *
   * @category decoding
   * @since 0.1.0
   */
  readChannel,
  /**
   * Returns the same `Msg` with its hop count increased by `by`, 1 by default. Malformed bytes are returned unchanged.
   *
   * @category combinators
   * @since 0.1.0
   */
  withHop
} from "../internal/wire/msg.ts"
