import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary
} from "@bufbuild/protobuf"
import { fromCode, type PsrpcError } from "./classes.ts"
import type { Detail } from "./models.ts"
import { wireCodeOf } from "./wireCode.ts"

const typeUrlPrefix = "type.googleapis.com/"

/**
 * Packs a protobuf message into a detail of an error.
 *
 * **Example** (An error with the time of the next attempt)
 *
 * ```ts
 * import { DurationSchema } from "@bufbuild/protobuf/wkt"
 * import { PsrpcError } from "@effect-psrpc/core"
 *
 * const busy = new PsrpcError.ResourceExhausted({
 *   message: "too many jobs",
 *   details: [PsrpcError.detail(DurationSchema, { seconds: 30n })]
 * })
 *
 * PsrpcError.findDetails(busy, DurationSchema)[0]?.seconds // => 30n
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const detail = <Desc extends DescMessage>(desc: Desc, init: MessageInitShape<Desc>): Detail => ({
  typeUrl: typeUrlPrefix + desc.typeName,
  value: toBinary(desc, create(desc, init))
})

/**
 * Returns the details of an error that are messages of one type, in order. Omits a detail of that type that cannot be
 * decoded.
 *
 * @category accessors
 * @since 0.1.0
 */
export const findDetails = <Desc extends DescMessage>(
  error: { readonly details: ReadonlyArray<Detail> },
  desc: Desc
): Array<MessageShape<Desc>> => {
  const found: Array<MessageShape<Desc>> = []
  for (const { typeUrl, value } of error.details) {
    // As in Any, the part before the last slash is a host name without meaning.
    if (typeUrl.slice(typeUrl.lastIndexOf("/") + 1) !== desc.typeName) continue
    try {
      found.push(fromBinary(desc, value))
    } catch {
      // The bytes are not of the type that the name states.
    }
  }
  return found
}

/**
 * Copies an error and appends details.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withDetails = <E extends PsrpcError>(error: E, ...details: ReadonlyArray<Detail>): E => {
  // Message and cause are not enumerable properties of an Error.
  const { cause, message } = error
  const copy = fromCode(wireCodeOf(error), {
    ...error,
    cause,
    message,
    details: [...error.details, ...details]
  })
  return Object.defineProperty(copy, "stack", { value: error.stack, configurable: true, writable: true }) as E
}
