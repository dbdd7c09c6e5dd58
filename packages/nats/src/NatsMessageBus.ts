/**
 * The message bus over NATS, on the subjects and in the queue groups of Go's psrpc.
 *
 * One connection, however many channels there are: it is connected again for as long as the Layer lives, and
 * subscriptions are restored.
 *
 * | | |
 * | --- | --- |
 * | a message that is published | reaches each receiver at most once; while the connection is down it is held until it expires |
 * | a message to a subject that nobody listens on | is told at once that it has no receivers |
 * | the same just after the connection came back | is sent again for a while, see `make` |
 * | a subscription | is known to the server when `subscribe` succeeds |
 * | a message of a queue | goes to one member of the subject's group, who hands it on where it has no route for it |
 * | a member of a queue that leaves | first handles what the server has given it |
 *
 * **Example** (A bus for the whole program)
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
import { Config, type Duration, Effect, Layer, type Metric, type Redacted, type Scope } from "effect"
import { makeBus } from "./internal/bus.ts"
import { makeClosing } from "./internal/closing.ts"
import * as internal from "./internal/connection.ts"
import { handedOnMessages as handedOn } from "./internal/handOn.ts"
import { open } from "./internal/open.ts"
import { Peer } from "./internal/peer.ts"
import { ReconnectDelay } from "./internal/reconnectDelay.ts"
import { BusRuntime, Limits } from "@effect-psrpc/core/broker"
import * as settings from "./internal/settings.ts"
import { serverOptions } from "./internal/serverOptions.ts"
import { unroutedMessages as unrouted } from "./internal/unrouted.ts"

export {
  defaultCloseTimeout,
  defaultConnectTimeout,
  defaultHeartbeat,
  defaultMaxBufferedBytes,
  defaultMaxBufferedMessages,
  defaultMaxPayload
} from "@effect-psrpc/core/broker/Limits"

/**
 * Messages of queues that this process got without having a route for them, and has handed on to another member:
 * counted in `psrpc_messages_handed_on`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const handedOnMessages: Metric.Counter<number> = handedOn

/**
 * Messages of queues that came to nothing because no member has a route for them: counted in `psrpc_messages_dropped`
 * with the reason `no_route`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const unroutedMessages: Metric.Metric<number, Metric.CounterState<number>> = unrouted

/**
 * Certificates and keys, as text or as paths of files; `{}` asks for TLS and trusts what Node trusts.
 *
 * @category models
 * @since 0.1.0
 */
export interface TlsOptions {
  /** Whom to trust, as PEM. */
  readonly ca?: string | undefined
  readonly caFile?: string | undefined
  /** Who the client is, as PEM, for servers that verify their clients. */
  readonly cert?: string | undefined
  readonly certFile?: string | undefined
  /** The certificate's key, as PEM. */
  readonly key?: string | undefined
  readonly keyFile?: string | undefined
  /** Whether TLS comes before everything else; servers need `handshake_first`. Default: `false`. */
  readonly handshakeFirst?: boolean | undefined
}

/**
 * Options of nats.js, without those that the bus sets itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface NatsOptions {
  /** Says who the client is each time it connects: one of nats.js, `jwtAuthenticator` for instance, or of your own. */
  readonly authenticator?: Authenticator | ReadonlyArray<Authenticator> | undefined
  /** What the subjects begin with where NATS tells that nobody listens. Default: `_INBOX`. */
  readonly inboxPrefix?: string | undefined
  /** How often each server is tried before the connection is given up for good; `-1` is for ever. Default: `-1`. */
  readonly maxReconnectAttempts?: number | undefined
  /** Whether the servers are tried in the order given. Default: `false`. */
  readonly noRandomize?: boolean | undefined
  /** Whether servers of the cluster that are not in `servers` stay unknown. Default: `false`. */
  readonly ignoreClusterUpdates?: boolean | undefined
  /** Whether a host with several addresses is tried at each of them. Default: `true`. */
  readonly resolve?: boolean | undefined
}

/**
 * Tells the server who the client is, given the server's challenge where it has one.
 *
 * @category models
 * @since 0.1.0
 */
export type Authenticator = (nonce?: string) => object | void

/**
 * What every bus has a bound for.
 *
 * @category models
 * @since 0.1.0
 */
export interface LimitOptions extends Limits.LimitOptions {
  /**
   * The largest message in bytes; a larger one is `ResourceExhausted`, reason `too_large`, and so is one that is larger
   * than the server's `max_payload`. Default: 8 MiB.
   */
  readonly maxPayload?: number | undefined
}

