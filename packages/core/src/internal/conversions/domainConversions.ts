import * as DomainError from "../errors/domainError.ts"
import { fromCode, fromUnknown, type PsrpcError } from "../errors/classes.ts"
import type { DomainErrorInput, DomainErrorOf, ValidDomainError } from "../errors/domainTypes.ts"
import { wireCodeOf } from "../errors/wireCode.ts"

const made = new WeakMap<object, DomainError.DomainError<unknown>>()

const codecOf = (input: DomainErrorInput): DomainError.DomainError<unknown> => {
  let codec = made.get(input)
  if (codec === undefined) made.set(input, (codec = DomainError.make(input) as DomainError.DomainError<unknown>))
  return codec
}

/**
 * A method's own error as the `PsrpcError` that a peer sees which does not know it: its code, its message, and itself as a
 * detail. From there it goes to other worlds: `PsrpcError.toHttpResponse`, and so on. `error` is what the method takes as
 * its `error`.
 *
 * **Example** (A method's own error as an HTTP response, and back)
 *
 * ```ts
 * import { PsrpcError } from "@effect-psrpc/core"
 * import { Schema } from "effect"
 *
 * class SoldOut extends Schema.TaggedError<SoldOut>()(
 *   "SoldOut",
 *   { item: Schema.String },
 *   { psrpcCode: "failed_precondition" }
 * ) {}
 *
 * const response = PsrpcError.toHttpResponse(PsrpcError.fromDomainError(SoldOut, new SoldOut({ item: "tea" })))
 * response.status // => 412
 *
 * PsrpcError.toDomainError(SoldOut, PsrpcError.fromHttpResponse(response))?.item // => "tea"
 * ```
 *
 * @category conversions
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
 * The method's own error that a `PsrpcError` has as a detail; `undefined` where it has none. `input` is what the method
 * takes as its `error`.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toDomainError = <Input extends DomainErrorInput>(
  input: Input & ValidDomainError<Input>,
  error: PsrpcError
): DomainErrorOf<Input> | undefined =>
  codecOf(input).decode({ code: wireCodeOf(error), message: error.message, details: error.details }) as
    | DomainErrorOf<Input>
    | undefined
