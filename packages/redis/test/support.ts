import type { Broker } from "@effect-psrpc/bus-tests"
import { RedisServer, redisUrl } from "@effect-psrpc/test-servers"
import { Effect } from "effect"
import { Redis } from "ioredis"
import { RedisMessageBus } from "../src/index.ts"

/** A client that is closed with the test. */
export const client = (url: string, options: object = {}) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const redis = new Redis(url, { autoResendUnfulfilledCommands: false, lazyConnect: true, ...options })
      redis.on("error", () => {})
      return redis
    }),
    (redis) => Effect.sync(() => redis.disconnect())
  )

export const onClients = Effect.fnUntraced(function* (url: string, options: object = {}, more: object = {}) {
  const publisher = yield* client(url, options)
  const subscriber = yield* client(url, options)
  return yield* RedisMessageBus.makeClients({ publisher, subscriber, ...more })
})

/** The two ways to send commands, which must behave alike. */
export const ways = {
  "connections that the bus opens": (url: string, options: RedisMessageBus.LimitOptions = {}) =>
    RedisMessageBus.make({ url, ...options }),
  "given clients": (url: string, options: RedisMessageBus.LimitOptions = {}) => onClients(url, {}, options),
  "given clients, exclusive": (url: string, options: RedisMessageBus.LimitOptions = {}) =>
    onClients(url, {}, { exclusive: true, ...options }),
  "given clients with RESP2": (url: string, options: RedisMessageBus.LimitOptions = {}) =>
    onClients(url, { protocol: 2 }, options),
  "given clients that give numbers as text": (url: string, options: RedisMessageBus.LimitOptions = {}) =>
    onClients(url, { stringNumbers: true, replyMapping: "resp3" }, options)
}

/** The broker, for the tests that all buses share. */
export const broker: Broker = {
  kind: "redis",
  server: RedisServer.make(),
  shared: redisUrl,
  address: (port, host = "127.0.0.1") => `redis://${host}:${port}`,
  own: (url, options = {}) => RedisMessageBus.make({ url, ...options }),
  one: 1
}
