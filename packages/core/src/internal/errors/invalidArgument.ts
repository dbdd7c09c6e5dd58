import { fromCode, type InvalidArgument } from "./classes.ts"
import { messageOf } from "./messageOf.ts"

/** What an option or an argument that cannot be comes to, before anything is sent. */
export const invalidArgument = (message: string, cause?: unknown): InvalidArgument =>
  fromCode("invalid_argument", {
    message,
    // said twice, it is not said better
    cause: cause !== undefined && message.includes(messageOf(cause)) ? undefined : cause,
    reason: "not_sent",
    mayHaveRun: false
  })
