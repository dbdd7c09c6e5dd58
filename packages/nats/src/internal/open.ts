import type { PsrpcError } from "@effect-psrpc/core"
import { Effect, type Scope } from "effect"
import { connect, type ConnectionOptions, type NatsConnection } from "nats"
import type { Closing } from "./closing.ts"
import { breakSocket } from "./connection.ts"
import type { Peer } from "./peer.ts"
import type { ReconnectDelay } from "./reconnectDelay.ts"
import { Limits } from "@effect-psrpc/core/broker"
import { Sockets } from "./sockets.ts"

export interface OpenOptions {
  /** Of the server, who the client is, TLS, and whatever the user has added. */
  readonly nats: ConnectionOptions
  /** Milliseconds. */
  readonly connectTimeout: number
  /** Milliseconds. */
  readonly heartbeat: number
}

const bounded = (millis: number): number => Math.min(millis, Limits.maxTimerDelay)

/** A connection that the client no longer has a use for: also one that comes late, or is just being made. */
const discard = (connection: NatsConnection): void => {
  connection.close().then(
    () => breakSocket(connection),
    () => breakSocket(connection)
  )
  breakSocket(connection)
}

/**
 * Opens a connection of ours. The first attempt fails for good; after that the client connects again by itself, for as
 * long as the scope is open.
 */
export const open = (
  options: OpenOptions,
  peer: Peer,
  reconnectDelay: ReconnectDelay,
  closing: Closing
): Effect.Effect<NatsConnection, PsrpcError.PsrpcError, Scope.Scope> =>
  Effect.gen(function* () {
    const { connectTimeout, heartbeat, nats } = options
    let connection: NatsConnection | undefined
    let isGivenUp = false
    const sockets = new Sockets()
    const giveUp = Effect.suspend(() => {
      isGivenUp = true
      sockets.giveUp()
      const opened = connection
      if (opened === undefined || opened.isClosed()) return Effect.void
      const drained = Effect.callback<void>((resume) => {
        opened.drain().then(
          () => resume(Effect.void),
          () => resume(Effect.void)
        )
      })
      // one that is down would wait for the server
      return (opened.info === undefined ? Effect.void : closing.within(drained)).pipe(
        Effect.andThen(Effect.sync(() => discard(opened)))
      )
    })
    yield* Effect.addFinalizer(() => giveUp)
    const opening = Effect.callback<NatsConnection, PsrpcError.PsrpcError>((resume) => {
      const how = {
        maxReconnectAttempts: -1,
        ...nats,
        timeout: bounded(connectTimeout),
        reconnectDelayHandler: reconnectDelay.current,
        // an interval without an answer, and the connection is given up
        pingInterval: bounded(heartbeat),
        maxPingOut: 1,
        // credentials that are refused now may be accepted later
        ignoreAuthErrorAbort: true,
        noAsyncTraces: true,
        waitOnFirstConnect: false,
        noEcho: false,
        verbose: false,
        pedantic: false,
        // it would print what the client sends, passwords too
        debug: false
      }
      sockets
        .watch(() => connect(how))
        .then(
          (opened) => {
            if (isGivenUp) return discard(opened)
            connection = opened
            resume(Effect.succeed(opened))
          },
          (error: unknown) => resume(Effect.fail(peer.failed("cannot connect", error)))
        )
    })
    return yield* opening.pipe(
      Effect.timeoutOrElse({
        duration: connectTimeout,
        orElse: () => Effect.fail(peer.unreachable(`cannot connect within ${connectTimeout} ms`, false))
      }),
      // at once, and not when the scope closes: nobody will use it
      Effect.onError(() => giveUp)
    )
  })
