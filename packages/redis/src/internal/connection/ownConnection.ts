import type { PsrpcError } from "@effect-psrpc/core"
import { Backoff, type BusRuntime, type Limits } from "@effect-psrpc/core/broker"
import { Effect, type Scope } from "effect"
import { Redis, type RedisOptions } from "ioredis"
import { ready } from "./clientEvents.ts"
import type { RedisIdentity } from "./redisIdentity.ts"

const ignore = (): void => {}

/**
 * Adds an error listener to each socket that a client opens, for the socket's lifetime. ioredis listens to the first error
 * alone. TLS may emit a second one, of an abandoned handshake for example, and that would end the process.
 */
const listenToSockets = (client: Redis): void => {
  const { connector } = client as unknown as {
    connector?: { connect?: (...args: Array<unknown>) => Promise<Redis["stream"]> }
  }
  const connect = connector?.connect
  // for versions of ioredis without this connector: from the handshake on
  client.on("connect", () => client.stream.on("error", ignore))
  if (connector === undefined || typeof connect !== "function") return
  connector.connect = (...args) =>
    connect.apply(connector, args).then((stream) => {
      stream.on("error", ignore)
      return stream
    })
}

export interface OwnConnectionOptions extends Limits.ReconnectDelays {
  readonly redis: RedisOptions
  /** Milliseconds, or `Infinity`. */
  readonly connectTimeout: number
  /** Milliseconds. `undefined`: a connection may stay silent. */
  readonly heartbeat: number | undefined
}

/**
 * Opens a connection. If the first attempt fails, so does the Effect. Afterwards the connection is opened again whenever
 * it is lost, until the scope closes.
 */
export const open = (
  options: OwnConnectionOptions,
  broker: RedisIdentity,
  runtime: BusRuntime.BusRuntime
): Effect.Effect<Redis, PsrpcError.PsrpcError, Scope.Scope> =>
  Effect.gen(function* () {
    let started = false
    let closing = false
    const client = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const given: RedisOptions = {
          // a former master of a Sentinel group replies READONLY
          ...(options.redis.sentinels && {
            reconnectOnError: (error: Error) => error.message.startsWith("READONLY")
          }),
          ...options.redis,
          // for ioredis 0 is no limit; Node throws for `Infinity`
          connectTimeout: options.connectTimeout === Infinity ? 0 : options.connectTimeout,
          // a command without a reply in this time closes the connection
          ...(options.heartbeat !== undefined && { socketTimeout: options.heartbeat }),
          lazyConnect: true,
          retryStrategy: (attempt: number) => (started ? Backoff.delay(options, attempt - 1) : null),
          // messages that may have been sent are not sent again, and none waits inside of ioredis
          autoResendUnfulfilledCommands: false,
          maxRetriesPerRequest: 0,
          enableOfflineQueue: false,
          enableAutoPipelining: false,
          // `Subscriptions` restores subscriptions
          autoResubscribe: false,
          keyPrefix: "",
          monitor: false,
          replyMapping: "legacy"
        }
        const client = new Redis(given as RedisOptions & { replyMapping?: "legacy" })
        client.on("error", ignore)
        listenToSockets(client)
        return client
      }),
      (client) =>
        Effect.sync(() => {
          closing = true
          client.disconnect()
        })
    )
    // at once, and not when the scope closes: nobody will use the client
    yield* Effect.onError(ready(client, broker, options.connectTimeout), () => Effect.sync(() => client.disconnect()))
    started = true
    client.on("end", () => {
      if (!closing) runtime.after(options.maxDelay, () => closing || client.connect().catch(ignore))
    })
    return client
  })
