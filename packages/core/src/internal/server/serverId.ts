import { Effect } from "effect"
import type * as PsrpcError from "../../PsrpcError.ts"
import { refuse } from "../errors/checks.ts"

/** Checks the id of a server. */
export const checkServerId = (at: string, id: string): Effect.Effect<string, PsrpcError.PsrpcError> =>
  typeof id === "string" && id !== ""
    ? Effect.succeed(id)
    : refuse(`${at}: serverId is ${JSON.stringify(id)}: expected a text that is not empty`)
