import type { PsrpcError } from "@effect-psrpc/core"
import { Limits } from "@effect-psrpc/core/broker"
import { Effect, type Scope } from "effect"
import { connect, type ConnectionOptions, type NatsConnection } from "nats"
import { AttemptSockets } from "./attemptSockets.ts"
import type { CloseDeadline } from "./closeDeadline.ts"
import { destroySocket } from "./natsConnection.ts"
import type { NatsIdentity } from "./natsIdentity.ts"
import type { ReconnectDelay } from "./reconnectDelay.ts"

export interface OwnConnectionOptions {
  /** Options of nats.js: servers, user, TLS and further options of the caller. */
  readonly nats: ConnectionOptions
  /** Milliseconds, or `Infinity`. */
  readonly connectTimeout: number
  /** Milliseconds, or `Infinity`. */
  readonly heartbeat: number
}

const timerDelay = (millis: number): number => Math.min(millis, Limits.maxTimerDelay)

/** Closes a connection without waiting for the server, also one that is opened too late or still being opened. */
const discard = (connection: NatsConnection): void => {
  connection.close().then(
    () => destroySocket(connection),
    () => destroySocket(connection)
  )
  destroySocket(connection)
}

/**
 * Opens a connection. If the first attempt fails, so does the Effect. Afterwards nats.js reconnects by itself, until the
 * scope closes.
 */
export const open = (
  options: OwnConnectionOptions,
  broker: NatsIdentity,
  reconnectDelay: ReconnectDelay,
  closeDeadline: CloseDeadline
): Effect.Effect<NatsConnection, PsrpcError.PsrpcError, Scope.Scope> =>
  Effect.gen(function* () {
    const { connectTimeout, heartbeat, nats } = options
    let connection: NatsConnection | undefined
    let isAbandoned = false
    const sockets = new AttemptSockets()
    const abandon = Effect.suspend(() => {
      isAbandoned = true
      sockets.destroy()
      const opened = connection
      if (opened === undefined || opened.isClosed()) return Effect.void
      const drained = Effect.callback<void>((resume) => {
        opened.drain().then(
          () => resume(Effect.void),
          () => resume(Effect.void)
        )
      })
      // a connection that is down would wait for the server
      return (opened.info === undefined ? Effect.void : closeDeadline.within(drained)).pipe(
        Effect.andThen(Effect.sync(() => discard(opened)))
      )
    })
    yield* Effect.addFinalizer(() => abandon)
    const opening = Effect.callback<NatsConnection, PsrpcError.PsrpcError>((resume) => {
      const given = {
        maxReconnectAttempts: -1,
        ...nats,
        timeout: timerDelay(connectTimeout),
        reconnectDelayHandler: reconnectDelay.current,
        // one unanswered PING closes the connection
        pingInterval: timerDelay(heartbeat),
        maxPingOut: 1,
        // credentials that are refused now may be accepted later
        ignoreAuthErrorAbort: true,
        noAsyncTraces: true,
        waitOnFirstConnect: false,
        noEcho: false,
        verbose: false,
        pedantic: false,
        // it prints all that nats.js sends, passwords included
        debug: false
      }
      sockets
        .record(() => connect(given))
        .then(
          (opened) => {
            if (isAbandoned) return discard(opened)
            connection = opened
            resume(Effect.succeed(opened))
          },
          (error: unknown) => resume(Effect.fail(broker.failure("cannot connect", error)))
        )
    })
    return yield* opening.pipe(
      Effect.timeoutOrElse({
        duration: connectTimeout,
        orElse: () =>
          Effect.fail(broker.unreachable(`cannot connect within ${connectTimeout} ms (connectTimeout)`, false))
      }),
      // at once, and not when the scope closes: nobody will use the connection
      Effect.onError(() => abandon)
    )
  })
