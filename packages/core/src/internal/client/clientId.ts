import { Effect } from "effect"
import type * as PsrpcError from "../../PsrpcError.ts"
import { refuse } from "../errors/checks.ts"

/** Checks the id of a client. It is a part of NATS subjects, so it must not split them or match several. */
export const checkClientId = (at: string, id: string): Effect.Effect<string, PsrpcError.PsrpcError> =>
  typeof id === "string" && /^[^\s.*>\p{Cc}]+(\.[^\s.*>\p{Cc}]+)*$/u.test(id)
    ? Effect.succeed(id)
    : refuse(
        `${at}: clientId is ${JSON.stringify(id)}: expected a text without white space, "*", ">" and empty parts around "."`
      )
