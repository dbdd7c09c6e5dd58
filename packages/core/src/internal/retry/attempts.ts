/** Runs attempts in sequence until one succeeds or no further one is allowed. */
import { Clock, Duration, Effect, Pull, Schedule } from "effect"
import * as PsrpcError from "../../PsrpcError.ts"
import type { CallControl } from "../calls/callControl.ts"
import type { Failure, CallInfo } from "../calls/interceptedCalls.ts"
import { messageOf } from "../errors/messageOf.ts"
import { withMayHaveRun } from "../errors/mayHaveRun.ts"
import * as LogAnnotations from "../telemetry/logAnnotations.ts"

/** The number of attempts, their delays and the retried failures. */
export interface Policy {
  /** Maximum number of attempts, the first included. */
  readonly attempts: number
  readonly schedule: Schedule.Schedule<unknown, Failure>
  /** Timeout of the first attempt in milliseconds; Infinity for the time left. */
  readonly timeout: number
  /** Factor by which the timeout grows with each attempt. */
  readonly growth: number
  readonly isRetryable: (error: Failure, call: CallInfo) => boolean
}

/** Codes of failures that the next attempt may not have. */
export const transient: ReadonlySet<PsrpcError.Code> = new Set<PsrpcError.Code>([
  "aborted",
  "deadline_exceeded",
  "resource_exhausted",
  "unavailable"
])

/** Reasons of failures that the next attempt would have again. */
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

/** The failure of all attempts: the last one, with `mayHaveRun` of any. */
const inAll = <E>(error: E, mayHaveRun: boolean): E =>
  PsrpcError.is(error) && error.mayHaveRun !== mayHaveRun ? (withMayHaveRun(error, mayHaveRun) as E) : error

type Step = Effect.Success<ReturnType<typeof Schedule.toStep<unknown, Failure, never, never>>>

/**
 * Runs attempts within `time` milliseconds together. `run` gets the timeout of its attempt. When `over` completes, the next
 * attempt starts at once and is the last: it fails with the reason of the end. If the first attempt succeeds, the cost is
 * one reading of the clock.
 */
export const attempt = <A, E extends Failure, R>(
  policy: Policy,
  call: CallInfo,
  time: number,
  run: (timeout: number) => Effect.Effect<A, E, R>,
  control: CallControl,
  over: Effect.Effect<unknown, unknown> | undefined = control.awaitClosed
): Effect.Effect<A, E, R> =>
  Clock.clockWith((clock) => {
    const now = (): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
    const end = now() + time
    let step: Step | undefined
    let mayHaveRun = false
    let timeout = policy.timeout
    let count = 0
    let isOver = false

    /** Waits until the next attempt. Returns false if there is none. */
    const isNext = Effect.fnUntraced(function* (error: E) {
      if (isOver || count >= policy.attempts || !policy.isRetryable(error, call)) return false
      step ??= yield* Schedule.toStep(policy.schedule)
      const next = yield* Pull.catchDone(step(clock.currentTimeMillisUnsafe(), error), () => Effect.undefined)
      const delay = next === undefined ? Infinity : Duration.toMillis(next[1])
      // the next attempt would have no time left
      if (!(now() + delay < end)) return false
      isOver = yield* endsWithin(delay, over)
      // a timer may be late: an attempt without time would only time out
      if (!isOver && !(now() < end)) return false
      if (!isOver) yield* retried(call, control, count, error)
      timeout *= policy.growth
      return true
    })

    const failed = (error: E): Effect.Effect<A, E, R> => {
      // a typed error comes from the handler
      mayHaveRun ||= !PsrpcError.is(error) || error.mayHaveRun
      return Effect.flatMap(isNext(error), (is) => (is ? once() : Effect.fail(inAll(error, mayHaveRun))))
    }

    const once = (): Effect.Effect<A, E, R> => {
      count++
      return Effect.catch(run(Math.max(0, Math.min(timeout, end - now()))), failed)
    }

    return once()
  })

/** Waits for the delay. Returns true at once when `over` completes. */
const endsWithin = (delay: number, over: Effect.Effect<unknown, unknown> | undefined): Effect.Effect<boolean> => {
  const waited = Effect.as(Effect.sleep(delay), false)
  return over === undefined ? waited : Effect.raceFirst(Effect.as(Effect.exit(over), true), waited)
}

/** Counts the next attempt in the metrics of its client. */
const retried = (call: CallInfo, control: CallControl, count: number, error: Failure): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { method, service } = call
    control.countRetry?.()
    const text = `psrpc: attempt ${count} of ${service}.${method} failed, the next one follows: ${messageOf(error)}`
    return LogAnnotations.annotate(Effect.logDebug(text), service, method)
  })
