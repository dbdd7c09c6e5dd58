import type { PsrpcError } from "@effect-psrpc/core"
import { Limits } from "@effect-psrpc/core/broker"
import { Effect, Redacted } from "effect"
import type { RedisOptions } from "ioredis"

/** Checks options. */
export const check: Limits.Checks = Limits.checks("RedisMessageBus")
const { invalid } = check

const families: Readonly<Record<string, number>> = { "0": 0, "4": 4, "6": 6 }

/**
 * What a URL says, as options. Read here and not by ioredis, whose URLs set any option, those that the bus relies on
 * included; and an error must not quote what may be a password.
 */
export const parseUrl = (url: string): Effect.Effect<RedisOptions, PsrpcError.InvalidArgument> =>
  Effect.suspend(() => {
    const parsed = URL.canParse(url) ? new URL(url) : undefined
    if (parsed === undefined || !/^rediss?:$/.test(parsed.protocol) || parsed.hostname === "") {
      return Effect.fail(
        invalid(
          "url is not of the form redis://[user[:password]@]host[:port][/db], or rediss:// for TLS; " +
            "user and password must be percent-encoded"
        )
      )
    }
    // a password with one of these in it ends the host: what is read as host, port or parameter is a part of it
    if (/[@#]/.test(parsed.pathname + parsed.search + (url.includes("#") ? "#" : ""))) {
      return Effect.fail(
        invalid('url has "#", or "@" behind its host: percent-encode user and password ("/" is %2F, "?" %3F, "#" %23)')
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
      if (!/^\d+$/.test(db)) return Effect.fail(invalid("the path of url is not the number of a database"))
      options.db = Number(db)
    }
    for (const [key, value] of parsed.searchParams) {
      const family = key === "family" ? families[value] : undefined
      if (family === undefined) return Effect.fail(invalid(`url has a parameter that is not known: ${key}`))
      options.family = family
    }
    return Effect.succeed(options)
  })

export const defaultUrl = "redis://127.0.0.1:6379"

/** The options of the two connections: those of the URL, which win, and those given. */
export const connectionOptions = (
  url: string | Redacted.Redacted<string> | undefined,
  given: RedisOptions
): Effect.Effect<RedisOptions, PsrpcError.PsrpcError> =>
  Effect.suspend(() => {
    if (given.keyPrefix) return Effect.fail(invalid("redis.keyPrefix would change the names of channels and locks"))
    const hasAddress = given.host !== undefined || given.port !== undefined || given.path !== undefined
    if (url === undefined && (hasAddress || given.sentinels)) return Effect.succeed(given)
    const text = url === undefined ? defaultUrl : Redacted.isRedacted(url) ? Redacted.value(url) : url
    return Effect.map(parseUrl(text), (parsed) => ({
      ...given,
      ...parsed,
      // the URL says whether, the options say how
      ...(parsed.tls !== undefined && { tls: given.tls ?? {} })
    }))
  })
