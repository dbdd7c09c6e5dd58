/** Between values and the bytes of a payload. Public in `Payload`. */

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
 * A payload's two directions. `A` is what a sender may give, `B` what the receiver gets.
 *
 * Both directions are synchronous and throw on what does not fit; the library turns that into `malformed_request` or
 * `malformed_result`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Codec<in A, out B> {
  readonly [TypeId]: TypeId
  /**
   * The full protobuf name of what the bytes are, for updates, which travel under their own type; `undefined` where they
   * are no protobuf message: their updates are a `google.protobuf.BytesValue` with the bytes in it.
   */
  readonly typeName: string | undefined
  readonly encode: (value: A) => Uint8Array
  readonly decode: (bytes: Uint8Array) => B
}
