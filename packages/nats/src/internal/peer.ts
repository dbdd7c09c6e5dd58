import { PsrpcError } from "@effect-psrpc/core"
import { BrokerIdentity } from "@effect-psrpc/core/broker"

/** What the codes of nats 2 mean, which it gives as the text of its errors. */
const meanings: Readonly<Record<string, string>> = {
  CONNECTION_REFUSED: "connection refused",
  CONNECTION_TIMEOUT: "no answer",
  TIMEOUT: "no answer",
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

/** The NATS at the other end. */
export class Peer extends BrokerIdentity.BrokerIdentity {
  constructor(address: string, secrets: ReadonlyArray<string | undefined>) {
    super("nats", address, secrets)
  }

  /** What an error says, and no more. */
  override reasonOf(error: unknown): string {
    if (typeof error === "string") return this.redact(meanings[error] ?? error)
    const { cause, chainedError, code, errors, message } = (error ?? {}) as Readonly<Record<string, unknown>>
    const inner = chainedError ?? cause
    // nats 2 says "TLS" or "CONNECTION_REFUSED", and Node says why
    if (inner instanceof Error && inner.message !== "") return this.reasonOf(inner)
    if (code === "SERVER_OPT_NA") return `the server does not offer ${this.redact(String(message))}`
    if (typeof message === "string" && message !== "") return this.redact(meanings[message] ?? message)
    // an AggregateError of several addresses has no message of its own
    if (Array.isArray(errors) && errors.length > 0) return this.reasonOf(errors[0])
    return typeof code === "string" ? code : "unknown error"
  }

  /** This user may not. */
  denied(what: string): PsrpcError.PermissionDenied {
    return PsrpcError.fromCode("permission_denied", {
      message: this.message(`${what}: not allowed`),
      mayHaveRun: false
    })
  }

  /** The typed form of what the client fails with. */
  failed(what: string, error: unknown): PsrpcError.PsrpcError {
    const reason = this.reasonOf(error)
    const options = { message: this.message(`${what}: ${reason}`), mayHaveRun: false, cause: this.causeOf(error) }
    if (isPermission(reason)) return PsrpcError.fromCode("permission_denied", options)
    if (isAuthentication(reason)) return PsrpcError.fromCode("unauthenticated", options)
    return PsrpcError.fromCode("unavailable", { ...options, reason: "connection" })
  }
}
