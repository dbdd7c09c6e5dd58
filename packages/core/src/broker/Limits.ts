/**
 * The options that every bus has, their defaults and their checks. A wrong option fails with `InvalidArgument`, whose
 * text names the bus and the option.
 *
 * **Example** (The options of a bus)
 *
 * ```ts
 * import { Limits } from "@effect-psrpc/core/broker"
 * import { type Duration, Effect } from "effect"
 *
 * interface Options extends Limits.LimitOptions {
 *   readonly heartbeat?: Duration.Input | undefined
 * }
 *
 * const check = Limits.checks("MyMessageBus")
 *
 * const make = Effect.fnUntraced(function*(options: Options) {
 *   const limits = yield* check.limits(options)
 *   const heartbeat = yield* check.millis("heartbeat", options.heartbeat ?? Limits.defaultHeartbeat)
 *   return { ...limits, heartbeat }
 * })
 * ```
 *
 * @since 0.1.0
 */
import { type Duration, Effect } from "effect"
import { checked } from "../internal/errors/checks.ts"
import { invalidArgument } from "../internal/errors/invalidArgument.ts"
import { countOf } from "../internal/support/count.ts"
import { positiveMillisOf } from "../internal/time/millis.ts"
import type * as PsrpcError from "../PsrpcError.ts"

/**
 * Default connect timeout: 5 seconds.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultConnectTimeout: Duration.Input = "5 seconds"

/**
 * Default close timeout: 2 seconds.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultCloseTimeout: Duration.Input = "2 seconds"

/**
 * Default heartbeat interval: 10 seconds.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultHeartbeat: Duration.Input = "10 seconds"

/**
 * Default maximum size of a message: 8 MiB.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultMaxPayload = 8 * 1024 * 1024

/**
 * Default maximum number of buffered messages: 10,000.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultMaxBufferedMessages = 10_000

/**
 * Default maximum size of all buffered messages together: 16 MiB.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultMaxBufferedBytes = 16 * 1024 * 1024

/**
 * Default grace period after a reconnect, in milliseconds: 4 seconds. For buses on connections that are not their own,
 * whose reconnect delays are not known.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultGracePeriod = 4000

/**
 * Returns the grace period after a reconnect, in milliseconds: twice the longest reconnect delay, which other processes
 * may need to reconnect and subscribe again.
 *
 * @category accessors
 * @since 0.1.0
 */
export const gracePeriodFor = (maxDelay: number): number => 2 * maxDelay

/**
 * Longest delay of a JavaScript timer, in milliseconds: 2³¹ − 1, almost 25 days. Timers with a longer delay fire at once.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxTimerDelay: number = 2 ** 31 - 1

/**
 * Options that every bus has.
 *
 * @category models
 * @since 0.1.0
 */
export interface LimitOptions {
  /**
   * Maximum time until the bus is connected, and until the broker acknowledges a `subscribe`; `Infinity` for no limit.
   * Default: 5 seconds.
   */
  readonly connectTimeout?: Duration.Input | undefined
  /** Maximum size of a message in bytes. A larger one fails with `ResourceExhausted`, reason `too_large`. Default: 8 MiB. */
  readonly maxPayload?: number | undefined
  /**
   * Maximum number of messages that are buffered while the connection is down, or while the broker does not read. Further
   * messages fail with `ResourceExhausted`, reason `overflow`. Default: 10,000.
   */
  readonly maxBufferedMessages?: number | undefined
  /** Maximum size in bytes of all buffered messages together. Default: 16 MiB. */
  readonly maxBufferedBytes?: number | undefined
  /**
   * Maximum time that closing the bus, or a subscription, waits for the broker; `Infinity` for no limit. Default: 2
   * seconds.
   */
  readonly closeTimeout?: Duration.Input | undefined
}

/**
 * Delays between attempts to reconnect.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReconnectOptions {
  /** The first delay. Each further one is twice as long. Default: 50 milliseconds. */
  readonly minDelay?: Duration.Input | undefined
  /** The longest delay. Default: 2 seconds. */
  readonly maxDelay?: Duration.Input | undefined
}

/**
 * Checked reconnect delays, in milliseconds that a timer can wait.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReconnectDelays {
  readonly minDelay: number
  readonly maxDelay: number
}

/**
 * Checked limits, with their defaults.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limits {
  /** Milliseconds, or `Infinity`. */
  readonly connectTimeout: number
  /** Milliseconds, or `Infinity`. */
  readonly closeTimeout: number
  /** Bytes. */
  readonly maxPayload: number
  readonly maxBufferedMessages: number
  /** Bytes. */
  readonly maxBufferedBytes: number
}

/**
 * The option checks of one bus.
 *
 * @category models
 * @since 0.1.0
 */
export interface Checks {
  /** Creates the error of a wrong option. */
  readonly invalid: (message: string) => PsrpcError.InvalidArgument
  /** Checks a whole number that is at least `least`, or `Infinity`. */
  readonly count: (name: string, value: number, least: number) => Effect.Effect<number, PsrpcError.InvalidArgument>
  /** Checks a duration above 0. Succeeds with milliseconds: `Infinity`, or at most `maxTimerDelay`. */
  readonly millis: (name: string, value: Duration.Input) => Effect.Effect<number, PsrpcError.InvalidArgument>
  /** Checks the limits and adds their defaults. */
  readonly limits: (options: LimitOptions) => Effect.Effect<Limits, PsrpcError.InvalidArgument>
  /** Checks the option `reconnect` and adds its defaults. */
  readonly delays: (options: ReconnectOptions | undefined) => Effect.Effect<ReconnectDelays, PsrpcError.InvalidArgument>
}

/**
 * Creates the option checks of a bus. `bus` is the name that error texts begin with.
 *
 * @category constructors
 * @since 0.1.0
 */
export const checks = (bus: string): Checks => {
  const invalid: Checks["invalid"] = (message) => invalidArgument(`${bus}: ${message}`)
  const count: Checks["count"] = (name, value, least) =>
    checked(bus, () => (value === Infinity ? value : countOf(name, value, least)))
  const millis: Checks["millis"] = (name, value) =>
    checked(bus, () => {
      const found = positiveMillisOf(name, value)
      return found === Infinity ? found : Math.min(found, maxTimerDelay)
    })
  return {
    invalid,
    count,
    millis,
    limits: (options) =>
      Effect.all({
        connectTimeout: millis("connectTimeout", options.connectTimeout ?? defaultConnectTimeout),
        closeTimeout: millis("closeTimeout", options.closeTimeout ?? defaultCloseTimeout),
        maxPayload: count("maxPayload", options.maxPayload ?? defaultMaxPayload, 1),
        maxBufferedMessages: count("maxBufferedMessages", options.maxBufferedMessages ?? defaultMaxBufferedMessages, 0),
        maxBufferedBytes: count("maxBufferedBytes", options.maxBufferedBytes ?? defaultMaxBufferedBytes, 0)
      }),
    delays: (options) =>
      Effect.all({
        minDelay: millis("reconnect.minDelay", options?.minDelay ?? "50 millis"),
        maxDelay: Effect.map(millis("reconnect.maxDelay", options?.maxDelay ?? "2 seconds"), (delay) =>
          Math.min(maxTimerDelay, delay)
        )
      })
  }
}
