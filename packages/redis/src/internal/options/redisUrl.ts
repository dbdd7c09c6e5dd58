import type { PsrpcError } from "@effect-psrpc/core"
import { Effect, Redacted } from "effect"
import type { RedisOptions } from "ioredis"
import { check } from "./checks.ts"

const { invalid } = check

const families: Readonly<Record<string, number>> = { "0": 0, "4": 4, "6": 6 }

/**
 * Parses a URL into options of ioredis. ioredis does not parse it, because its URLs can set any option, also those that
 * the bus relies on. Errors do not quote parts of the URL that may be a password.
 */
export const parseUrl = (url: string): Effect.Effect<RedisOptions, PsrpcError.InvalidArgument> =>
  Effect.suspend(() => {
    const parsed = URL.canParse(url) ? new URL(url) : undefined
    if (parsed === undefined || !/^rediss?:$/.test(parsed.protocol) || parsed.hostname === "") {
      return Effect.fail(
        invalid(
          "url is malformed: expected redis://[user[:password]@]host[:port][/db], or rediss:// for TLS, with user and " +
            "password percent-encoded"
        )
      )
    }
    // one of these in a password ends the host: the text parsed as host, port or parameter is a part of the password
    if (/[@#]/.test(parsed.pathname + parsed.search + (url.includes("#") ? "#" : ""))) {
      return Effect.fail(
        invalid('url has "#", or "@" after the host: percent-encode user and password ("/" is %2F, "?" %3F, "#" %23)')
      )
    }
    const options: RedisOptions = {
      host: parsed.hostname.replace(/^\[|\]$/g, ""),
      port: parsed.port === "" ? 6379 : Number(parsed.port)
    }
    if (parsed.protocol === "rediss:") options.tls = {}
    try {
      if (parsed.username !== "") options.username = decodeURIComponent(parsed.username)
      if (parsed.password !== "") options.password = decodeURIComponent(parsed.password)
    } catch {
      return Effect.fail(invalid("the user or the password in url is not percent-encoded"))
    }
    const db = parsed.pathname.slice(1)
    if (db !== "") {
      if (!/^\d+$/.test(db)) return Effect.fail(invalid("the path of url is not a database number, such as /0"))
      options.db = Number(db)
    }
    for (const [key, value] of parsed.searchParams) {
      const family = key === "family" ? families[value] : undefined
      if (family === undefined) {
        return Effect.fail(
          invalid(`url has an unknown parameter: ${key}; expected family=0, 4 or 6, and other options in "redis"`)
        )
      }
      options.family = family
    }
    return Effect.succeed(options)
  })

export const defaultUrl = "redis://127.0.0.1:6379"

/** Merges the options of the URL, which take precedence, and the given options of ioredis. */
export const connectionOptions = (
  url: string | Redacted.Redacted<string> | undefined,
  given: RedisOptions
): Effect.Effect<RedisOptions, PsrpcError.PsrpcError> =>
  Effect.suspend(() => {
    if (given.keyPrefix) {
      return Effect.fail(invalid("redis.keyPrefix would change the names of channels and locks: leave it out"))
    }
    const hasAddress = given.host !== undefined || given.port !== undefined || given.path !== undefined
    if (url === undefined && (hasAddress || given.sentinels)) return Effect.succeed(given)
    const text = url === undefined ? defaultUrl : Redacted.isRedacted(url) ? Redacted.value(url) : url
    return Effect.map(parseUrl(text), (parsed) => ({
      ...given,
      ...parsed,
      // the URL decides whether TLS is used, the options decide how
      ...(parsed.tls !== undefined && { tls: given.tls ?? {} })
    }))
  })
