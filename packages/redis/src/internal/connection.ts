import type { PsrpcError } from "@effect-psrpc/core"
import { Effect, type Scope } from "effect"
import { Redis, type RedisOptions } from "ioredis"
import type { AnyClient } from "./clients.ts"
import type { Peer } from "./peer.ts"
import { Backoff, type BusRuntime, type ConnectionLog, type Limits } from "@effect-psrpc/core/broker"

const ignore = (): void => {}

/**
 * Listens to the errors of each socket that the client makes, for as long as it lives. ioredis hears one of them, and TLS
 * may have a second to tell (of a handshake that was given up, for instance), which would end the process.
 */
const hearSockets = (client: Redis): void => {
  const { connector } = client as unknown as {
    connector?: { connect?: (...args: Array<unknown>) => Promise<Redis["stream"]> }
  }
  const connect = connector?.connect
  // where ioredis keeps its connector elsewhere, from the handshake on
  client.on("connect", () => client.stream.on("error", ignore))
  if (connector === undefined || typeof connect !== "function") return
  connector.connect = (...args) =>
    connect.apply(connector, args).then((stream) => {
      stream.on("error", ignore)
      return stream
    })
}

/** Waits until a client is ready, connecting it where nobody has. */
export const ready = (client: AnyClient, peer: Peer, timeout: number): Effect.Effect<void, PsrpcError.PsrpcError> => {
  let last: unknown
  const failed = (what: string): PsrpcError.PsrpcError =>
    last === undefined ? peer.unreachable(what, false) : peer.failed(what, last, false)
  return Effect.callback<void, PsrpcError.PsrpcError>((resume) => {
    if (client.status === "ready") return resume(Effect.void)
    const onReady = (): void => resume(Effect.void)
    const onEnd = (): void => resume(Effect.fail(failed("cannot connect")))
    const onError = (error: unknown): void => {
      last = error
    }
    client.on("ready", onReady)
    client.on("end", onEnd)
    client.on("error", onError)
    if (client.status === "wait") client.connect().catch(ignore)
    return Effect.sync(() => {
      client.off("ready", onReady)
      client.off("end", onEnd)
      client.off("error", onError)
    })
  }).pipe(
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => Effect.suspend(() => Effect.fail(failed(`cannot connect within ${timeout} ms`)))
    })
  )
}

/** What happens to a connection. */
export interface Events {
  readonly ready: () => void
  readonly closed: () => void
  /** It is closed, and ioredis does not connect again. */
  readonly ended: () => void
}

/** Listens to a client as long as the scope is open. */
export const watch = (
  client: AnyClient,
  peer: Peer,
  log: ConnectionLog.ConnectionLog,
  events: Events
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const listeners: ReadonlyArray<readonly [string, (arg?: unknown) => void]> = [
        [
          "ready",
          () => {
            log.restored()
            events.ready()
          }
        ],
        [
          "close",
          () => {
            log.lost()
            events.closed()
          }
        ],
        ["end", () => events.ended()],
        // unheard, it would be printed or end the process
        ["error", (error) => log.failed(peer.reasonOf(error))]
      ]
      for (const [event, listener] of listeners) client.on(event, listener)
      return listeners
    }),
    (listeners) =>
      Effect.sync(() => {
        for (const [event, listener] of listeners) client.off(event, listener)
      })
  )

export interface OwnOptions extends Limits.ReconnectDelays {
  readonly redis: RedisOptions
  /** Milliseconds. */
  readonly connectTimeout: number
  /** Milliseconds; `undefined` where a connection may be silent for as long as it likes. */
  readonly heartbeat: number | undefined
}

/**
 * Opens a connection of ours. The first attempt fails for good; once it was ready, it is connected again for as long as
 * the scope is open.
 */
export const open = (
  options: OwnOptions,
  peer: Peer,
  runtime: BusRuntime.BusRuntime
): Effect.Effect<Redis, PsrpcError.PsrpcError, Scope.Scope> =>
  Effect.gen(function* () {
    let started = false
    let closing = false
    const client = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const given: RedisOptions = {
          // a Sentinel that is asked for its master says READONLY of one that was
          ...(options.redis.sentinels && {
            reconnectOnError: (error: Error) => error.message.startsWith("READONLY")
          }),
          ...options.redis,
          // 0 is for ever, and Node throws at an infinite one
          connectTimeout: options.connectTimeout === Infinity ? 0 : options.connectTimeout,
          // no answer to a command in this time breaks the connection
          ...(options.heartbeat !== undefined && { socketTimeout: options.heartbeat }),
          lazyConnect: true,
          retryStrategy: (attempt: number) => (started ? Backoff.delay(options, attempt - 1) : null),
          // what may have been sent is not sent again, and nothing waits inside of ioredis
          autoResendUnfulfilledCommands: false,
          maxRetriesPerRequest: 0,
          enableOfflineQueue: false,
          enableAutoPipelining: false,
          // subscriptions are ours to restore
          autoResubscribe: false,
          keyPrefix: "",
          monitor: false,
          replyMapping: "legacy"
        }
        const client = new Redis(given as RedisOptions & { replyMapping?: "legacy" })
        client.on("error", ignore)
        hearSockets(client)
        return client
      }),
      (client) =>
        Effect.sync(() => {
          closing = true
          client.disconnect()
        })
    )
    // at once, and not when the scope closes: nobody will use it
    yield* Effect.onError(ready(client, peer, options.connectTimeout), () => Effect.sync(() => client.disconnect()))
    started = true
    client.on("end", () => {
      if (!closing) runtime.after(options.maxDelay, () => closing || client.connect().catch(ignore))
    })
    return client
  })

/**
 * Asks a connection of ours for a sign of life every `interval` milliseconds, so that one that answers nothing is noticed
 * also where nothing is sent. `first` is done before: the PING must not overtake what waits for the end of the turn.
 */
export const heartbeat = (
  client: AnyClient,
  interval: number,
  first: () => void
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.sync(() => {
    if (client.status !== "ready") return
    first()
    client.ping().catch(ignore)
  }).pipe(Effect.delay(interval), Effect.forever, Effect.forkScoped, Effect.asVoid)
