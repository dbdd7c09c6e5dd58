import { Effect } from "effect"
import type * as PsrpcError from "../../PsrpcError.ts"
import type { Any, Kind } from "../calls/interceptorTypes.ts"
import { checked } from "../errors/checks.ts"
import { type Entry, entriesOf } from "./chain.ts"

/** The kinds of interceptors that each owner runs. */
const kindsOf = {
  client: ["client", "clientMulti", "clientStream", "subscribe"],
  server: ["server", "serverStream"],
  publisher: ["publish"]
} as const satisfies Readonly<Record<string, ReadonlyArray<Kind>>>

type Owner = keyof typeof kindsOf

/**
 * Describes the interceptors that their owner never runs. That is a warning, not an error: one array may be given to several
 * owners.
 */
const unusedOf = (owner: Owner, interceptors: ReadonlyArray<Any> | undefined): ReadonlyArray<string> => {
  const own: ReadonlyArray<Kind> = kindsOf[owner]
  return (interceptors ?? []).flatMap((each, index) => {
    const kinds = [...new Set(entriesOf([each]).map(({ kind }) => kind))]
    if (kinds.length === 0 || kinds.some((kind) => own.includes(kind))) return []
    return [
      `interceptors[${index}] (${kinds.join(", ")}) never runs: a ${owner} runs interceptors of the kinds ${own.join(", ")}`
    ]
  })
}

/** Returns the steps of the interceptors, in order. Logs a warning for those that the owner never runs. */
export const checkInterceptors = (
  at: string,
  owner: Owner,
  interceptors: ReadonlyArray<Any> | undefined
): Effect.Effect<ReadonlyArray<Entry>, PsrpcError.PsrpcError> =>
  Effect.tap(
    checked(at, () => entriesOf(interceptors)),
    () => Effect.forEach(unusedOf(owner, interceptors), (problem) => Effect.logWarning(`psrpc: ${at}: ${problem}`))
  )
