import { PsrpcError } from "@effect-psrpc/core"
import { Duration, Effect, Redacted } from "effect"
import type { RedisOptions } from "ioredis"
import type { PublisherOptions } from "./publisher.ts"

export interface Limits extends PublisherOptions {
  /** Milliseconds. */
  readonly connectTimeout: number
  /** Milliseconds. */
  readonly closeTimeout: number
}

const invalid = (message: string): PsrpcError.InvalidArgument =>
  new PsrpcError.InvalidArgument({ message: `RedisMessageBus: ${message}`, mayHaveRun: false })

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
        invalid("url is not of the form redis://[user[:password]@]host[:port][/db], or rediss:// for TLS")
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

/** A number of something, at least `least`. */
export const count = (name: string, value: number, least: number): Effect.Effect<number, PsrpcError.InvalidArgument> =>
  value >= least ? Effect.succeed(value) : Effect.fail(invalid(`${name} is ${value} and must be at least ${least}`))

/** A duration in milliseconds. */
export const millis = (name: string, value: Duration.Input): Effect.Effect<number, PsrpcError.InvalidArgument> =>
  Effect.suspend(() => {
    const found = Duration.toMillis(value)
    return found > 0 ? Effect.succeed(found) : Effect.fail(invalid(`${name} is ${found} ms and must be longer`))
  })
