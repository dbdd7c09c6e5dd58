import type { PsrpcError } from "@effect-psrpc/core"
import { Effect, type Scope } from "effect"
import { breakSocket, type Connection, type ServerInfo, type Violation, violationOf } from "./connection.ts"
import type { Peer } from "./peer.ts"
import { type BusMetrics, type BusRuntime, ConnectionLog } from "@effect-psrpc/core/broker"

/** What happens to a connection. */
export interface LinkListener {
  /** It works, with every subscription restored. */
  up?(): void
  /** It is gone, with all that was under way on it. */
  down?(): void
  /** It is gone for good. */
  ended?(): void
  /** The server has refused something, after what it had refused it for was sent. */
  violated?(violation: Violation): void
  /** An attempt to connect begins. */
  trying?(): void
}

type Asked = (answered: boolean) => void

/**
 * Whether a connection works, known before the client says so: its status comes some turns of the microtask queue after
 * the fact, and what it is handed in between it may lose, or send when nobody wants it any more.
 */
export class Link {
  readonly connection: Connection
  readonly #peer: Peer
  readonly #runtime: BusRuntime.BusRuntime
  readonly #log: ConnectionLog.ConnectionLog
  readonly #listeners = new Set<LinkListener>()
  /** Of the connection that works, or worked last. */
  #info: ServerInfo | undefined
  #isUp: boolean
  /** Why there will be no connection any more. */
  #ended: string | undefined
  /** Who waits for the answer of a PING; a set, because the answer may never come. */
  readonly #asked = new Set<Asked>()
  /** Who asks in this turn: all of them are answered by one PING. */
  #asking: Array<Asked> = []

  constructor(connection: Connection, peer: Peer, runtime: BusRuntime.BusRuntime, metrics: BusMetrics.BusMetrics) {
    this.#log = new ConnectionLog.ConnectionLog("the connection", peer, runtime, metrics)
    this.connection = connection
    this.#peer = peer
    this.#runtime = runtime
    this.#info = connection.info
    this.#isUp = this.#info !== undefined
  }

  listen(listener: LinkListener): void {
    this.#listeners.add(listener)
  }

  /** Whether what is handed to the connection now goes to the server. */
  get isUp(): boolean {
    return this.#isUp && (this.connection.info === this.#info || this.#look())
  }

  get info(): ServerInfo | undefined {
    return this.#info
  }

  get ended(): string | undefined {
    return this.#ended
  }

  /** Why the connection does not work. */
  get trouble(): string {
    if (this.#ended !== undefined) return this.#ended
    const { reason } = this.#log
    return `the connection is down (reconnecting)${reason === undefined ? "" : `: ${reason}`}`
  }

  /** The server may only have told something new about itself. */
  #look(): boolean {
    const { info } = this.connection
    if (info?.client_id === this.#info?.client_id && info?.server_id === this.#info?.server_id) {
      this.#info = info
      return true
    }
    this.#broken()
    return false
  }

  /** Sends a PING, and tells whether it was answered: `false` where the connection broke, or is down. */
  ping(answered: Asked): void {
    if (!this.isUp) return answered(false)
    this.#asked.add(answered)
    const done = (isAnswered: boolean): void => {
      if (this.#asked.delete(answered)) answered(isAnswered)
    }
    const lost = (): void => {
      // the client has begun anew: its status says so later
      if (this.#isUp) this.#look()
      done(false)
    }
    try {
      this.connection.flush().then(() => done(true), lost)
    } catch {
      lost()
    }
  }

  /** Waits until the server has answered all that was sent before: `false` where the connection broke, or is down. */
  readonly answered: Effect.Effect<boolean> = Effect.callback((resume) => {
    this.#asking.push((isAnswered) => resume(Effect.succeed(isAnswered)))
    if (this.#asking.length > 1) return
    queueMicrotask(() => {
      const asking = this.#asking
      this.#asking = []
      this.ping((isAnswered) => {
        for (const asked of asking) asked(isAnswered)
      })
    })
  })

  /** Waits until the connection works. Fails where it will not any more. */
  readonly works: Effect.Effect<void, PsrpcError.PsrpcError> = Effect.callback((resume) => {
    const listener: LinkListener = {
      up: () => resume(Effect.void),
      ended: () => resume(Effect.fail(this.#peer.unreachable(this.trouble, false)))
    }
    if (this.#ended !== undefined) return listener.ended!()
    if (this.isUp) return listener.up!()
    this.#listeners.add(listener)
    return Effect.sync(() => this.#listeners.delete(listener))
  })

  /** Waits until all that was sent by now has been answered, on a connection that works. Fails where there will be none. */
  readonly confirmed: Effect.Effect<void, PsrpcError.PsrpcError> = this.works.pipe(
    Effect.andThen(this.answered),
    Effect.repeat({ until: (isAnswered) => isAnswered }),
    Effect.asVoid
  )

  #tell(event: "up" | "down" | "ended" | "trying"): void {
    for (const listener of [...this.#listeners]) listener[event]?.()
  }

  #broken(): void {
    if (!this.#isUp) return
    this.#isUp = false
    if (this.#ended === undefined) this.#log.lost()
    const asked = [...this.#asked]
    this.#asked.clear()
    this.#tell("down")
    for (const answered of asked) answered(false)
  }

  #restored(): void {
    const { info } = this.connection
    // broken again, or of a connection that is known to work
    if (info === undefined || (this.#isUp && info === this.#info)) return
    this.#broken()
    this.#info = info
    this.#isUp = true
    this.#log.restored()
    this.#tell("up")
  }

  /** Takes nothing any more. */
  end(reason: string): void {
    if (this.#ended !== undefined) return
    this.#ended = reason
    this.#tell("ended")
  }

  #closed(error: unknown): void {
    if (this.#ended !== undefined) return
    const reason = error === undefined || error === null ? undefined : this.#peer.reasonOf(error)
    this.#broken()
    const text = `the connection is closed${reason === undefined ? "" : `: ${reason}`}`
    this.#runtime.log("error", this.#peer.message(text))
    this.end(text)
  }

  #heard(status: { readonly type: string }): void {
    switch (status.type) {
      case "disconnect":
        return this.#broken()
      case "reconnecting":
        return this.#tell("trying")
      case "reconnect":
        return this.#restored()
      case "staleConnection":
        this.#runtime.log("warning", this.#peer.message("the server does not answer: the connection is given up"))
        return breakSocket(this.connection)
      case "ldm":
        return this.#runtime.log("info", this.#peer.message("the server is about to end (lame duck mode)"))
      case "error":
        return this.#complained(status)
    }
  }

  #complained(status: object): void {
    const violation = violationOf(status)
    if (violation !== undefined) {
      for (const listener of [...this.#listeners]) listener.violated?.(violation)
      return
    }
    const { data, error } = status as { data?: unknown; error?: unknown }
    this.#log.failed(this.#peer.reasonOf(error ?? data))
  }

  /** Follows the connection for as long as the scope is open. */
  readonly watch: Effect.Effect<void, never, Scope.Scope> = Effect.suspend(() => {
    let watching = true
    const statuses = this.connection.status() as AsyncIterable<{ readonly type: string }> & { stop?: () => void }
    const follow = async (): Promise<void> => {
      for await (const status of statuses) {
        if (!watching) return
        this.#heard(status)
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
        // not part of what is documented, and without it the client keeps our statuses for ever
        statuses.stop?.()
      })
    )
  })
}
