import { PsrpcError } from "@effect-psrpc/core"
import { BrokerIdentity } from "@effect-psrpc/core/broker"

/**
 * The Redis at the other end. ioredis' errors hold the arguments of the command that failed, and that of a failed
 * handshake is the password.
 */
export class Peer extends BrokerIdentity.BrokerIdentity {
  constructor(address: string, secrets: ReadonlyArray<string | null | undefined>) {
    super("redis", address, secrets)
  }

  /** What `reasonOf` gives has no secrets; words of our own may be a password, and stay. */
  override message(text: string): string {
    return `${this.kind} at ${this.address}: ${text}`
  }

  /** What an error says, and no more. */
  override reasonOf(error: unknown): string {
    const { code, errors, lastNodeError, message } = (error ?? {}) as Readonly<Record<string, unknown>>
    // a Cluster's own error says that it failed, not why
    if (lastNodeError instanceof Error) return this.reasonOf(lastNodeError)
    if (typeof message === "string" && message !== "") return refusalOf(message) ?? this.redact(message)
    // an AggregateError of several addresses has no message of its own
    if (Array.isArray(errors) && errors.length > 0) return this.reasonOf(errors[0])
    return typeof code === "string" ? code : "unknown error"
  }

  /** The typed form of what ioredis rejects with. An answer of Redis' is an error it has made before doing anything. */
  failed(what: string, error: unknown, mayHaveRun = true): PsrpcError.PsrpcError {
    const reason = this.reasonOf(error)
    const answered = isReply(error)
    const options = {
      message: this.message(`${what}: ${reason}`),
      mayHaveRun: mayHaveRun && !answered,
      cause: this.causeOf(error)
    }
    if (/^(WRONGPASS|NOAUTH|ERR invalid password|ERR AUTH)/.test(reason))
      return PsrpcError.fromCode("unauthenticated", options)
    if (reason.startsWith("NOPERM")) return PsrpcError.fromCode("permission_denied", options)
    return PsrpcError.fromCode("unavailable", answered ? options : { ...options, reason: "connection" })
  }
}

/**
 * What Redis says of a user and a password, in words of our own: to take a password that is a common word out of Redis'
 * sentence would show what it is.
 */
const refusalOf = (message: string): string | undefined => {
  if (message.startsWith("WRONGPASS")) return "WRONGPASS: the user or the password is not right"
  if (message.startsWith("NOAUTH")) return "NOAUTH: it wants a password"
  return /^ERR (invalid password|AUTH)/.test(message)
    ? "ERR AUTH: the password is not right, or none is set"
    : undefined
}

/** Whether an error is an answer of Redis': those begin with a code in capitals, and what ioredis and Node say does not. */
export const isReply = (error: unknown): boolean => error instanceof Error && /^[A-Z]{2,}(\s|$)/.test(error.message)
