/**
 * Trying again: calls, openings of streams and their sends, where that can do no harm.
 *
 * A failure after which no handler can have run (`mayHaveRun` is false) may be tried again with any method. Where it is not
 * known, after a timeout above all, it may only be tried again with a method that is defined to be `idempotent`, or with an
 * idempotency key, by which a server that keeps a {@link window} answers the second request with what it answered the
 * first.
 *
 * All attempts together take no longer than the call may: its timeout, and its caller's deadline, are those of the whole.
 * Their failure is that of the last one, whose `mayHaveRun` is true where that of any is.
 *
 * **Example** (A client that tries again)
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
 * // half a second for the first attempt, a second for the next, two for the one after that; five in all
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
import { closing } from "./internal/client/ownership.ts"
import { newIdempotencyKey } from "./internal/wire/id.ts"
import { make } from "./internal/interceptors/chain.ts"
import type { Single } from "./internal/calls/interceptorTypes.ts"
import type { Answering } from "./internal/interceptors/handlerSteps.ts"
import { millisOf } from "./internal/time/millis.ts"
import { countOf } from "./internal/support/count.ts"
import * as Attempts from "./internal/retry/attempts.ts"
import * as Window from "./internal/retry/idempotencyStore.ts"
import * as Metadata from "./Metadata.ts"
import type { PsrpcError } from "./PsrpcError.ts"

/**
 * How many attempts are made in all, where nobody says: 3.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultAttempts = 3

/**
 * When the next attempt is made, where nobody says: after 50 ms, then twice as long each time, at most a second; 20 % more
 * or less, at random, so that many clients do not come back at once.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultSchedule: Schedule.Schedule<Duration.Duration> = Schedule.exponential("50 millis").pipe(
  Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, Duration.seconds(1)))),
  Schedule.jittered
)

/**
 * Options of trying again.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How many attempts are made in all, the first included; `Infinity` for as long as there is time. Default: 3. */
  readonly attempts?: number | undefined
  /** When the next attempt is made, by the failures. Its end is the last attempt, too. Default: {@link defaultSchedule}. */
  readonly schedule?: Schedule.Schedule<unknown, Interceptor.Failure> | undefined
  /**
   * How long one attempt may take, more than 0. Default: as long as is left of the call's own time, so that a call that
   * times out is over.
   */
  readonly timeout?: Duration.Input | undefined
  /** How many times as long each attempt may take as the one before; 1 or more. Default: 1. */
  readonly timeoutGrowth?: number | undefined
  /** After which failures another attempt is made, in place of {@link isRetryable}, which is the default. */
  readonly while?: ((error: Interceptor.Failure, call: Interceptor.Info) => boolean) | undefined
}

/**
 * Options of trying calls again.
 *
 * @category models
 * @since 0.1.0
 */
export interface UnaryOptions extends Options {
  /**
   * Whether each call is sent with an idempotency key, the same in each attempt, and is tried again as if its method were
   * idempotent: where all servers of the method keep a {@link window}. A key that is in the call's metadata already, or in
   * `Metadata.with`'s, is used.
   * Default: `false`.
   */
  readonly idempotencyKey?: boolean | undefined
}

/**
 * After which failures another attempt is made, where nobody says: of the codes `unavailable`, `deadline_exceeded`,
 * `resource_exhausted` and `aborted`, those after which no handler can have run, and of an idempotent method all of them;
 * not where this end is closed, and not for a message that is too large.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isRetryable: (error: unknown, call: { readonly idempotent: boolean }) => boolean = Attempts.isRetryable

/** Throws a `TypeError` for what cannot be. */
const policyOf = (options: Options): Attempts.Policy => {
  const { attempts = defaultAttempts, schedule = defaultSchedule, timeout, timeoutGrowth: growth = 1 } = options
  if (!(growth >= 1 && growth < Infinity)) {
    throw new TypeError(`timeoutGrowth ${String(growth)}: expected a number of 1 or more`)
  }
  const first = timeout === undefined ? Infinity : millisOf("timeout", timeout)
  if (first === 0) throw new TypeError("timeout: expected more than 0")
  if (!Schedule.isSchedule(schedule)) throw new TypeError("schedule: expected a Schedule")
  return {
    attempts: attempts === Infinity ? attempts : countOf("attempts", attempts),
    schedule,
    timeout: first,
    growth,
    isRetryable: options.while ?? isRetryable
  }
}

