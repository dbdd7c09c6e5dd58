import * as PsrpcError from "../PsrpcError.ts"

/** What an option or an argument that cannot be comes to, before anything is sent. */
export const invalidArgument = (message: string, cause?: unknown): PsrpcError.InvalidArgument =>
  PsrpcError.fromCode("invalid_argument", { message, cause, reason: "not_sent", mayHaveRun: false })
