import { PsrpcError } from "@effect-psrpc/core"
import { BrokerIdentity } from "@effect-psrpc/core/broker"

/** The meanings of nats 2's error codes, which are the texts of its errors. */
const meanings: Readonly<Record<string, string>> = {
  CONNECTION_REFUSED: "connection refused",
  CONNECTION_TIMEOUT: "no response",
  TIMEOUT: "no response",
  DISCONNECT: "disconnected",
  CONNECTION_CLOSED: "the connection is closed",
  CONNECTION_DRAINING: "the connection is being drained",
  AUTHORIZATION_VIOLATION: "Authorization Violation",
  AUTHENTICATION_EXPIRED: "User Authentication Expired",
  AUTHENTICATION_TIMEOUT: "Authentication Timeout",
  ACCOUNT_EXPIRED: "Account Authentication Expired",
  PERMISSIONS_VIOLATION: "Permissions Violation",
  NATS_PROTOCOL_ERR: "protocol error"
}

const isAuthentication = (reason: string): boolean => /authorization violation|authentication/i.test(reason)
const isPermission = (reason: string): boolean => /permissions violation/i.test(reason)

/** The NATS server, or cluster, in errors and log lines. */
export class NatsIdentity extends BrokerIdentity.BrokerIdentity {
  constructor(address: string, secrets: ReadonlyArray<string | undefined>) {
    super("nats", address, secrets)
  }

  override reasonOf(error: unknown): string {
    if (typeof error === "string") return this.redact(meanings[error] ?? error)
    const { cause, chainedError, code, errors, message } = (error ?? {}) as Readonly<Record<string, unknown>>
    const inner = chainedError ?? cause
    // the text of nats 2 is "TLS" or "CONNECTION_REFUSED", the error of Node has the reason
    if (inner instanceof Error && inner.message !== "") return this.reasonOf(inner)
    if (code === "SERVER_OPT_NA") return `the server does not offer ${this.redact(String(message))}`
    if (typeof message === "string" && message !== "") return this.redact(meanings[message] ?? message)
    // an AggregateError for several addresses has no message
    if (Array.isArray(errors) && errors.length > 0) return this.reasonOf(errors[0])
    return typeof code === "string" ? code : "unknown error"
  }

  /** Creates the error of an operation that the user has no permission for: "publish to news". */
  denied(operation: string): PsrpcError.PermissionDenied {
    return PsrpcError.fromCode("permission_denied", {
      message: this.message(`${operation}: the user has no permission`),
      mayHaveRun: false
    })
  }

  /** Converts an error of nats.js. `operation` is what failed: "publish to news". */
  failure(operation: string, error: unknown): PsrpcError.PsrpcError {
    const reason = this.reasonOf(error)
    const options = { message: this.message(`${operation}: ${reason}`), mayHaveRun: false, cause: this.causeOf(error) }
    if (isPermission(reason)) return PsrpcError.fromCode("permission_denied", options)
    if (isAuthentication(reason)) return PsrpcError.fromCode("unauthenticated", options)
    return PsrpcError.fromCode("unavailable", { ...options, reason: "connection" })
  }
}
