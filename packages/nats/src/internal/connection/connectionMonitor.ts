import type { PsrpcError } from "@effect-psrpc/core"
import { type BusMetrics, type BusRuntime, ConnectionLog } from "@effect-psrpc/core/broker"
import { Effect, type Scope } from "effect"
import { type Connection, destroySocket, type ServerInfo, type Violation, violationOf } from "./natsConnection.ts"
import type { NatsIdentity } from "./natsIdentity.ts"

/** Callbacks for the events of a connection. */
export interface ConnectionListener {
  /** The connection works, with every subscription restored. */
  up?(): void
  /** The connection is lost, with everything in flight on it. */
  down?(): void
  /** The connection is closed for good. */
  ended?(): void
  /** The server has refused an operation, after later ones were sent. */
  denied?(violation: Violation): void
  /** An attempt to reconnect begins. */
  reconnecting?(): void
}

type PingCallback = (hasReply: boolean) => void

/**
 * Observes whether a connection works. It notices a change before nats.js reports it: a status arrives some microtasks
 * after the fact, and a message that is passed to nats.js in between may be lost, or sent when it has expired.
 */
export class ConnectionMonitor {
  readonly connection: Connection
  readonly #broker: NatsIdentity
  readonly #runtime: BusRuntime.BusRuntime
  readonly #log: ConnectionLog.ConnectionLog
  readonly #listeners = new Set<ConnectionListener>()
  /** The server's info on the connection that works, or that worked last. */
  #info: ServerInfo | undefined
  #isUp: boolean
  /** Why the connection is closed for good. */
  #ended: string | undefined
  /** PINGs in flight. A set, because a PONG may never arrive. */
  readonly #pings = new Set<PingCallback>()
  /** Callers of `answered` in this microtask. One PING serves them all. */
  #nextPing: Array<PingCallback> = []

  constructor(
    connection: Connection,
    broker: NatsIdentity,
    runtime: BusRuntime.BusRuntime,
    metrics: BusMetrics.BusMetrics
  ) {
    this.connection = connection
    this.#broker = broker
    this.#runtime = runtime
    this.#log = new ConnectionLog.ConnectionLog("the connection", broker, runtime, metrics)
    this.#info = connection.info
    this.#isUp = this.#info !== undefined
  }

  listen(listener: ConnectionListener): void {
    this.#listeners.add(listener)
  }

  /** Whether a message that is passed to the connection now is sent to the server. */
  get isUp(): boolean {
    return this.#isUp && (this.connection.info === this.#info || this.#isSameConnection())
  }

  get info(): ServerInfo | undefined {
    return this.#info
  }

  /** Why the connection is closed for good; `undefined` if it is not. */
  get ended(): string | undefined {
    return this.#ended
  }

  /** Why the connection does not work. */
  get problem(): string {
    if (this.#ended !== undefined) return this.#ended
    const { reason } = this.#log
    return `the connection is down (reconnecting)${reason === undefined ? "" : `: ${reason}`}`
  }

  /** Called for a new info: the server may have sent an update, or nats.js may have reconnected. */
  #isSameConnection(): boolean {
    const { info } = this.connection
    if (info?.client_id === this.#info?.client_id && info?.server_id === this.#info?.server_id) {
      this.#info = info
      return true
    }
    this.#lost()
    return false
  }

