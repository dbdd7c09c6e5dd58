/**
 * The message bus over NATS, on the subjects and in the queue groups of Go's psrpc.
 *
 * A bus has one connection, whatever the number of channels. It is opened again whenever it is lost, until the Layer is
 * released, and subscriptions are restored.
 *
 * | | |
 * | --- | --- |
 * | published message | reaches each receiver at most once; while the connection is down it is buffered until it expires |
 * | message without listeners | is reported at once |
 * | message without listeners just after a reconnect | is sent again for a grace period, see `make` |
 * | subscription | is acknowledged by the server when `subscribe` succeeds |
 * | message of a queue | goes to one member of the subject's queue group, which forwards it if it has no route for it |
 * | member that leaves a queue | first handles the messages that the server has sent to it |
 *
 * **Example** (One bus for the whole program)
 *
 * ```ts
 * import { NatsMessageBus } from "@effect-psrpc/nats"
 * import { Config } from "effect"
 *
 * const Bus = NatsMessageBus.layerConfig({ servers: Config.String("NATS_URL"), token: Config.Redacted("NATS_TOKEN") })
 * ```
 *
 * @since 0.1.0
 */
import { MessageBus, type PsrpcError } from "@effect-psrpc/core"
import { Config, Effect, Layer, type Metric, type Scope } from "effect"
import { forwardedMessages as forwarded } from "./internal/forwarding/forwarder.ts"
import { unroutableMessages as unroutable } from "./internal/forwarding/unroutableMessages.ts"
import * as internal from "./internal/make.ts"
import type { ConnectionOptions, Options } from "./internal/options/optionTypes.ts"

export {
  defaultCloseTimeout,
  defaultConnectTimeout,
  defaultHeartbeat,
  defaultMaxBufferedBytes,
  defaultMaxBufferedMessages,
  defaultMaxPayload
} from "@effect-psrpc/core/broker/Limits"
export type { Connection } from "./internal/connection/natsConnection.ts"
export type {
  Authenticator,
  ConnectionOptions,
  LimitOptions,
  NatsOptions,
  Options,
  TlsOptions
} from "./internal/options/optionTypes.ts"

/**
 * Counts messages of queues that this process received without a route for them and forwarded to another member:
 * `psrpc_messages_forwarded`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const forwardedMessages: Metric.Counter<number> = forwarded

/**
 * Counts messages of queues that were dropped because no member has a route for them: `psrpc_messages_dropped` with the
 * reason `no_route`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const unroutableMessages: Metric.Metric<number, Metric.CounterState<number>> = unroutable

/**
 * Makes a bus that opens its own connection. It is drained and closed with the scope.
 *
 * While the connection is down, published messages are buffered. In the grace period after that, twice
 * `reconnect.maxDelay`, a message without listeners is sent again every 50 milliseconds: other processes may not have
 * subscribed again yet. It stops when the message has a listener, its publisher is cancelled, or it is about to expire.
 * In a cluster a message without listeners is always sent again for a quarter of a second, because its servers exchange
 * subscriptions with a delay.
 *
 * Fails within `connectTimeout`: with `Unavailable` if NATS cannot be reached, with `Unauthenticated` if NATS refuses the
 * user, and with `InvalidArgument` if an option is wrong. Errors and log lines contain no password, token or seed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: (
  options?: Options
) => Effect.Effect<MessageBus.MessageBus["Service"], PsrpcError.PsrpcError, Scope.Scope> = internal.make

/**
 * Makes a bus on a connection of the caller. The bus does not close or drain it, and removes its own subscriptions with
 * the scope.
 *
 * Fails with `FailedPrecondition` if the connection is closed, or if it does not deliver messages within the process
 * (`noEcho`). The connection reconnects by itself, see its `maxReconnectAttempts`, whose default is 10. The grace period
 * after a reconnect is 4 seconds.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeConnection: (
  options: ConnectionOptions
) => Effect.Effect<MessageBus.MessageBus["Service"], PsrpcError.PsrpcError, Scope.Scope> = internal.makeConnection

/**
 * Provides a bus that opens its own connection; see `make`. Each call makes a Layer with its own bus: call it once and
 * share the Layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<MessageBus.MessageBus, PsrpcError.PsrpcError> =>
  Layer.effect(MessageBus.MessageBus, make(options))

/**
 * Provides a bus that opens its own connection, with options from the configuration; see `layer`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<MessageBus.MessageBus, PsrpcError.PsrpcError | Config.ConfigError> =>
  Layer.effect(MessageBus.MessageBus, Effect.flatMap(Config.unwrap(options), make))

/**
 * Provides a bus on a connection of the caller; see `makeConnection`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConnection = (
  options: ConnectionOptions
): Layer.Layer<MessageBus.MessageBus, PsrpcError.PsrpcError> =>
  Layer.effect(MessageBus.MessageBus, makeConnection(options))
