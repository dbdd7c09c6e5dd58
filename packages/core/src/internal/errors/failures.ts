/** Failures that calls and streams share. */
import { fromCode, type PsrpcError } from "./classes.ts"
import { messageOf } from "./messageOf.ts"

/** The error of a call that failed while the connection to the broker was lost, which is the more precise reason. */
export const connectionLost = (label: string, cause: PsrpcError, mayHaveRun?: boolean): PsrpcError =>
  fromCode("unavailable", {
    message: `${cause.message} (${label})`,
    reason: "connection",
    mayHaveRun,
    cause
  })

/** The error of a call without a response within `millis`. */
export const timedOut = (label: string, millis: number, mayHaveRun?: boolean): PsrpcError =>
  fromCode("deadline_exceeded", {
    message: `request timed out after ${Math.round(millis)} ms (${label})`,
    reason: "timeout",
    mayHaveRun
  })

/** The error of a request for which the broker reports no listeners. */
export const noListeners = (label: string): PsrpcError =>
  fromCode("unavailable", {
    message: `no response from servers: no listeners (${label})`,
    reason: "no_listeners",
    mayHaveRun: false
  })

/** The error of a call whose request cannot be encoded. */
export const unencodable = (label: string, what: string, cause: unknown): PsrpcError =>
  fromCode("malformed_request", {
    message: `the ${what} cannot be encoded (${label}): ${messageOf(cause)}`,
    cause,
    reason: "not_sent",
    mayHaveRun: false
  })
