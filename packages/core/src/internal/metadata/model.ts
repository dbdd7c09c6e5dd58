/** The types of metadata, and the values that every room shares. Public in `Metadata`. */
import { Context } from "effect"

/**
 * Metadata: string keys and string values.
 *
 * @category models
 * @since 0.1.0
 */
export interface Metadata {
  readonly [key: string]: string
}

/**
 * What a handler receives with a request, beside the payload.
 *
 * @category models
 * @since 0.1.0
 */
export interface Header {
  /** The client's id. */
  readonly remoteId: string
  /** When the client sent the request, by the client's clock: Unix time in milliseconds. */
  readonly sentAt: number
  /** The request's deadline, by the client's clock: Unix time in milliseconds. */
  readonly expiry: number
  /** The client's metadata. It has no inherited properties. */
  readonly metadata: Metadata
}

/**
 * Maximum number of metadata entries, or of error details, in one message. An entry takes a few bytes on the wire and many
 * times that in memory.
 */
export const maxEntries = 1000

/**
 * Class of decoded metadata: an object without inherited properties, so that `__proto__` is a key like any other. `new`
 * costs a tenth of `Object.create(null)`.
 */
export const Entries = function () {} as unknown as { new (): Record<string, string>; prototype: object }
Entries.prototype = Object.freeze(Object.create(null))

/** The metadata without entries. The hot path compares with it by identity. */
export const emptyMetadata: Metadata = Object.freeze(new Entries())

/**
 * The metadata of outgoing calls, local to the fiber. Default: empty.
 *
 * @category references
 * @since 0.1.0
 */
export const Outgoing: Context.Reference<Metadata> = Context.Reference<Metadata>(
  "@effect-psrpc/core/Metadata/Outgoing",
  { defaultValue: () => emptyMetadata }
)
