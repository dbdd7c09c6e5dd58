import { fromCode, type InvalidArgument } from "./classes.ts"
import { messageOf } from "./messageOf.ts"

/** The error of a wrong option or argument, before anything is sent. */
export const invalidArgument = (message: string, cause?: unknown): InvalidArgument =>
  fromCode("invalid_argument", {
    message,
    // the message quotes it already
    cause: cause !== undefined && message.includes(messageOf(cause)) ? undefined : cause,
    reason: "not_sent",
    mayHaveRun: false
  })
