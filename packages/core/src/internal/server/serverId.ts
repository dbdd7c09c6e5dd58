import { Effect } from "effect"
import type * as PsrpcError from "../../PsrpcError.ts"
import { refuse } from "../errors/checks.ts"

/** A server's id: any text. */
export const checkServerId = (at: string, id: string): Effect.Effect<string, PsrpcError.PsrpcError> =>
  typeof id === "string" && id !== ""
    ? Effect.succeed(id)
    : refuse(`${at}: serverId: expected a text that is not empty`)
