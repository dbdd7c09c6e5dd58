/**
 * The message bus over Redis publish/subscribe. Channels, messages and locks are those of Go's psrpc, byte for byte.
 *
 * A bus has one connection that publishes and one that subscribes, whatever the number of channels. Both are opened again
 * whenever they are lost, until the Layer is released, and subscriptions are restored.
 *
 * | | |
 * | --- | --- |
 * | published message | reaches each receiver at most once; while a connection is down it is buffered until it expires |
 * | message without receivers just after a reconnect | is sent again for a grace period, see `make` |
 * | subscription | is acknowledged by Redis when `subscribe` succeeds |
 * | message of a queue | is handled by one member: the process that gets the lock `SET base64(sha256(message)) 1 EX 5 NX` |
 * | lock that cannot be requested within 5 seconds, or whose reply is lost | the message is dropped, counted and logged |
 * | member that leaves a queue | first handles the messages whose lock its process has, or has requested |
 *
 * **Example** (One bus for the whole program)
 *
 * ```ts
 * import { RedisMessageBus } from "@effect-psrpc/redis"
 * import { Config } from "effect"
 *
 * const Bus = RedisMessageBus.layerConfig({ url: Config.Redacted("REDIS_URL") })
 * ```
 *
 * @since 0.1.0
 */
import { MessageBus, type PsrpcError } from "@effect-psrpc/core"
import { Config, Effect, Layer, type Metric, type Scope } from "effect"
import * as internal from "./internal/make.ts"
import type { ClientsOptions, Options } from "./internal/options/optionTypes.ts"
import { unlockedMessages as unlocked } from "./internal/receiving/receiver.ts"

export {
  defaultCloseTimeout,
  defaultConnectTimeout,
  defaultHeartbeat,
  defaultMaxBufferedBytes,
  defaultMaxBufferedMessages,
  defaultMaxPayload
} from "@effect-psrpc/core/broker/Limits"
export type { Client } from "./internal/connection/clients.ts"
export type { ClientsOptions, LimitOptions, Options, RedisOptions } from "./internal/options/optionTypes.ts"

/**
 * Counts messages of queues that were dropped because their lock could not be requested, or Redis' reply was lost:
 * `psrpc_messages_dropped` with the reason `unlocked`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const unlockedMessages: Metric.Metric<number, Metric.CounterState<number>> = unlocked

/**
 * Makes a bus that opens its own connections. They are closed with the scope.
 *
 * While a connection is down, or a subscription is not acknowledged again, published messages are buffered. In the grace
 * period after that, twice `reconnect.maxDelay`, a message without receivers is sent again every 50 milliseconds: other
 * processes may not have subscribed again yet. It stops when the message has a receiver, its publisher is cancelled, or
 * it is about to expire.
 *
 * Fails within `connectTimeout`: with `Unavailable` if Redis cannot be reached, with `Unauthenticated` or
 * `PermissionDenied` if Redis refuses the user, and with `InvalidArgument` if an option is wrong. Errors and log lines
 * contain no password.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: (
  options?: Options
) => Effect.Effect<MessageBus.MessageBus["Service"], PsrpcError.PsrpcError, Scope.Scope> = internal.make

/**
 * Makes a bus on ioredis clients of the caller. The bus connects them if necessary; it does not close them or change their
 * options. Publisher and subscriber may be of different kinds: single, Sentinel or Cluster.
 *
 * Fails with `FailedPrecondition` if an option of a client would break a promise of the bus; the error names the option.
 * The clients reconnect by themselves, see their `retryStrategy`. The grace period after a reconnect is 4 seconds.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeClients: (
  options: ClientsOptions
) => Effect.Effect<MessageBus.MessageBus["Service"], PsrpcError.PsrpcError, Scope.Scope> = internal.makeClients

/**
 * Provides a bus that opens its own connections; see `make`. Each call makes a Layer with its own bus: call it once and
 * share the Layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<MessageBus.MessageBus, PsrpcError.PsrpcError> =>
  Layer.effect(MessageBus.MessageBus, make(options))

/**
 * Provides a bus that opens its own connections, with options from the configuration; see `layer`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<MessageBus.MessageBus, PsrpcError.PsrpcError | Config.ConfigError> =>
  Layer.effect(MessageBus.MessageBus, Effect.flatMap(Config.unwrap(options), make))

/**
 * Provides a bus on ioredis clients of the caller; see `makeClients`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerClients = (options: ClientsOptions): Layer.Layer<MessageBus.MessageBus, PsrpcError.PsrpcError> =>
  Layer.effect(MessageBus.MessageBus, makeClients(options))
