import type { PsrpcError } from "@effect-psrpc/core"
import { Limits } from "@effect-psrpc/core/broker"
import { Redacted } from "effect"

/** Checks options. */
export const check: Limits.Checks = Limits.checks("NatsMessageBus")
const { invalid } = check

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
