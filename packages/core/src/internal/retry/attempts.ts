/** Attempts, one after the other, until one succeeds or it is time to give up. */
import { Clock, Duration, Effect, Metric, Pull, Schedule } from "effect"
import * as PsrpcError from "../../PsrpcError.ts"
import type { Failure, Info } from "../interceptors/models.ts"
import { messageOf } from "../messageOf.ts"
import { withMayHaveRun } from "../psrpcError/mayHaveRun.ts"

/** How often, when, and after which failures. */
export interface Policy {
  /** All of them, the first included. */
  readonly attempts: number
  readonly schedule: Schedule.Schedule<unknown, Failure>
  /** How long the first may take, in milliseconds; Infinity for as long as there is. */
  readonly timeout: number
  /** How many times as long each may take as the one before. */
  readonly growth: number
  readonly isRetryable: (error: Failure, call: Info) => boolean
}

const retries = Metric.counter("psrpc_retries", {
  description: "Attempts after the first, of calls, openings of streams and their sends",
  incremental: true
})

/** Codes of failures that may be gone the next time. */
const transient: ReadonlySet<PsrpcError.Code> = new Set<PsrpcError.Code>([
  "aborted",
  "deadline_exceeded",
  "resource_exhausted",
  "unavailable"
])

/** What this process saw, and what will be the same the next time. */
const final: ReadonlySet<PsrpcError.Reason | undefined> = new Set<PsrpcError.Reason>([
  "client_closed",
  "server_closed",
  "stream_closed",
  "too_large"
])

/** See `Retry.isRetryable`. */
export const isRetryable = (error: unknown, call: { readonly idempotent: boolean }): boolean =>
  PsrpcError.is(error) &&
  transient.has(error.code) &&
  !final.has(error.reason) &&
  (!error.mayHaveRun || call.idempotent)

/**
 * Runs attempts within `time` milliseconds in all; each is told how many it has. What it fails with is the last failure,
 * which says that a handler may have run where that is so of any.
 */
export const attempt = <A, E extends Failure, R>(
  policy: Policy,
  call: Info,
  time: number,
  run: (timeout: number) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const now = (): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
    const end = now() + time
    let step: Effect.Success<ReturnType<typeof Schedule.toStep<unknown, Failure, never, never>>> | undefined
    let mayHaveRun = false
    let timeout = policy.timeout
    for (let count = 1; ; count++) {
      const result = yield* Effect.result(run(Math.max(0, Math.min(timeout, end - now()))))
      if (result._tag === "Success") return result.success
      const error = result.failure
      if (PsrpcError.is(error)) mayHaveRun ||= error.mayHaveRun
      const failure =
        PsrpcError.is(error) && error.mayHaveRun !== mayHaveRun ? (withMayHaveRun(error, true) as E) : error
      if (count >= policy.attempts || !policy.isRetryable(error, call)) return yield* Effect.fail(failure)
      step ??= yield* Schedule.toStep(policy.schedule)
      const next = yield* Pull.catchDone(step(clock.currentTimeMillisUnsafe(), error), () => Effect.undefined)
      const delay = next === undefined ? Infinity : Duration.toMillis(next[1])
      // nothing would be left of the time
      if (!(now() + delay < end)) return yield* Effect.fail(failure)
      const { method, service } = call
      yield* Effect.logDebug(
        `psrpc: attempt ${count} of ${service}.${method} failed, the next one in ${delay} ms: ${messageOf(error)}`
      )
      yield* Effect.sleep(delay)
      yield* Metric.update(Metric.withAttributes(retries, { service, method }), 1)
      timeout *= policy.growth
    }
  })
