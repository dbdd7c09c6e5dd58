import type { Limits } from "@effect-psrpc/core/broker"
import type { Duration, Redacted } from "effect"
import type { Connection } from "../connection/natsConnection.ts"

/**
 * Certificates and keys, as text or as paths of files. `{}` requires TLS with the certificate authorities that Node
 * trusts.
 *
 * @category models
 * @since 0.1.0
 */
export interface TlsOptions {
  /** Certificate authorities to trust, as PEM. */
  readonly ca?: string | undefined
  readonly caFile?: string | undefined
  /** The client's certificate, as PEM, for servers that verify their clients. */
  readonly cert?: string | undefined
  readonly certFile?: string | undefined
  /** The key of the certificate, as PEM. */
  readonly key?: string | undefined
  readonly keyFile?: string | undefined
  /** Whether the TLS handshake comes first. The server needs `handshake_first`. Default: `false`. */
  readonly handshakeFirst?: boolean | undefined
}

/**
 * Identifies the user to the server. `nonce` is the server's challenge, if it has sent one.
 *
 * @category models
 * @since 0.1.0
 */
export type Authenticator = (nonce?: string) => object | void

/**
 * Options of nats.js, without those that the bus sets itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface NatsOptions {
  /** Identifies the user at each connect: an authenticator of nats.js, such as `jwtAuthenticator`, or a function. */
  readonly authenticator?: Authenticator | ReadonlyArray<Authenticator> | undefined
  /** Prefix of the subjects on which the server reports that a message has no listeners. Default: `_INBOX`. */
  readonly inboxPrefix?: string | undefined
  /** Maximum number of attempts to reconnect to each server; `-1` for no limit. Default: `-1`. */
  readonly maxReconnectAttempts?: number | undefined
  /** Whether servers are tried in the given order. Default: `false`. */
  readonly noRandomize?: boolean | undefined
  /** Whether to use only the given servers, and not others of their cluster. Default: `false`. */
  readonly ignoreClusterUpdates?: boolean | undefined
  /** Whether to try each address of a host that has several. Default: `true`. */
  readonly resolve?: boolean | undefined
}

/**
 * The limits of a bus.
 *
 * @category models
 * @since 0.1.0
 */
export interface LimitOptions extends Limits.LimitOptions {
  /**
   * Maximum size of a message in bytes. A larger one fails with `ResourceExhausted`, reason `too_large`, and so does one
   * that is larger than the server's own limit, `max_payload` (1 MiB unless it is configured). Default: 8 MiB.
   */
  readonly maxPayload?: number | undefined
}

/**
 * Options of a bus that opens its own connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends LimitOptions {
  /**
   * One server, or several of a cluster: `nats://[user:password@]host[:port]`, `nats://token@host[:port]`, `tls://` for
   * TLS, or `host[:port]`. A text may have several, separated by commas. User, password and token are percent-encoded,
   * must be the same in all URLs, and take precedence over the options. Default: `nats://127.0.0.1:4222`.
   */
  readonly servers?: string | Redacted.Redacted<string> | ReadonlyArray<string | Redacted.Redacted<string>> | undefined
  /** Name of the connection in the server's monitoring. Default: none. */
  readonly name?: string | undefined
  readonly user?: string | undefined
  readonly password?: string | Redacted.Redacted<string> | undefined
  readonly token?: string | Redacted.Redacted<string> | undefined
  /** The text of a `.creds` file: the JWT and the seed of a user. */
  readonly credentials?: string | Redacted.Redacted<string> | undefined
  /** The seed of a user that the server identifies by an nkey. */
  readonly nkey?: string | Redacted.Redacted<string> | undefined
  /** Certificates and keys. Default: TLS is used if the server requires it. */
  readonly tls?: TlsOptions | undefined
  /** Further options of nats.js. */
  readonly nats?: NatsOptions | undefined
  /**
   * Delays between attempts to reconnect: `minDelay`, doubled with each attempt up to `maxDelay`, reduced at random by up
   * to one half, without a limit of attempts unless `nats` has `maxReconnectAttempts`. The grace period after a reconnect
   * is twice `maxDelay`. Default: 50 milliseconds and 2 seconds.
   */
  readonly reconnect?: Limits.ReconnectOptions | undefined
  /**
   * Interval at which the connection is checked with a PING, and the time in which the server must reply to it before the
   * connection is closed and opened again. `Infinity`: no checks; the bus notices a dead connection when the operating
   * system does. Default: 10 seconds.
   */
  readonly heartbeat?: Duration.Input | undefined
}

/**
 * Options of a bus on the caller's connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectionOptions extends LimitOptions {
  /** The connection. Other code may use it too. Must not have `noEcho: true`. */
  readonly connection: Connection
  /**
   * Prefix of the subjects on which the server reports that a message has no listeners. A user without permission to
   * subscribe to every subject needs it for `<inboxPrefix>.>`. Default: `_INBOX`.
   */
  readonly inboxPrefix?: string | undefined
}