/**
 * Options of a bus with a connection of its own.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends LimitOptions {
  /**
   * One server or several of a cluster: `nats://[user:password@]host[:port]`, `nats://token@host[:port]`, with `tls://`
   * for TLS, or `host[:port]`; a text may have several, with commas between them. What URLs say of user, password and
   * token must be the same in all, and wins. Default: `nats://127.0.0.1:4222`.
   */
  readonly servers?: string | Redacted.Redacted<string> | ReadonlyArray<string | Redacted.Redacted<string>> | undefined
  /** What the server's monitoring calls the connection. Default: none. */
  readonly name?: string | undefined
  readonly user?: string | undefined
  readonly password?: string | Redacted.Redacted<string> | undefined
  readonly token?: string | Redacted.Redacted<string> | undefined
  /** The text of a `.creds` file: the JWT of a user and its seed. */
  readonly credentials?: string | Redacted.Redacted<string> | undefined
  /** The seed of a user that the server knows by its nkey. */
  readonly nkey?: string | Redacted.Redacted<string> | undefined
  /** Certificates and keys. Without it TLS is used where the server asks for it. */
  readonly tls?: TlsOptions | undefined
  /** More options for nats.js. */
  readonly nats?: NatsOptions | undefined
  /**
   * How long to wait before connecting again: from `minDelay`, twice as long each time, up to `maxDelay`, less up to a
   * half at random, for ever unless `nats` has `maxReconnectAttempts`. For twice `maxDelay` after the connection came
   * back, a message that nobody has heard is sent again: other processes may not have subscribed again yet. Default: 50
   * milliseconds and 2 seconds.
   */
  readonly reconnect?: Limits.ReconnectOptions | undefined
  /**
   * How long a connection may leave a PING unanswered before it is given up and made anew; it is asked this often. With
   * `Infinity` nothing is asked, and a connection that is silently dead is noticed when the system gives it up. Default:
   * 10 seconds.
   */
  readonly heartbeat?: Duration.Input | undefined
}

/**
 * What the bus needs of a connection: one of `nats` 2 or of `@nats-io/transport-node` 3, for instance.
 *
 * @category models
 * @since 0.1.0
 */
export interface Connection extends internal.Connection {}

/**
 * Options of a bus on a connection that stays yours.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectionOptions extends LimitOptions {
  /** Others may use it too. Must not have `noEcho: true`. */
  readonly connection: Connection
  /**
   * What the subjects begin with where NATS tells that nobody listens; a user who may not subscribe to everything needs
   * permission for `<inboxPrefix>.>`. Default: `_INBOX`.
   */
  readonly inboxPrefix?: string | undefined
}

const defaultInboxPrefix = "_INBOX"

/**
 * Makes a bus with a connection of its own, which is drained and closed with the scope.
 *
 * While the connection is down, what is published is held. For a while after that (see `reconnect`) that nobody listens
 * to a message is no proof that nobody serves, and it is sent again every 50 milliseconds: until somebody listens, it is
 * not wanted any more, or is about to expire. In a cluster the same is done for a quarter of a second at any time, since
 * its servers learn of each other's subscriptions a moment late.
 *
 * Fails within `connectTimeout`: `Unavailable` where NATS cannot be reached, `Unauthenticated` where it refuses the user,
 * `InvalidArgument` where an option is wrong. No error and no line in the log has a password, token or seed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<MessageBus.MessageBus["Service"], PsrpcError.PsrpcError, Scope.Scope> {
  const bounds = yield* settings.check.limits(options)
  const { address, nats, secrets } = yield* serverOptions(options)
  const runtime = yield* BusRuntime.make
  const peer = new Peer(address, secrets)
  const closing = makeClosing(runtime, bounds.closeTimeout)
  const delays = yield* settings.check.delays(options.reconnect)
  const reconnectDelay = new ReconnectDelay(delays)
  const heartbeat = yield* settings.check.millis("heartbeat", options.heartbeat ?? Limits.defaultHeartbeat)
  const { connectTimeout } = bounds
  const connection = yield* open({ nats, connectTimeout, heartbeat }, peer, reconnectDelay, closing)
  const inboxPrefix = options.nats?.inboxPrefix ?? defaultInboxPrefix
  const how = { grace: Limits.gracePeriodFor(delays.maxDelay), inboxPrefix, listener: reconnectDelay }
  return yield* makeBus(connection, { ...bounds, ...how }, peer, runtime, closing)
})

/**
 * Makes a bus on a connection that stays yours: it is neither closed nor drained, and what the bus has subscribed to is
 * unsubscribed with the scope.
 *
 * Fails with `FailedPrecondition` where the connection is closed, or would not let two parts of one process talk
 * (`noEcho`). Reconnecting is the connection's to do: see its `maxReconnectAttempts`, which is 10 unless it is given. For 4
 * seconds after it came back, a message that nobody has heard is sent again.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeConnection = Effect.fnUntraced(function* (
  options: ConnectionOptions
): Effect.fn.Return<MessageBus.MessageBus["Service"], PsrpcError.PsrpcError, Scope.Scope> {
  const { connection, inboxPrefix = defaultInboxPrefix } = options
  const refusal = internal.refusalOf(connection)
  if (refusal !== undefined) return yield* refusal
  const bounds = yield* settings.check.limits(options)
  const runtime = yield* BusRuntime.make
  const peer = new Peer(connection.getServer(), [])
  const closing = makeClosing(runtime, bounds.closeTimeout)
  const how = { grace: Limits.defaultGracePeriod, inboxPrefix }
  return yield* makeBus(connection, { ...bounds, ...how }, peer, runtime, closing)
})

/**
 * The bus as a Layer, with a connection of its own; see `make`. Call it once and share the Layer: each call makes a bus,
 * and the same Layer value provided twice is one.
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
 * The bus as a Layer, on a connection that stays yours; see `makeConnection`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConnection = (
  options: ConnectionOptions
): Layer.Layer<MessageBus.MessageBus, PsrpcError.PsrpcError> =>
  Layer.effect(MessageBus.MessageBus, makeConnection(options))
