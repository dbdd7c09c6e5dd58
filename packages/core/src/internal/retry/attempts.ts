/** Attempts, one after the other, until one succeeds or it is time to give up. */
import { Clock, Duration, Effect, Pull, Schedule } from "effect"
import * as PsrpcError from "../../PsrpcError.ts"
import { countedIn } from "../client/ownership.ts"
import type { Failure, Info } from "../calls/interceptedCalls.ts"
import { messageOf } from "../errors/messageOf.ts"
import { withMayHaveRun } from "../errors/mayHaveRun.ts"
import * as LogAnnotations from "../telemetry/logAnnotations.ts"

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

/** Codes of failures that may be gone the next time. */
export const transient: ReadonlySet<PsrpcError.Code> = new Set<PsrpcError.Code>([
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

/** The failure of all attempts: the last one's, which says that a handler may have run where that is so of any. */
const inAll = <E>(error: E, mayHaveRun: boolean): E =>
  PsrpcError.is(error) && error.mayHaveRun !== mayHaveRun ? (withMayHaveRun(error, mayHaveRun) as E) : error

type Step = Effect.Success<ReturnType<typeof Schedule.toStep<unknown, Failure, never, never>>>

/**
 * Runs attempts within `time` milliseconds in all; each is told how many it has. Where `over` has ended, the next attempt is
 * made at once and is the last: it fails by itself, with what there is to say of the end. A call that succeeds at first
 * costs no more than a look at the clock.
 */
export const attempt = <A, E extends Failure, R>(
  policy: Policy,
  call: Info,
  time: number,
  run: (timeout: number) => Effect.Effect<A, E, R>,
  over?: Effect.Effect<unknown, unknown>
): Effect.Effect<A, E, R> =>
  Clock.clockWith((clock) => {
    const now = (): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
    const end = now() + time
    let step: Step | undefined
    let mayHaveRun = false
    let timeout = policy.timeout
    let count = 0
    let isOver = false

    /** Waits for the next attempt; says whether there is to be one. */
    const isNext = Effect.fnUntraced(function* (error: E) {
      if (isOver || count >= policy.attempts || !policy.isRetryable(error, call)) return false
      step ??= yield* Schedule.toStep(policy.schedule)
      const next = yield* Pull.catchDone(step(clock.currentTimeMillisUnsafe(), error), () => Effect.undefined)
      const delay = next === undefined ? Infinity : Duration.toMillis(next[1])
      // nothing would be left of the time
      if (!(now() + delay < end)) return false
      isOver = yield* endsWithin(delay, over)
      // timers are late at times: an attempt without any time would say nothing but that
      if (!isOver && !(now() < end)) return false
      if (!isOver) yield* retried(call, count, error)
      timeout *= policy.growth
      return true
    })

    const failed = (error: E): Effect.Effect<A, E, R> => {
      // a method's own error comes from its handler
      mayHaveRun ||= !PsrpcError.is(error) || error.mayHaveRun
      return Effect.flatMap(isNext(error), (is) => (is ? once() : Effect.fail(inAll(error, mayHaveRun))))
    }

    const once = (): Effect.Effect<A, E, R> => {
      count++
      return Effect.catch(run(Math.max(0, Math.min(timeout, end - now()))), failed)
    }

    return once()
  })

/** Waits; says whether `over` has ended by then. */
const endsWithin = (delay: number, over: Effect.Effect<unknown, unknown> | undefined): Effect.Effect<boolean> => {
  const waited = Effect.as(Effect.sleep(delay), false)
  return over === undefined ? waited : Effect.raceFirst(Effect.as(Effect.exit(over), true), waited)
}

/** Counts the next attempt where its client counts, and not where the caller would. */
const retried = (call: Info, count: number, error: Failure): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { method, service } = call
    const series = countedIn(call)
    if (series !== undefined) series.retries++
    const text = `psrpc: attempt ${count} of ${service}.${method} failed, the next one follows: ${messageOf(error)}`
    return LogAnnotations.annotate(Effect.logDebug(text), service, method)
  })
