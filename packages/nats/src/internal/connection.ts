import { PsrpcError } from "@effect-psrpc/core"

/** What of a connection of nats.js the bus uses: its majors differ in the rest. */

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

/** Nobody listens, says the server: a message without content and with this status. */
export const noResponders = 503

export interface Connection {
  readonly info?: ServerInfo | undefined
  publish(subject: string, payload?: Uint8Array, options?: { reply?: string }): void
  subscribe(subject: string, options?: SubscribeOptions): Subscription
  /** Sends a PING; resolves with its PONG. */
  flush(): Promise<void>
  status(): AsyncIterable<{ readonly type: string }>
  closed(): Promise<void | Error>
  drain(): Promise<void>
  close(): Promise<void>
  isClosed(): boolean
  isDraining(): boolean
  getServer(): string
}

/** A subject that this connection may not publish to, or subscribe to. */
export interface Violation {
  readonly operation: string
  readonly subject: string
}

/** The violation that a status tells of: nats 2 has it beside the error's code, nats 3 in the error. */
export const violationOf = (status: object): Violation | undefined => {
  const { error, permissionContext } = status as { error?: unknown; permissionContext?: unknown }
  const { operation, subject } = (permissionContext ?? error ?? {}) as Partial<Violation>
  return typeof operation === "string" && typeof subject === "string" ? { operation, subject } : undefined
}

/** Why a connection cannot be used, where it cannot: each of these would break a promise of the bus without a sound. */
export const refusalOf = (connection: Connection): PsrpcError.FailedPrecondition | undefined => {
  const trouble = troubleOf(connection)
  return trouble === undefined
    ? undefined
    : PsrpcError.fromCode("failed_precondition", {
        message: `NatsMessageBus: the connection ${trouble}`,
        reason: "not_sent",
        mayHaveRun: false
      })
}

const troubleOf = (connection: Connection): string | undefined => {
  const needed = ["publish", "subscribe", "flush", "status", "closed", "isClosed"] as const
  if (needed.some((name) => typeof connection?.[name] !== "function")) return "is not one of nats.js"
  if (connection.isClosed()) return "is closed"
  if (connection.isDraining()) return "is being drained"
  const { options } = connection as { options?: { noEcho?: boolean } }
  if (options?.noEcho === true) return "would not give this process what it sends itself: set noEcho to false"
  return undefined
}

/**
 * Breaks the socket under a connection. Where nats.js gives one up by itself it first waits for the socket to take all
 * that was written, for ever where the other end has stopped reading; and closing does not reach a connection that is just
 * being made. What it leans on is not documented: where it is not there, nothing happens.
 */
export const breakSocket = (connection: object): void => {
  const { protocol } = connection as { protocol?: { transport?: { socket?: { destroy?: () => void } } } }
  protocol?.transport?.socket?.destroy?.()
}