/**
 * Tries calls with one answer again. Throws a `TypeError` for options that cannot be.
 *
 * Interceptors in front of it see one call, those behind it each attempt, which is a request of its own. The metric
 * `psrpc_retries` counts attempts after the first.
 *
 * @category constructors
 * @since 0.1.0
 */
export const unary = (options: UnaryOptions = {}): Single<"client", never, never> => {
  const policy = policyOf(options)
  if (options.idempotencyKey !== true) {
    return Interceptor.client((call, next) =>
      Attempts.attempt(policy, call, call.timeout, (timeout) => next({ timeout }), closing(call))
    )
  }
  return Interceptor.client((call, next) =>
    Effect.flatMap(Metadata.Outgoing, (outgoing) => {
      const known = call.options.metadata?.[idempotencyKey] || outgoing[idempotencyKey]
      const metadata = { [idempotencyKey]: known || newIdempotencyKey() }
      const safe = { ...call, idempotent: true }
      return Attempts.attempt(policy, safe, call.timeout, (timeout) => next({ timeout, metadata }), closing(call))
    })
  )
}

/**
 * Options of trying streams again.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamOptions extends Options {
  /**
   * Whether sends on an open stream are tried again, too: by the same options, within the timeout of the send. What is
   * sent meanwhile then comes before. Default: `true`.
   */
  readonly sends?: boolean | undefined
}

type AnyStream = BidiStream<Interceptor.Message, Interceptor.Message>

/** Opens in a scope of its own, which an opening that fails leaves nothing in. */
const inOwnScope = <A, E>(open: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      Effect.flatMap(Effect.scope, (scope) => Scope.fork(scope)),
      (own) => Effect.onError(restore(Scope.provide(open, own)), (cause) => Scope.close(own, Exit.failCause(cause)))
    )
  )

/** The same stream, whose sends are tried again. */
const sendingAgain = (given: AnyStream, policy: Attempts.Policy, call: Interceptor.ClientStreamCall): AnyStream => {
  const send = (message: Interceptor.Message, options?: SendOptions): Effect.Effect<void, PsrpcError> =>
    Effect.suspend(() => {
      let time: number
      try {
        time = options?.timeout === undefined ? call.sendTimeout : millisOf("timeout", options.timeout)
      } catch {
        // the send itself refuses it, and says why
        return given.send(message, options)
      }
      const once = (timeout: number): Effect.Effect<void, PsrpcError> => given.send(message, { ...options, timeout })
      return Attempts.attempt(policy, call, time, once, given.closed)
    })
  return { ...given, send }
}

/**
 * Tries the opening of streams again, and the sends on them. A send that was not acknowledged in time may have arrived: it
 * is sent again only where the method is idempotent. A stream that is closed stays closed. Throws a `TypeError` for options
 * that cannot be.
 *
 * @category constructors
 * @since 0.1.0
 */
export const stream = (options: StreamOptions = {}): Single<"clientStream", never, never> => {
  const policy = policyOf(options)
  return Interceptor.clientStream((call, next) => {
    // the sends have the call's own time, however little an attempt to open it had
    const { sendTimeout, timeout } = call
    const open = (timeout: number) => inOwnScope(next({ timeout, sendTimeout }))
    const opened = Attempts.attempt(policy, call, timeout, open, closing(call))
    return options.sends === false ? opened : Effect.map(opened, (given) => sendingAgain(given, policy, call))
  })
}

