/** The codec of a payload. Public in `Payload`. */

/**
 * The type id of codecs.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId: TypeId = "~effect-psrpc/Payload"

/**
 * The type id of codecs.
 *
 * @category type IDs
 * @since 0.1.0
 */
export type TypeId = "~effect-psrpc/Payload"

/**
 * Converts values to bytes and back. `A` is the sender's type, `B` the receiver's.
 *
 * Both directions are synchronous and throw if the input is invalid; the library turns that into `malformed_request` or
 * `malformed_result`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Codec<in A, out B> {
  readonly [TypeId]: TypeId
  /**
   * The full name of the protobuf message in the bytes, which is the type of an update on the wire. `undefined` if the
   * bytes are not a protobuf message: an update is then a `google.protobuf.BytesValue` around them.
   */
  readonly typeName: string | undefined
  readonly encode: (value: A) => Uint8Array
  readonly decode: (bytes: Uint8Array) => B
}
