/**
 * The bounds that every bus has, and how options are checked: what is wrong is an `InvalidArgument` that names the bus
 * and the option.
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
 *   const heartbeat = yield* check.millis("heartbeat", options.heartbeat ?? "10 seconds")
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
 * How long a bus may take to connect, and `subscribe` to be acknowledged, where nothing else is given: 5 seconds.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultConnectTimeout: Duration.Input = "5 seconds"

/**
 * How long closing a bus or a subscription may wait for the broker, where nothing else is given: 2 seconds.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultCloseTimeout: Duration.Input = "2 seconds"

/**
 * Default heartbeat interval, and the time in which a connection must answer a heartbeat: 10 seconds.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultHeartbeat: Duration.Input = "10 seconds"

/**
 * The largest message in bytes, where nothing else is given: 8 MiB.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultMaxPayload = 8 * 1024 * 1024

/**
 * How many messages are held while the connection is down, where nothing else is given: 10,000.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultMaxHeldMessages = 10_000

/**
 * How many bytes of messages are held while the connection is down, where nothing else is given: 16 MiB.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultMaxHeldBytes = 16 * 1024 * 1024

/**
 * How long after a connection came back a message that nobody has heard is sent again, in milliseconds, where the longest
 * delay before clients connect again is not known: 4 seconds, twice the longest delay of 2 seconds.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultGrace = 4000

/**
 * The same where that delay is known, in milliseconds: others may take twice as long as it to notice that the broker is
 * there.
 *
 * @category constants
 * @since 0.1.0
 */
export const graceOf = (maxDelay: number): number => 2 * maxDelay

/**
 * The longest time that timers of JavaScript can wait, in milliseconds: with a longer one they do not wait at all.
 *
 * @category constants
 * @since 0.1.0
 */
export const longest: number = 2 ** 31 - 1

/**
 * What every bus has a bound for.
 *
 * @category models
 * @since 0.1.0
 */
export interface LimitOptions {
  /** How long connecting may take, and a `subscribe` to be acknowledged; `Infinity` is for ever. Default: 5 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /** The largest message in bytes; a larger one is `ResourceExhausted`, reason `too_large`. Default: 8 MiB. */
  readonly maxPayload?: number | undefined
  /**
   * How many messages are held while the connection is down, or takes no more because the broker does not read; one more
   * is `ResourceExhausted`, reason `overflow`. Default: 10,000.
   */
  readonly maxHeldMessages?: number | undefined
  /** How many bytes of messages are held. Default: 16 MiB. */
  readonly maxHeldBytes?: number | undefined
  /** How long closing the bus or a subscription may wait for the broker. Default: 2 seconds. */
  readonly closeTimeout?: Duration.Input | undefined
}

/**
 * How long to wait before connecting again.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReconnectOptions {
  /** The first delay; each further one is twice as long. Default: 50 milliseconds. */
  readonly minDelay?: Duration.Input | undefined
  /** The longest delay. Default: 2 seconds. */
  readonly maxDelay?: Duration.Input | undefined
}

/**
 * The delays as numbers, in milliseconds that a timer can wait.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReconnectDelays {
  readonly minDelay: number
  readonly maxDelay: number
}

/**
 * The bounds as numbers.
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
  readonly maxHeldMessages: number
  /** Bytes. */
  readonly maxHeldBytes: number
}

/**
 * The checks of one bus.
 *
 * @category models
 * @since 0.1.0
 */
export interface Checks {
  /** What is told of an option that is wrong. */
  readonly invalid: (message: string) => PsrpcError.InvalidArgument
  /** A number of something, at least `least`. */
  readonly count: (name: string, value: number, least: number) => Effect.Effect<number, PsrpcError.InvalidArgument>
  /** A time above 0 in milliseconds, that of the longest timer at the most unless it is infinite. */
  readonly millis: (name: string, value: Duration.Input) => Effect.Effect<number, PsrpcError.InvalidArgument>
  /** The bounds, with their defaults. */
  readonly limits: (options: LimitOptions) => Effect.Effect<Limits, PsrpcError.InvalidArgument>
  /** The delays of `reconnect`, with their defaults. */
  readonly delays: (options: ReconnectOptions | undefined) => Effect.Effect<ReconnectDelays, PsrpcError.InvalidArgument>
}

/**
 * Makes the checks of a bus, by its name.
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
      return found === Infinity ? found : Math.min(found, longest)
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
        maxHeldMessages: count("maxHeldMessages", options.maxHeldMessages ?? defaultMaxHeldMessages, 0),
        maxHeldBytes: count("maxHeldBytes", options.maxHeldBytes ?? defaultMaxHeldBytes, 0)
      }),
    delays: (options) =>
      Effect.all({
        minDelay: millis("reconnect.minDelay", options?.minDelay ?? "50 millis"),
        maxDelay: Effect.map(millis("reconnect.maxDelay", options?.maxDelay ?? "2 seconds"), (delay) =>
          Math.min(longest, delay)
        )
      })
  }
}
