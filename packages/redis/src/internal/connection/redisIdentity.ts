import { PsrpcError } from "@effect-psrpc/core"
import { BrokerIdentity } from "@effect-psrpc/core/broker"

/** The reason of a command that was sent on a connection which broke. */
export const connectionLost = "the connection was lost before Redis replied"

/**
 * The Redis server in errors and log lines. Errors of ioredis are not passed on: they contain the arguments of the command
 * that failed, and an argument of a failed handshake is the password.
 */
export class RedisIdentity extends BrokerIdentity.BrokerIdentity {
  constructor(address: string, secrets: ReadonlyArray<string | null | undefined>) {
    super("redis", address, secrets)
  }

  /** Texts of this package contain no secrets, and are not redacted: one of their words may happen to be the password. */
  override message(text: string): string {
    return `${this.kind} at ${this.address}: ${text}`
  }

  override reasonOf(error: unknown): string {
    const { code, errors, lastNodeError, message, name } = (error ?? {}) as Readonly<Record<string, unknown>>
    // the error of a Cluster has its cause here
    if (lastNodeError instanceof Error) return this.reasonOf(lastNodeError)
    // its text advises to change an option that the bus sets
    if (name === "MaxRetriesPerRequestError") return connectionLost
    if (typeof message === "string" && message !== "") return authenticationReason(message) ?? this.redact(message)
    // an AggregateError for several addresses has no message
    if (Array.isArray(errors) && errors.length > 0) return this.reasonOf(errors[0])
    return typeof code === "string" ? code : "unknown error"
  }

  /**
   * Converts a rejection of ioredis. `operation` is what failed: "publish to news". If Redis replied with an error, the
   * command has had no effect.
   */
  failure(operation: string, error: unknown, mayHaveRun = true): PsrpcError.PsrpcError {
    const reason = this.reasonOf(error)
    const hasReply = isReply(error)
    const options = {
      message: this.message(`${operation}: ${reason}`),
      mayHaveRun: mayHaveRun && !hasReply,
      cause: this.causeOf(error)
    }
    if (/^(WRONGPASS|NOAUTH|ERR invalid password|ERR AUTH)/.test(reason))
      return PsrpcError.fromCode("unauthenticated", options)
    if (reason.startsWith("NOPERM")) return PsrpcError.fromCode("permission_denied", options)
    return PsrpcError.fromCode("unavailable", hasReply ? options : { ...options, reason: "connection" })
  }
}

/**
 * Replaces what Redis replies about a user and a password. To redact a password that is a common word from Redis'
 * sentence would show which word it is.
 */
const authenticationReason = (message: string): string | undefined => {
  if (message.startsWith("WRONGPASS")) return "WRONGPASS: wrong user or password"
  if (message.startsWith("NOAUTH")) return "NOAUTH: a password is required"
  return /^ERR (invalid password|AUTH)/.test(message)
    ? "ERR AUTH: wrong password, or the server has no password"
    : undefined
}

/** Whether an error is a reply of Redis: replies begin with a code in capitals, errors of ioredis and Node do not. */
export const isReply = (error: unknown): boolean => error instanceof Error && /^[A-Z]{2,}(\s|$)/.test(error.message)
