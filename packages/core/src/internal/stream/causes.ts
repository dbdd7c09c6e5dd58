/** The causes of closed streams, and the failures of sends. */
import { Cause } from "effect"
import * as PsrpcError from "../../PsrpcError.ts"
import { connectionLost, timedOut } from "../errors/failures.ts"
import { withMayHaveRun } from "../errors/mayHaveRun.ts"
import type { StreamClose } from "../wire/streamEnvelope.ts"

/** The text of a close without a cause, the same as Go's. */
export const closedText = "stream closed"

/** Returns the cause in a close; `undefined` for a close without a cause. */
export const closeCause = ({ code, error }: StreamClose): PsrpcError.PsrpcError | undefined =>
  code === "canceled" && error === closedText ? undefined : PsrpcError.fromCode(code, { message: error })

/** The error of operations on a stream that was closed without a cause. */
export const streamClosed = (label: string): PsrpcError.PsrpcError =>
  PsrpcError.fromCode("canceled", { message: `${closedText} (${label})`, reason: "stream_closed" })

/** The same error for an operation that starts after the close. */
export const notSent = (error: PsrpcError.PsrpcError): PsrpcError.PsrpcError => withMayHaveRun(error, false)

/** The failure of a send after `closeSend`. */
export const afterCloseSend = (label: string): PsrpcError.PsrpcError =>
  PsrpcError.fromCode("failed_precondition", {
    message: `a message cannot be sent after closeSend (${label})`,
    reason: "not_sent",
    mayHaveRun: false
  })

/** The cause that the peer receives for a failure here. The text of an error that is not a `PsrpcError` is not sent. */
export const causeOf = (cause: Cause.Cause<unknown>): PsrpcError.PsrpcError => {
  if (Cause.hasInterruptsOnly(cause)) return PsrpcError.fromCode("canceled", { message: "request canceled" })
  const failure = Cause.findErrorOption(cause)
  if (failure._tag === "Some" && PsrpcError.is(failure.value)) return failure.value
  return PsrpcError.fromCode("internal", { message: "internal error" })
}

/** The failure of a send without an ack within `millis`. */
export const unacknowledged = (
  label: string,
  millis: number,
  connection: PsrpcError.PsrpcError | undefined
): PsrpcError.PsrpcError => (connection === undefined ? timedOut(label, millis) : connectionLost(label, connection))

/** The cause of a stream whose peer is lost. */
export const peerLost = (
  label: string,
  why: string,
  reason: "peer_lost" | "no_listeners",
  connection: PsrpcError.PsrpcError | undefined
): PsrpcError.PsrpcError =>
  connection === undefined
    ? PsrpcError.fromCode("unavailable", { message: `the peer of the stream is lost: ${why} (${label})`, reason })
    : connectionLost(label, connection)
