import { Effect } from "effect"
import type * as PsrpcError from "../../PsrpcError.ts"
import { refuse } from "../errors/checks.ts"
import { problemOf } from "./metadataCheck.ts"
import type { Metadata } from "./model.ts"

/** Checks the metadata option of a client. */
export const checkMetadata = (
  at: string,
  metadata: Metadata,
  maxSize: number
): Effect.Effect<Metadata, PsrpcError.PsrpcError> =>
  Effect.suspend(() => {
    const problem = problemOf(metadata, maxSize)
    return problem === undefined ? Effect.succeed(metadata) : refuse(`${at}: ${problem}`)
  })
