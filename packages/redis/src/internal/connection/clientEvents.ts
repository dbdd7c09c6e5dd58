import type { PsrpcError } from "@effect-psrpc/core"
import type { ConnectionLog } from "@effect-psrpc/core/broker"
import { Effect, type Scope } from "effect"
import type { AnyClient } from "./clients.ts"
import type { RedisIdentity } from "./redisIdentity.ts"

/** Waits until a client is ready, and connects it if nobody has. */
export const ready = (
  client: AnyClient,
  broker: RedisIdentity,
  timeout: number
): Effect.Effect<void, PsrpcError.PsrpcError> => {
  let last: unknown
  const failure = (text: string): PsrpcError.PsrpcError =>
    last === undefined ? broker.unreachable(text, false) : broker.failure(text, last, false)
  return Effect.callback<void, PsrpcError.PsrpcError>((resume) => {
    if (client.status === "ready") return resume(Effect.void)
    const onReady = (): void => resume(Effect.void)
    const onEnd = (): void => resume(Effect.fail(failure("cannot connect")))
    const onError = (error: unknown): void => {
      last = error
    }
    client.on("ready", onReady)
    client.on("end", onEnd)
    client.on("error", onError)
    if (client.status === "wait") client.connect().catch(() => {})
    return Effect.sync(() => {
      client.off("ready", onReady)
      client.off("end", onEnd)
      client.off("error", onError)
    })
  }).pipe(
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => Effect.suspend(() => Effect.fail(failure(`cannot connect within ${timeout} ms (connectTimeout)`)))
    })
  )
}

/** Callbacks for the events of a connection. */
export interface ConnectionEvents {
  readonly ready: () => void
  readonly closed: () => void
  /** The connection is closed, and ioredis does not reconnect. */
  readonly ended: () => void
}

/** Listens to the events of a client until the scope closes, and logs them. */
export const watch = (
  client: AnyClient,
  broker: RedisIdentity,
  log: ConnectionLog.ConnectionLog,
  events: ConnectionEvents
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
        // an "error" event without a listener is printed, or ends the process
        ["error", (error) => log.failed(broker.reasonOf(error))]
      ]
      for (const [event, listener] of listeners) client.on(event, listener)
      return listeners
    }),
    (listeners) =>
      Effect.sync(() => {
        for (const [event, listener] of listeners) client.off(event, listener)
      })
  )

/**
 * Sends a PING on an own connection at each interval, in milliseconds, so that a connection without replies is noticed
 * also while nothing is published. `before` runs first: the PING must not overtake commands of the current write batch.
 */
export const heartbeat = (
  client: AnyClient,
  interval: number,
  before: () => void
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.sync(() => {
    if (client.status !== "ready") return
    before()
    client.ping().catch(() => {})
  }).pipe(Effect.delay(interval), Effect.forever, Effect.forkScoped, Effect.asVoid)
