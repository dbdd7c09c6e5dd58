/**
 * Safe retries of unary calls, of the opening of streams, and of sends on streams.
 *
 * If no handler can have run (`mayHaveRun` is false), the call of any method is retried. If a handler may have run, as after
 * a timeout, only a method that is defined as `idempotent` is retried, or a call with an idempotency key: servers with
 * `Idempotency.interceptor` answer the second request with the first answer.
 *
 * The timeout of the call, and the deadline of its caller, limit all attempts together. The failure is that of the last
 * attempt. Its `mayHaveRun` is true if that of any attempt is.
 *
 * **Example** (A client that retries)
 *
 * ```ts
 * import { Client, Retry, Rpc, Service } from "@effect-psrpc/core"
 * import { Schema } from "effect"
 *
 * class Prices extends Service.make("Prices", {
 *   of: Rpc.unary({ request: Schema.String, response: Schema.Finite, idempotent: true })
 * }) {}
 *
 * class PricesClient extends Client.Service<PricesClient>()("app/PricesClient", Prices) {}
 *
 * // 500 ms for the first attempt, 1 s for the second, 2 s for the third; at most 5 s together
 * const layer = PricesClient.layerWith({
 *   timeout: "5 seconds",
 *   interceptors: [Retry.unary({ attempts: 4, timeout: "500 millis", timeoutGrowth: 2 })]
 * })
 * ```
 *
 * @since 0.1.0
 */
import { Duration, Effect, Exit, Schedule, Scope } from "effect"
import type { BidiStream, SendOptions } from "./BidiStream.ts"
import * as Interceptor from "./Interceptor.ts"
import { type CallControl, CurrentControl } from "./internal/calls/callControl.ts"
import { newIdempotencyKey } from "./internal/wire/id.ts"
import type { Wrap } from "./internal/calls/interceptorTypes.ts"
import { millisOf, positiveMillisOf } from "./internal/time/millis.ts"
import { countOf } from "./internal/support/count.ts"
import * as Attempts from "./internal/retry/attempts.ts"
import { keyName } from "./internal/retry/idempotencyStore.ts"
import * as Metadata from "./Metadata.ts"
import type { PsrpcError } from "./PsrpcError.ts"

/**
 * Default maximum number of attempts, the first included: 3.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultAttempts = 3

/**
 * Default delay between attempts: 50 ms, doubled after each attempt, at most 1 second; 20 % more or less at random, so that
 * many clients do not retry at the same time.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultSchedule: Schedule.Schedule<Duration.Duration> = Schedule.exponential("50 millis").pipe(
  Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, Duration.seconds(1)))),
  Schedule.jittered
)

/**
 * Options of every kind of retry.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Maximum number of attempts, the first included; `Infinity` for no limit but the call's time. Default: 3. */
  readonly attempts?: number | undefined
  /**
   * The delays between attempts; its input is the failure. When the schedule ends, no further attempt is made. Default:
   * {@link defaultSchedule}.
   */
  readonly schedule?: Schedule.Schedule<unknown, Interceptor.Failure> | undefined
  /** Timeout of the first attempt, more than 0. Default: the time left for the call, so that a timeout ends the call. */
  readonly timeout?: Duration.Input | undefined
  /** Factor by which the timeout of an attempt grows with each attempt; 1 or more. Default: 1. */
  readonly timeoutGrowth?: number | undefined
  /** Whether a failure is retried. Default: {@link isRetryable}. */
  readonly while?: ((error: Interceptor.Failure, call: Interceptor.CallInfo) => boolean) | undefined
}

/**
 * Options of retries of unary calls.
 *
 * @category models
 * @since 0.1.0
 */
export interface UnaryOptions extends Options {
  /**
   * Whether to send an idempotency key, the same with each attempt, and to retry as if the method were idempotent. All
   * servers of the method must have `Idempotency.interceptor`. A key in the metadata of the call, or of `Metadata.with`, is
   * kept. Default: `false`.
   */
  readonly idempotencyKey?: boolean | undefined
}

