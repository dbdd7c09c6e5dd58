import { Effect } from "effect"
import type * as PsrpcError from "../../PsrpcError.ts"
import { refuse } from "../errors/checks.ts"

/** A client's id is part of NATS subjects as it is, so it must not split or match them. */
export const checkClientId = (at: string, id: string): Effect.Effect<string, PsrpcError.PsrpcError> =>
  typeof id === "string" && /^[^\s.*>\p{Cc}]+(\.[^\s.*>\p{Cc}]+)*$/u.test(id)
    ? Effect.succeed(id)
    : refuse(
        `${at}: clientId ${JSON.stringify(id)}: expected a text without spaces, "*", ">" and empty parts around "."`
      )
