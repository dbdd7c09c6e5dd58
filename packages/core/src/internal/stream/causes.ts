/** Why a stream is closed, and what sends on it fail with. */
import { Cause } from "effect"
import * as PsrpcError from "../../PsrpcError.ts"
import { connectionLost, timedOut } from "../errors/failures.ts"
import { withMayHaveRun } from "../errors/mayHaveRun.ts"
import type { StreamClose } from "../wire/streamEnvelope.ts"

/** The text of a close without a cause, as Go has it. */
export const closedText = "stream closed"

/** The cause that a close tells; none where it says that there is none. */
export const closeCause = ({ code, error }: StreamClose): PsrpcError.PsrpcError | undefined =>
  code === "canceled" && error === closedText ? undefined : PsrpcError.fromCode(code, { message: error })

/** What fails with the end of a stream that has no cause. */
export const streamClosed = (label: string): PsrpcError.PsrpcError =>
  PsrpcError.fromCode("canceled", { message: `${closedText} (${label})`, reason: "stream_closed" })

/** The same for what is tried only now. */
export const notSent = (error: PsrpcError.PsrpcError): PsrpcError.PsrpcError => withMayHaveRun(error, false)

/** The failure of a send after `closeSend`. */
export const afterCloseSend = (label: string): PsrpcError.PsrpcError =>
  PsrpcError.fromCode("failed_precondition", {
    message: `a message cannot be sent after closeSend (${label})`,
    reason: "not_sent",
    mayHaveRun: false
  })

/** What the other end is told of a failure here: nothing that is not an error of psrpc. */
export const causeOf = (cause: Cause.Cause<unknown>): PsrpcError.PsrpcError => {
  if (Cause.hasInterruptsOnly(cause)) return PsrpcError.fromCode("canceled", { message: "request canceled" })
  const failure = Cause.findErrorOption(cause)
  if (failure._tag === "Some" && PsrpcError.is(failure.value)) return failure.value
  return PsrpcError.fromCode("internal", { message: "internal error" })
}

/** What a send fails with that came to no ack within `millis`. */
export const unacknowledged = (
  label: string,
  millis: number,
  connection: PsrpcError.PsrpcError | undefined
): PsrpcError.PsrpcError => (connection === undefined ? timedOut(label, millis) : connectionLost(label, connection))

/** What a stream ends with whose other end is not there any more. */
export const gone = (
  label: string,
  why: string,
  reason: "peer_lost" | "no_listeners",
  connection: PsrpcError.PsrpcError | undefined
): PsrpcError.PsrpcError =>
  connection === undefined
    ? PsrpcError.fromCode("unavailable", {
        message: `the other end of the stream is gone: ${why} (${label})`,
        reason
      })
    : connectionLost(label, connection)
