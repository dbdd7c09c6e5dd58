import * as DomainError from "../errors/domainError.ts"
import { fromCode, fromUnknown, type PsrpcError } from "../errors/classes.ts"
import type { DomainErrorInput, DomainErrorOf, ValidDomainError } from "../errors/domainTypes.ts"
import { wireCodeOf } from "../errors/wireCode.ts"

const codecs = new WeakMap<object, DomainError.DomainError<unknown>>()

const codecOf = (input: DomainErrorInput): DomainError.DomainError<unknown> => {
  let codec = codecs.get(input)
  if (codec === undefined) codecs.set(input, (codec = DomainError.make(input) as DomainError.DomainError<unknown>))
  return codec
}

/**
 * Converts a method's own error to a `PsrpcError` with its code, its message, and the error itself as a detail. A peer that
 * does not know the error sees the same. The `PsrpcError` can be converted further, with `toHttpResponse` for instance.
 *
 * `input` is the `error` of the method's definition. A value that is not an error of the method becomes an `Unknown`.
 *
 * **Example** (A method's own error as an HTTP response, and back)
 *
 * ```ts
 * import { ErrorConversions } from "@effect-psrpc/core"
 * import { Schema } from "effect"
 *
 * class SoldOut extends Schema.TaggedError<SoldOut>()(
 *   "SoldOut",
 *   { item: Schema.String },
 *   { psrpcCode: "failed_precondition" }
 * ) {}
 *
 * const response = ErrorConversions.toHttpResponse(ErrorConversions.fromDomainError(SoldOut, new SoldOut({ item: "tea" })))
 * response.status // => 412
 *
 * ErrorConversions.toDomainError(SoldOut, ErrorConversions.fromHttpResponse(response))?.item // => "tea"
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const fromDomainError = <Input extends DomainErrorInput>(
  input: Input & ValidDomainError<Input>,
  error: DomainErrorOf<Input>
): PsrpcError => {
  const wire = codecOf(input).encode(error)
  return wire === undefined
    ? fromUnknown(error)
    : fromCode(wire.code, { message: wire.message, details: wire.details, cause: error })
}

/**
 * Returns the method's own error that a `PsrpcError` carries as a detail, or `undefined` if it carries none.
 *
 * `input` is the `error` of the method's definition.
 *
 * @category converting
 * @since 0.1.0
 */
export const toDomainError = <Input extends DomainErrorInput>(
  input: Input & ValidDomainError<Input>,
  error: PsrpcError
): DomainErrorOf<Input> | undefined =>
  codecOf(input).decode({ code: wireCodeOf(error), message: error.message, details: error.details }) as
    | DomainErrorOf<Input>
    | undefined
