/**
 * The message bus over Redis publish/subscribe, byte for byte what Go's psrpc does.
 *
 * One connection publishes and one subscribes, however many channels there are. Both are connected again for as long as
 * the Layer lives, and subscriptions are restored.
 *
 * | | |
 * | --- | --- |
 * | a message that is published | reaches each receiver at most once; while a connection is down it is held until it expires |
 * | a message that nobody received, just after a connection came back | is sent again until somebody does, see `make` |
 * | a subscription | has been acknowledged by Redis when `subscribe` succeeds |
 * | a message of a queue | is handled by one member: the one whose process gets the lock `SET base64(sha256(message)) 1 EX 5 NX` |
 * | a lock that cannot be asked for in 5 seconds, or whose answer is lost | the message is dropped, counted and logged |
 * | a member of a queue that leaves | first handles what its process has got, or is about to get, the lock of |
 *
 * **Example** (A bus for the whole program)
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
import { Config, type Duration, Effect, Layer, type Metric, type Redacted, type Scope } from "effect"
import type { RedisOptions as IoRedisOptions } from "ioredis"
import { makeBus } from "./internal/bus.ts"
import * as internal from "./internal/clients.ts"
import { open, ready } from "./internal/connection.ts"
import { unlockedMessages as unlocked } from "./internal/receiver.ts"
import { BusRuntime, Limits } from "@effect-psrpc/core/broker"
import * as settings from "./internal/settings.ts"

export {
  defaultCloseTimeout,
  defaultConnectTimeout,
  defaultHeartbeat,
  defaultMaxBufferedBytes,
  defaultMaxBufferedMessages,
  defaultMaxPayload
} from "@effect-psrpc/core/broker/Limits"

/**
 * Messages of queues that were dropped because their lock could not be asked for, or its answer did not come: counted in
 * `psrpc_messages_dropped` with the reason `unlocked`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const unlockedMessages: Metric.Metric<number, Metric.CounterState<number>> = unlocked

/**
 * Options of ioredis, without those that the bus sets itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface RedisOptions extends Omit<
  IoRedisOptions,
  | "autoPipeliningIgnoredCommands"
  | "autoResendUnfulfilledCommands"
  | "autoResubscribe"
  | "commandTimeout"
  | "connectTimeout"
  | "enableAutoPipelining"
  | "enableOfflineQueue"
  | "keyPrefix"
  | "lazyConnect"
  | "maxRetriesPerRequest"
  | "monitor"
  | "offlineQueue"
  | "replyMapping"
  | "retryStrategy"
  | "socketTimeout"
> {}

/**
 * What every bus has a bound for.
 *
 * @category models
 * @since 0.1.0
 */
export interface LimitOptions extends Limits.LimitOptions {
  /**
   * Maximum size of a message in bytes. A larger one fails with `ResourceExhausted`, reason `too_large`. Redis closes the
   * connection of a subscriber that has 32 MiB unread, or 8 MiB for a minute (`client-output-buffer-limit pubsub`).
   * Default: 8 MiB.
   */
  readonly maxPayload?: number | undefined
}

/**
 * Options of a bus with connections of its own.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends LimitOptions {
  /**
   * `redis://[user[:password]@]host[:port][/db]`, or `rediss://` for TLS. Default: `redis://127.0.0.1:6379`, unless
   * `redis` has an address.
   */
  readonly url?: string | Redacted.Redacted<string> | undefined
  /** More options for ioredis, of TLS or Sentinel for instance. What `url` says wins. */
  readonly redis?: RedisOptions | undefined
  /**
   * How long to wait before connecting again: from `minDelay`, twice as long each time, up to `maxDelay`, less up to a
   * half at random, for ever. For twice `maxDelay` after a connection came back, a message that nobody received is sent
   * again: other processes may not have subscribed again yet. Default: 50 milliseconds and 2 seconds.
   */
  readonly reconnect?: Limits.ReconnectOptions | undefined
  /**
   * How long a connection may leave a command unanswered before it is given up and made anew; each is asked this often.
   * With `Infinity` nothing is asked, and a connection that is silently dead is noticed when the system gives it up.
   * Default: 10 seconds.
   */
  readonly heartbeat?: Duration.Input | undefined
}

/**
 * A client of ioredis, of any version, single, Sentinel or Cluster.
 *
 * @category models
 * @since 0.1.0
 */
export interface Client extends internal.Client {}

