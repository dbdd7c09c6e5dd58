import { type Duration, Effect } from "effect"
import type * as PsrpcError from "../PsrpcError.ts"
import { invalidArgument } from "./invalidArgument.ts"
import { messageOf } from "./messageOf.ts"
import { millisOf } from "./millis.ts"

const refuse = (message: string): Effect.Effect<never, PsrpcError.PsrpcError> => Effect.fail(invalidArgument(message))

/** A server's id: any text. */
export const checkServerId = (at: string, id: string): Effect.Effect<string, PsrpcError.PsrpcError> =>
  typeof id === "string" && id !== ""
    ? Effect.succeed(id)
    : refuse(`${at}: serverId: expected a text that is not empty`)

/** A client's id is part of NATS subjects as it is, so it must not split or match them. */
export const checkClientId = (at: string, id: string): Effect.Effect<string, PsrpcError.PsrpcError> =>
  typeof id === "string" && /^[^\s.*>\p{Cc}]+(\.[^\s.*>\p{Cc}]+)*$/u.test(id)
    ? Effect.succeed(id)
    : refuse(
        `${at}: clientId ${JSON.stringify(id)}: expected a text without spaces, "*", ">" and empty parts around "."`
      )

/** A time to wait, in milliseconds. */
export const checkTimeout = (
  at: string,
  option: string,
  timeout: Duration.Input
): Effect.Effect<number, PsrpcError.PsrpcError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(millisOf(option, timeout))
    } catch (cause) {
      return refuse(`${at}: ${messageOf(cause)}`)
    }
  })

/** How many of something there may be. */
export const checkCount = (at: string, option: string, count: number): Effect.Effect<number, PsrpcError.PsrpcError> =>
  Number.isInteger(count) && count > 0
    ? Effect.succeed(count)
    : refuse(`${at}: ${option} ${String(count)}: expected a whole number above 0`)
