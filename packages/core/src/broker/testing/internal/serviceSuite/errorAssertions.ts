/** Assertions about the errors of calls and streams. */
import { Effect } from "effect"
import type { PsrpcError } from "../../../../PsrpcError.ts"
import { equal, fail, type SuiteFailure } from "../harness/assertions.ts"

/** The compared properties of an error. */
export interface ExpectedError {
  readonly code: PsrpcError["code"]
  readonly message?: string
  readonly reason?: PsrpcError["reason"]
  readonly mayHaveRun?: boolean
}

/** Fails if an error is not the expected one. */
export const isError = (what: string, error: unknown, expected: ExpectedError): Effect.Effect<void, SuiteFailure> =>
  Effect.gen(function* () {
    const { code, mayHaveRun, message, reason } = (error ?? {}) as PsrpcError
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    yield* equal(`${what}: code of ${text}`, code, expected.code)
    if (expected.message !== undefined) yield* equal(`${what}: message of the error`, message, expected.message)
    if ("reason" in expected) yield* equal(`${what}: reason of the error`, reason, expected.reason)
    if ("mayHaveRun" in expected) yield* equal(`${what}: mayHaveRun of the error`, mayHaveRun, expected.mayHaveRun)
  })

/** Fails if an effect does not fail with the expected error. */
export const failsWith = <A, E, R>(
  what: string,
  effect: Effect.Effect<A, E, R>,
  expected: ExpectedError
): Effect.Effect<void, SuiteFailure, R> =>
  Effect.matchEffect(effect, {
    onFailure: (error) => isError(what, error, expected),
    onSuccess: () => fail(`${what}: expected a failure with the code ${expected.code}, got success`)
  })
