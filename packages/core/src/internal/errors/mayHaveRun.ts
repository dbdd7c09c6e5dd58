import { fromCode, type PsrpcError } from "./classes.ts"
import { wireCodeOf } from "./wireCode.ts"

/** Copies an error, without its stack, with another `mayHaveRun`. */
export const withMayHaveRun = (error: PsrpcError, mayHaveRun: boolean): PsrpcError =>
  fromCode(wireCodeOf(error), {
    message: error.message,
    details: error.details,
    reason: error.reason,
    cause: error.cause,
    mayHaveRun
  })
