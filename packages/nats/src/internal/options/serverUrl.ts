import type { PsrpcError } from "@effect-psrpc/core"
import { check } from "./checks.ts"

const { invalid } = check

/** A parsed server URL. */
export interface Server {
  /** `host:port`. */
  readonly address: string
  readonly tls: boolean
  readonly user: string | undefined
  readonly password: string | undefined
}

export const defaultServer = "nats://127.0.0.1:4222"

const malformed =
  "servers: malformed URL: expected nats://[user:password@]host[:port] or nats://token@host[:port], tls:// for TLS, or " +
  "host[:port], with user, password and token percent-encoded"

/**
 * Parses a server URL. nats.js would ignore user and password. Errors do not quote parts of the URL that may be a password.
 */
export const parseServer = (text: string): Server | PsrpcError.InvalidArgument => {
  const url = /^[a-z+]+:\/\//i.test(text) ? text : `nats://${text}`
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !/^(nats|tls):$/.test(parsed.protocol) || parsed.hostname === "")
    return invalid(malformed)
  // one of these in a password ends the host: the text parsed as host, port or path is a part of the password
  if (!/^\/?$/.test(parsed.pathname) || parsed.search !== "" || /[?#]/.test(url)) {
    return invalid(
      'servers: a URL has text after host and port: percent-encode user, password and token ("/" is %2F, "?" %3F, "#" %23, "@" %40, "," %2C)'
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