/**
 * The metadata that holds a call's idempotency key: `idempotency-key`. `Metadata.with({ [Retry.idempotencyKey]: orderId })`
 * makes one of what is the caller's own.
 *
 * @category constants
 * @since 0.1.0
 */
export const idempotencyKey: string = Window.keyName

/**
 * How many answers a {@link window} keeps, where nobody says.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultWindowSize = 10_000

/**
 * How long a {@link window} keeps an answer, where nobody says: 5 minutes.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultTimeToLive: Duration.Duration = Duration.minutes(5)

/**
 * Options of a window.
 *
 * @category models
 * @since 0.1.0
 */
export interface WindowOptions {
  /** How many answers are kept; the oldest go first. Default: 10,000. */
  readonly size?: number | undefined
  /** How long an answer is kept. Default: 5 minutes. */
  readonly timeToLive?: Duration.Input | undefined
  /**
   * Whose keys they are: calls of different scopes may have equal keys. A tenant, for instance, where callers choose keys
   * that others can guess. Default: one scope for all.
   */
  readonly scope?: ((call: Interceptor.ServerCall) => string) | undefined
  /**
   * Whether an answer that fails is kept, and given again. Default: unless its code says that it passes: `unavailable`,
   * `deadline_exceeded`, `resource_exhausted`, `aborted`, `canceled`. A defect and an interruption never are.
   */
  readonly remember?: ((error: Interceptor.Failure) => boolean) | undefined
  /**
   * Whether a handler with a key goes on where its caller has gone, or its deadline has passed, so that the next attempt
   * finds its answer and not half of its work. Calls that it makes still end at its deadline, and a server that closes
   * interrupts it at the end of its drain. Default: `true`.
   */
  readonly runToCompletion?: boolean | undefined
}

/**
 * Answers a request whose idempotency key has been seen with the first answer to it; while that is still being worked on,
 * waits for it. The handler runs once. A key that comes with another request, or has more than 255 characters, fails with
 * `invalid_argument`; a request without a key, or with an empty one, is none of its business. A key is one of its service,
 * method and topic; of a call that every server answers, each server has an answer of its own.
 *
 * It belongs behind interceptors that authenticate callers: it answers whoever gets there.
 *
 * The answers are in the memory of this process: with several servers of a method, the next attempt may reach one that has
 * not seen the key. Give each key a server, by topic or by affinity, or the handlers a store that they share. The value is
 * the window: servers that are given the same one share it. Throws a `TypeError` for options that cannot be.
 *
 * **Example** (An order that is placed once)
 *
 * ```ts
 * import { Client, Retry, Rpc, Server, Service } from "@effect-psrpc/core"
 * import { Effect, Schema } from "effect"
 *
 * class Orders extends Service.make("Orders", {
 *   place: Rpc.unary({ request: Schema.String, response: Schema.Int })
 * }) {}
 *
 * let last = 0
 * const OrdersLive = Server.layer(Orders, { place: () => Effect.sync(() => ++last) }, { interceptors: [Retry.window()] })
 *
 * const program = Effect.gen(function*() {
 *   const orders = yield* Client.make(Orders, { interceptors: [Retry.unary({ idempotencyKey: true })] })
 *   return yield* orders.place("tea")
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const window = (options: WindowOptions = {}): Single<"server", never, never> => {
  const { remember, runToCompletion = true, scope = () => "", timeToLive = defaultTimeToLive } = options
  const kept = new Window.Window({
    size: countOf("size", options.size ?? defaultWindowSize),
    timeToLive: millisOf("timeToLive", timeToLive),
    scope,
    remember: Window.remembering(remember),
    runToCompletion
  })
  const step = (each: Answering, next: (each: Answering) => ReturnType<Window.Window["around"]>) =>
    kept.around(each, () => next(each))
  return make([{ kind: "server", step }]) as never
}
