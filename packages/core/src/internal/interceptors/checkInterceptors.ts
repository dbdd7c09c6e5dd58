import { Effect } from "effect"
import type * as PsrpcError from "../../PsrpcError.ts"
import type { Any } from "../calls/interceptorTypes.ts"
import { checked } from "../errors/checks.ts"
import { type Entry, entriesOf, idleOf, type Owner } from "./chain.ts"

/** What runs around calls, in their order. */
export const checkInterceptors = (
  at: string,
  owner: Owner,
  interceptors: ReadonlyArray<Any> | undefined
): Effect.Effect<ReadonlyArray<Entry>, PsrpcError.PsrpcError> =>
  Effect.tap(
    checked(at, () => entriesOf(interceptors)),
    () => Effect.forEach(idleOf(owner, interceptors), (problem) => Effect.logWarning(`psrpc: ${at}: ${problem}`))
  )