/**
 * Default retry predicate. Retries `unavailable`, `deadline_exceeded`, `resource_exhausted` and `aborted` if no handler can
 * have run, or if the method is idempotent. Does not retry after the client or the stream is closed, nor a message that is
 * too large.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isRetryable: (error: unknown, call: { readonly idempotent: boolean }) => boolean = Attempts.isRetryable

/** Checks the options. Throws a `TypeError` that names the invalid one. */
const policyOf = (options: Options): Attempts.Policy => {
  const { attempts = defaultAttempts, schedule = defaultSchedule, timeout, timeoutGrowth: growth = 1 } = options
  if (!(growth >= 1 && growth < Infinity)) {
    throw new TypeError(`Retry: timeoutGrowth is ${String(growth)}: expected a number of 1 or more`)
  }
  const first = timeout === undefined ? Infinity : positiveMillisOf("Retry: timeout", timeout)
  if (!Schedule.isSchedule(schedule)) throw new TypeError(`Retry: schedule is ${typeof schedule}: expected a Schedule`)
  return {
    attempts: attempts === Infinity ? attempts : countOf("Retry: attempts", attempts),
    schedule,
    timeout: first,
    growth,
    isRetryable: options.while ?? isRetryable
  }
}

/**
 * Makes an interceptor that retries unary calls. Throws a `TypeError` for invalid options.
 *
 * Outer interceptors see one call. Inner interceptors see each attempt, which is a request of its own. The metric
 * `psrpc_retries` counts the attempts after the first.
 *
 * @category constructors
 * @since 0.1.0
 */
export const unary = (options: UnaryOptions = {}): Interceptor.Interceptor<readonly [Wrap<"client", never, never>]> => {
  const policy = policyOf(options)
  if (options.idempotencyKey !== true) {
    return Interceptor.client((call, next) =>
      Effect.flatMap(CurrentControl, (control) =>
        Attempts.attempt(policy, call, call.timeout, (timeout) => next({ timeout }), control)
      )
    )
  }
  return Interceptor.client((call, next) =>
    Effect.withFiber((fiber) => {
      const outgoing = fiber.getRef(Metadata.Outgoing)
      const known = call.options.metadata?.[keyName] || outgoing[keyName]
      const metadata = { [keyName]: known || newIdempotencyKey() }
      const safe = { ...call, idempotent: true }
      const once = (timeout: number) => next({ timeout, metadata })
      return Attempts.attempt(policy, safe, call.timeout, once, fiber.getRef(CurrentControl))
    })
  )
}

/**
 * Options of retries of streams.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamOptions extends Options {
  /**
   * Whether sends on an open stream are retried, by the same options, within the timeout of the send. A message that is
   * sent while another one is retried may arrive before it. Default: `true`.
   */
  readonly sends?: boolean | undefined
}

type AnyStream = BidiStream<Interceptor.Message, Interceptor.Message>

/** Opens in a scope of its own: a failed attempt leaves no finalizer in the scope of the caller. */
const inOwnScope = <A, E>(open: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      Effect.flatMap(Effect.scope, (scope) => Scope.fork(scope)),
      (own) => Effect.onError(restore(Scope.provide(open, own)), (cause) => Scope.close(own, Exit.failCause(cause)))
    )
  )

/** Returns the same stream with a `send` that retries. */
const withRetriedSends = (
  given: AnyStream,
  policy: Attempts.Policy,
  call: Interceptor.ClientStreamCall,
  control: CallControl
): AnyStream => {
  const send = (message: Interceptor.Message, options?: SendOptions): Effect.Effect<void, PsrpcError> =>
    Effect.suspend(() => {
      let time: number
      try {
        time = options?.timeout === undefined ? call.sendTimeout : millisOf("timeout", options.timeout)
      } catch {
        // the send fails with a description of the invalid timeout
        return given.send(message, options)
      }
      const once = (timeout: number): Effect.Effect<void, PsrpcError> => given.send(message, { ...options, timeout })
      return Attempts.attempt(policy, call, time, once, control, given.closed)
    })
  return { ...given, send }
}

/**
 * Makes an interceptor that retries the opening of streams, and the sends on them. A send without an acknowledgement in time
 * may have arrived: it is retried only if the method is idempotent. A closed stream is not opened again. Throws a
 * `TypeError` for invalid options.
 *
 * @category constructors
 * @since 0.1.0
 */
export const stream = (
  options: StreamOptions = {}
): Interceptor.Interceptor<readonly [Wrap<"clientStream", never, never>]> => {
  const policy = policyOf(options)
  return Interceptor.clientStream((call, next) =>
    Effect.flatMap(CurrentControl, (control) => {
      // the sends have the time of the call, not that of the attempt that opened the stream
      const { sendTimeout, timeout } = call
      const open = (timeout: number) => inOwnScope(next({ timeout, sendTimeout }))
      const opened = Attempts.attempt(policy, call, timeout, open, control)
      return options.sends === false
        ? opened
        : Effect.map(opened, (given) => withRetriedSends(given, policy, call, control))
    })
  )
}