/**
 * Options of a bus on clients that stay yours.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientsOptions extends LimitOptions {
  /**
   * Sends PUBLISH, and SET for the locks of queues. Must have `autoResendUnfulfilledCommands: false` (unless it is a
   * Cluster), no `keyPrefix` and no `enableAutoPipelining`.
   */
  readonly publisher: Client
  /** Subscribes; no other commands should be sent on it. May be the publisher where that is a Cluster. */
  readonly subscriber: Client
  /**
   * Whether nobody else sends commands on the publisher. If so, all of a turn of the event loop leaves as one buffer.
   * Without effect on a Cluster. Default: `false`.
   */
  readonly exclusive?: boolean | undefined
}

/**
 * Makes a bus with two connections of its own, which are closed with the scope.
 *
 * While one of the two is down, or not all subscriptions are acknowledged again, what is published is held. For a while
 * after that (see `reconnect`) a PUBLISH that nobody received is no proof that nobody serves, and is sent again every 50
 * milliseconds: until it has a receiver, is not wanted any more, or is about to expire.
 *
 * Fails within `connectTimeout`: `Unavailable` where Redis cannot be reached, `Unauthenticated` or `PermissionDenied`
 * where it refuses the user, `InvalidArgument` where an option is wrong. No error and no line in the log has the
 * password.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<MessageBus.MessageBus["Service"], PsrpcError.PsrpcError, Scope.Scope> {
  const bounds = yield* settings.check.limits(options)
  const redis = yield* settings.connectionOptions(options.url, options.redis ?? {})
  const runtime = yield* BusRuntime.make
  const peer = internal.peerOf(redis)
  const heartbeat = yield* settings.check.millis("heartbeat", options.heartbeat ?? Limits.defaultHeartbeat)
  const own = {
    redis,
    connectTimeout: bounds.connectTimeout,
    heartbeat: heartbeat === Infinity ? undefined : heartbeat,
    ...(yield* settings.check.delays(options.reconnect))
  }
  const opened = open(own, peer, runtime)
  const [publisher, subscriber] = yield* Effect.all([opened, opened], { concurrency: 2 })
  const how = { own: true, exclusive: true, heartbeat: own.heartbeat, grace: Limits.gracePeriodFor(own.maxDelay) }
  return yield* makeBus({ ...bounds, ...how, publisher, subscriber }, peer, runtime)
})

/**
 * Makes a bus on clients of ioredis that stay yours: it connects them where nobody has, and neither closes them nor
 * changes their options. They may be of different kinds.
 *
 * Fails with `FailedPrecondition` where a client would break a promise of the bus, and says which option to set.
 * Reconnecting is theirs to do: see their `retryStrategy`. For 4 seconds after one of them came back, a message that
 * nobody received is sent again.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeClients = Effect.fnUntraced(function* (
  options: ClientsOptions
): Effect.fn.Return<MessageBus.MessageBus["Service"], PsrpcError.PsrpcError, Scope.Scope> {
  const publisher = options.publisher as unknown as internal.AnyClient
  const subscriber = options.subscriber as unknown as internal.AnyClient
  const refusal = internal.check(publisher, subscriber)
  if (refusal !== undefined) return yield* refusal
  const bounds = yield* settings.check.limits(options)
  const runtime = yield* BusRuntime.make
  for (const client of new Set([publisher, subscriber])) {
    yield* ready(client, internal.peerOfClient(client), bounds.connectTimeout)
  }
  const peer = internal.peerOfClient(publisher)
  const exclusive = options.exclusive === true
  const how = { own: false, exclusive, heartbeat: undefined, grace: Limits.defaultGracePeriod }
  return yield* makeBus({ ...bounds, ...how, publisher, subscriber }, peer, runtime)
})

/**
 * The bus as a Layer, with two connections of its own; see `make`. Call it once and share the Layer: each call makes a
 * bus, and the same Layer value provided twice is one.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<MessageBus.MessageBus, PsrpcError.PsrpcError> =>
  Layer.effect(MessageBus.MessageBus, make(options))

/**
 * As `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<MessageBus.MessageBus, PsrpcError.PsrpcError | Config.ConfigError> =>
  Layer.effect(MessageBus.MessageBus, Effect.flatMap(Config.unwrap(options), make))

/**
 * The bus as a Layer, on clients of ioredis that stay yours; see `makeClients`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerClients = (options: ClientsOptions): Layer.Layer<MessageBus.MessageBus, PsrpcError.PsrpcError> =>
  Layer.effect(MessageBus.MessageBus, makeClients(options))
