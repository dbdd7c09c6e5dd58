/** What calls and streams fail with for the same reason. */
import { fromCode, type PsrpcError } from "./classes.ts"
import { messageOf } from "./messageOf.ts"

/** The connection to the broker is lost: that says more than what came of it. */
export const disconnected = (label: string, cause: PsrpcError, mayHaveRun?: boolean): PsrpcError =>
  fromCode("unavailable", {
    message: `${cause.message} (${label})`,
    reason: "connection",
    mayHaveRun,
    cause
  })

/** Nothing was heard within `millis`. */
export const timedOut = (label: string, millis: number, mayHaveRun?: boolean): PsrpcError =>
  fromCode("deadline_exceeded", {
    message: `request timed out after ${Math.round(millis)} ms (${label})`,
    reason: "timeout",
    mayHaveRun
  })

/** The broker says that nobody listens to a request. */
export const nobodyListens = (label: string): PsrpcError =>
  fromCode("unavailable", {
    message: `no response from servers: nobody listens (${label})`,
    reason: "no_listeners",
    mayHaveRun: false
  })

/** What a call fails with whose request cannot be encoded. */
export const unencodable = (label: string, what: string, cause: unknown): PsrpcError =>
  fromCode("malformed_request", {
    message: `the ${what} cannot be encoded (${label}): ${messageOf(cause)}`,
    cause,
    reason: "not_sent",
    mayHaveRun: false
  })
