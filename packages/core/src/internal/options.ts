import { Duration, Effect } from "effect"
import * as PsrpcError from "../PsrpcError.ts"

const refuse = (message: string): Effect.Effect<never, PsrpcError.PsrpcError> =>
  Effect.fail(PsrpcError.fromCode("invalid_argument", { message, reason: "not_sent", mayHaveRun: false }))

/** An id of a client or a server: part of a channel's name on NATS, so no text that splits or matches subjects. */
export const checkId = (at: string, option: string, id: string): Effect.Effect<string, PsrpcError.PsrpcError> =>
  typeof id === "string" && /^[^\s.*>\p{Cc}]+$/u.test(id)
    ? Effect.succeed(id)
    : refuse(`${at}: ${option} ${JSON.stringify(id)}: expected a text without spaces, ".", "*" and ">"`)

/** A time to wait, in milliseconds. */
export const checkTimeout = (
  at: string,
  option: string,
  timeout: Duration.Input
): Effect.Effect<number, PsrpcError.PsrpcError> => {
  const duration = Duration.fromInput(timeout)
  const millis = duration._tag === "Some" ? Duration.toMillis(duration.value) : NaN
  return millis >= 0 ? Effect.succeed(millis) : refuse(`${at}: ${option} ${String(timeout)} is not a time to wait`)
}

/** How many elements a buffer holds. */
export const checkBufferSize = (at: string, size: number): Effect.Effect<number, PsrpcError.PsrpcError> =>
  Number.isInteger(size) && size > 0
    ? Effect.succeed(size)
    : refuse(`${at}: bufferSize ${String(size)}: expected a whole number of messages above 0`)
