/** The parts of a nats.js connection that the bus uses. They are the same in nats 2 and in @nats-io/transport-node 3. */
import { PsrpcError } from "@effect-psrpc/core"

export interface ServerInfo {
  readonly server_id: string
  readonly client_id: number
  readonly max_payload: number
  readonly headers?: boolean
  readonly cluster?: string
}

export interface Message {
  readonly subject: string
  readonly data: Uint8Array
  readonly headers?: { readonly code: number } | undefined
}

export interface Subscription {
  drain(): Promise<void>
}

export interface SubscribeOptions {
  queue?: string
  callback?: (error: Error | null, message: Message) => void
}

/** Status of the empty message by which the server reports that a message had no listeners. */
export const noResponders = 503

/**
 * The members that a connection must have: a connection of `nats` 2 or of `@nats-io/transport-node` 3, for example.
 *
 * @category models
 * @since 0.1.0
 */
export interface Connection {
  readonly info?: ServerInfo | undefined
  publish(subject: string, payload?: Uint8Array, options?: { reply?: string }): void
  subscribe(subject: string, options?: SubscribeOptions): Subscription
  /** Sends a PING. Resolves when its PONG arrives. */
  flush(): Promise<void>
  status(): AsyncIterable<{ readonly type: string }>
  closed(): Promise<void | Error>
  drain(): Promise<void>
  close(): Promise<void>
  isClosed(): boolean
  isDraining(): boolean
  getServer(): string
}

/** An operation that the user has no permission for. */
export interface Violation {
  readonly operation: string
  readonly subject: string
}

/** Returns the violation in a status, if there is one: nats 2 has it beside the error, nats 3 in the error. */
export const violationOf = (status: object): Violation | undefined => {
  const { error, permissionContext } = status as { error?: unknown; permissionContext?: unknown }
  const { operation, subject } = (permissionContext ?? error ?? {}) as Partial<Violation>
  return typeof operation === "string" && typeof subject === "string" ? { operation, subject } : undefined
}

/** Returns why a connection cannot be used, or `undefined`. Each of these would silently break a promise of the bus. */
export const checkConnection = (connection: Connection): PsrpcError.FailedPrecondition | undefined => {
  const problem = problemOf(connection)
  return problem === undefined
    ? undefined
    : PsrpcError.fromCode("failed_precondition", {
        message: `NatsMessageBus: the connection ${problem}`,
        reason: "not_sent",
        mayHaveRun: false
      })
}

const problemOf = (connection: Connection): string | undefined => {
  const needed = ["publish", "subscribe", "flush", "status", "closed", "isClosed"] as const
  if (needed.some((name) => typeof connection?.[name] !== "function")) return "is not one of nats.js"
  if (connection.isClosed()) return "is closed"
  if (connection.isDraining()) return "is being drained"
  const { options } = connection as { options?: { noEcho?: boolean } }
  if (options?.noEcho === true) return "does not receive messages of this process: set noEcho to false"
  return undefined
}

/**
 * Destroys the socket of a connection. nats.js closes a connection only after the socket has accepted all written data,
 * which never happens if the server has stopped reading; and its `close` does not stop a connect in progress. The
 * members used are not documented: without them, nothing happens.
 */
export const destroySocket = (connection: object): void => {
  const { protocol } = connection as { protocol?: { transport?: { socket?: { destroy?: () => void } } } }
  protocol?.transport?.socket?.destroy?.()
}
