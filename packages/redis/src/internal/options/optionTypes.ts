import type { Limits } from "@effect-psrpc/core/broker"
import type { Duration, Redacted } from "effect"
import type { RedisOptions as IoRedisOptions } from "ioredis"
import type { Client } from "../connection/clients.ts"

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
 * The limits of a bus.
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
 * Options of a bus that opens its own connections.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends LimitOptions {
  /**
   * `redis://[user[:password]@]host[:port][/db]`, or `rediss://` for TLS. User and password are percent-encoded. Default:
   * `redis://127.0.0.1:6379`, unless `redis` has an address.
   */
  readonly url?: string | Redacted.Redacted<string> | undefined
  /** Further options of ioredis, for TLS or Sentinel for example. `url` takes precedence. */
  readonly redis?: RedisOptions | undefined
  /**
   * Delays between attempts to reconnect: `minDelay`, doubled with each attempt up to `maxDelay`, reduced at random by up
   * to one half, without a limit of attempts. The grace period after a reconnect is twice `maxDelay`. Default: 50
   * milliseconds and 2 seconds.
   */
  readonly reconnect?: Limits.ReconnectOptions | undefined
  /**
   * Interval at which each connection is checked with a PING, and the time in which it must reply to any command before
   * it is closed and opened again. `Infinity`: no checks; the bus notices a dead connection when the operating system
   * does. Default: 10 seconds.
   */
  readonly heartbeat?: Duration.Input | undefined
}

/**
 * Options of a bus on the caller's clients.
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
  /**
   * Subscribes. Send no other commands on it. May be the same client as `publisher` if that is a Cluster.
   */
  readonly subscriber: Client
  /**
   * Whether only the bus sends commands on `publisher`. If so, the commands of one turn of the event loop leave in one
   * write. Has no effect on a Cluster. Default: `false`.
   */
  readonly exclusive?: boolean | undefined
}
