/** The payload of a response: a result, or an error. */
import { Result } from "effect"
import * as PsrpcError from "../../PsrpcError.ts"
import type { CallMethod } from "../definition/method.ts"
import { messageOf } from "../errors/messageOf.ts"
import type * as Envelope from "../wire/callEnvelope.ts"

/** Decodes the result in a response without an error. Fails with `malformed_result`. */
export const decodeResponse = (
  method: CallMethod,
  { raw }: Envelope.Response
): Result.Result<unknown, PsrpcError.PsrpcError> => {
  try {
    return Result.succeed(method.response.decode(raw))
  } catch (cause) {
    return Result.fail(
      PsrpcError.fromCode("malformed_result", {
        message: `the response cannot be decoded (${method.label}): ${messageOf(cause)}`,
        cause
      })
    )
  }
}

/** Decodes the error in a response: a domain error of the method, or a `PsrpcError`. */
export const decodeError = (method: CallMethod, response: Envelope.Response, mayHaveRun: boolean): unknown => {
  const { code, details, error: message } = response
  return method.error?.decode({ code, message, details }) ?? PsrpcError.fromCode(code, { message, details, mayHaveRun })
}