  /** Sends a PING. The callback gets `true` for its PONG, `false` if the connection is lost or down. */
  ping(callback: PingCallback): void {
    if (!this.isUp) return callback(false)
    this.#pings.add(callback)
    const done = (hasReply: boolean): void => {
      if (this.#pings.delete(callback)) callback(hasReply)
    }
    const failed = (): void => {
      // nats.js has reconnected, with the status still to come
      if (this.#isUp) this.#isSameConnection()
      done(false)
    }
    try {
      this.connection.flush().then(() => done(true), failed)
    } catch {
      failed()
    }
  }

  /** Waits until the server has processed everything sent so far. `false` if the connection is lost or down. */
  readonly answered: Effect.Effect<boolean> = Effect.callback((resume) => {
    this.#nextPing.push((hasReply) => resume(Effect.succeed(hasReply)))
    if (this.#nextPing.length > 1) return
    queueMicrotask(() => {
      const callbacks = this.#nextPing
      this.#nextPing = []
      this.ping((hasReply) => {
        for (const callback of callbacks) callback(hasReply)
      })
    })
  })

  /** Waits until the connection works. Fails if it is closed for good. */
  readonly works: Effect.Effect<void, PsrpcError.PsrpcError> = Effect.callback((resume) => {
    const listener: ConnectionListener = {
      up: () => resume(Effect.void),
      ended: () => resume(Effect.fail(this.#broker.unreachable(this.problem, false)))
    }
    if (this.#ended !== undefined) return listener.ended!()
    if (this.isUp) return listener.up!()
    this.#listeners.add(listener)
    return Effect.sync(() => this.#listeners.delete(listener))
  })

  /**
   * Waits until the server has processed everything sent so far, on this connection or on a later one. Fails if the
   * connection is closed for good.
   */
  readonly confirmed: Effect.Effect<void, PsrpcError.PsrpcError> = this.works.pipe(
    Effect.andThen(this.answered),
    Effect.repeat({ until: (hasReply) => hasReply }),
    Effect.asVoid
  )

  #emit(event: "up" | "down" | "ended" | "reconnecting"): void {
    for (const listener of [...this.#listeners]) listener[event]?.()
  }

  #lost(): void {
    if (!this.#isUp) return
    this.#isUp = false
    if (this.#ended === undefined) this.#log.lost()
    const callbacks = [...this.#pings]
    this.#pings.clear()
    this.#emit("down")
    for (const callback of callbacks) callback(false)
  }

  #restored(): void {
    const { info } = this.connection
    // lost again, or a connection that is known to work
    if (info === undefined || (this.#isUp && info === this.#info)) return
    this.#lost()
    this.#info = info
    this.#isUp = true
    this.#log.restored()
    this.#emit("up")
  }

  /** Ends the use of the connection, for the given reason. */
  end(reason: string): void {
    if (this.#ended !== undefined) return
    this.#ended = reason
    this.#emit("ended")
  }

  #closed(error: unknown): void {
    if (this.#ended !== undefined) return
    const reason = error === undefined || error === null ? undefined : this.#broker.reasonOf(error)
    this.#lost()
    const text = `the connection is closed${reason === undefined ? "" : `: ${reason}`}`
    this.#runtime.log("error", this.#broker.message(`${text}; make a new bus to connect again`))
    this.end(text)
  }

  #onStatus(status: { readonly type: string }): void {
    switch (status.type) {
      case "disconnect":
        return this.#lost()
      case "reconnecting":
        return this.#emit("reconnecting")
      case "reconnect":
        return this.#restored()
      case "staleConnection":
        this.#runtime.log(
          "warning",
          this.#broker.message("no reply to PING: the connection is closed and opened again")
        )
        return destroySocket(this.connection)
      case "ldm":
        return this.#runtime.log("info", this.#broker.message("the server shuts down soon (lame duck mode)"))
      case "error":
        return this.#onError(status)
    }
  }

  #onError(status: object): void {
    const violation = violationOf(status)
    if (violation !== undefined) {
      for (const listener of [...this.#listeners]) listener.denied?.(violation)
      return
    }
    const { data, error } = status as { data?: unknown; error?: unknown }
    this.#log.failed(this.#broker.reasonOf(error ?? data))
  }

  /** Follows the events of the connection until the scope closes. */
  readonly watch: Effect.Effect<void, never, Scope.Scope> = Effect.suspend(() => {
    let watching = true
    const statuses = this.connection.status() as AsyncIterable<{ readonly type: string }> & { stop?: () => void }
    const follow = async (): Promise<void> => {
      for await (const status of statuses) {
        if (!watching) return
        this.#onStatus(status)
      }
    }
    follow().catch((error: unknown) => watching && this.#closed(error))
    this.connection.closed().then(
      (error) => watching && this.#closed(error),
      (error: unknown) => watching && this.#closed(error)
    )
    return Effect.addFinalizer(() =>
      Effect.sync(() => {
        watching = false
        // not documented; without it, nats.js keeps the statuses of this iterator as long as it lives
        statuses.stop?.()
      })
    )
  })
}
