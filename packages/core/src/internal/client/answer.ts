/** What a server's answer says. */
import { Result } from "effect"
import * as PsrpcError from "../../PsrpcError.ts"
import type * as Envelope from "../wire/callEnvelope.ts"
import { messageOf } from "../errors/messageOf.ts"
import type { CallMethod } from "../definition/method.ts"

/** The answer of a server that has one. */
export const answerOf = (method: CallMethod, raw: Uint8Array): Result.Result<unknown, PsrpcError.PsrpcError> => {
  try {
    return Result.succeed(method.response.decode(raw))
  } catch (cause) {
    return Result.fail(
      PsrpcError.fromCode("malformed_result", {
        message: `the answer cannot be decoded (${method.label}): ${messageOf(cause)}`,
        cause
      })
    )
  }
}

/** The error that a server answers with: one of the method's own, or a `PsrpcError`. */
export const errorOf = (method: CallMethod, response: Envelope.Response, mayHaveRun: boolean): unknown => {
  const { code, details, error: message } = response
  return method.error?.decode({ code, message, details }) ?? PsrpcError.fromCode(code, { message, details, mayHaveRun })
}
