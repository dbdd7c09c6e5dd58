import { PsrpcError } from "@effect-psrpc/core"
import { Duration, Effect, Option, Redacted } from "effect"
import type { PublisherOptions } from "./publisher.ts"

export interface Limits extends Omit<PublisherOptions, "grace"> {
  /** Milliseconds. */
  readonly connectTimeout: number
  /** Milliseconds. */
  readonly closeTimeout: number
}

/**
 * How long after the connection came back a message that nobody has heard is sent again, in milliseconds: as long as
 * others may take to notice that NATS is there, twice the longest delay before they connect again.
 */
export const graceOf = (maxDelay: number): number => 2 * maxDelay
/** The same where the delay is not ours to know: that of the default delay, which is the client's too. */
export const defaultGrace = 4000

export const invalid = (message: string): PsrpcError.InvalidArgument =>
  PsrpcError.fromCode("invalid_argument", {
    message: `NatsMessageBus: ${message}`,
    reason: "not_sent",
    mayHaveRun: false
  })

/** A text that may be wrapped so that it is not shown. */
export type Secret = string | Redacted.Redacted<string>

export const plain = (secret: Secret): string => (Redacted.isRedacted(secret) ? Redacted.value(secret) : secret)

/** What a URL says of a server. */
export interface Server {
  /** `host:port`. */
  readonly address: string
  readonly tls: boolean
  readonly user: string | undefined
  readonly password: string | undefined
}

const malformed =
  "servers: not of the form nats://[user:password@]host[:port] or nats://token@host[:port], tls:// for TLS, or " +
  "host[:port]; user, password and token must be percent-encoded"

/** Reads a URL; an error must not quote what may be a password. The client would overlook user and password. */
export const parseServer = (text: string): Server | PsrpcError.InvalidArgument => {
  const url = /^[a-z+]+:\/\//i.test(text) ? text : `nats://${text}`
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !/^(nats|tls):$/.test(parsed.protocol) || parsed.hostname === "")
    return invalid(malformed)
  // a password with one of these in it ends the host: what is read as host, port or path is a part of it
  if (!/^\/?$/.test(parsed.pathname) || parsed.search !== "" || /[?#]/.test(url)) {
    return invalid(
      'servers: a URL has something behind host and port: percent-encode user, password and token ("/" is %2F, "?" %3F, "#" %23, "@" %40, "," %2C)'
    )
  }
  try {
    const decoded = (part: string): string | undefined => (part === "" ? undefined : decodeURIComponent(part))
    return {
      address: `${parsed.hostname}:${parsed.port === "" ? 4222 : parsed.port}`,
      tls: parsed.protocol === "tls:",
      user: decoded(parsed.username),
      password: decoded(parsed.password)
    }
  } catch {
    return invalid("servers: user, password or token of a URL is not percent-encoded")
  }
}

export const defaultServer = "nats://127.0.0.1:4222"

/** A number of something, at least `least`. */
export const count = (name: string, value: number, least: number): Effect.Effect<number, PsrpcError.InvalidArgument> =>
  value >= least ? Effect.succeed(value) : Effect.fail(invalid(`${name} is ${value} and must be at least ${least}`))

/** The longest time that Node's timers can wait, in milliseconds: with a longer one they do not wait at all. */
export const longest = 2 ** 31 - 1

/** A duration in milliseconds, that of Node's longest timer at the most unless it is infinite. */
export const millis = (name: string, value: Duration.Input): Effect.Effect<number, PsrpcError.InvalidArgument> =>
  Effect.suspend(() => {
    const found = Option.match(Duration.fromInput(value), { onNone: () => Number.NaN, onSome: Duration.toMillis })
    if (found > 0) return Effect.succeed(found === Infinity ? found : Math.min(found, longest))
    const given = typeof value === "object" ? "no duration" : String(value)
    return Effect.fail(invalid(`${name} is ${given} and must be a time above 0, in milliseconds or as "5 seconds"`))
  })
