import { fromCode, type PsrpcError } from "./classes.ts"
import { wireCodeOf } from "./wireCode.ts"

/** The same error, without its stack, of what is known better now. */
export const withMayHaveRun = (error: PsrpcError, mayHaveRun: boolean): PsrpcError =>
  fromCode(wireCodeOf(error), {
    message: error.message,
    details: error.details,
    reason: error.reason,
    cause: error.cause,
    mayHaveRun
  })
