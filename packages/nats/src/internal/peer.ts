import { PsrpcError } from "@effect-psrpc/core"

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

/**
 * The NATS at the other end, for errors and logs: where it is, and what must never be told about it. The client's errors
 * are not passed on: what is said of them is their text, without secrets.
 */
export class Peer {
  /** `host:port`, of each server there is. */
  readonly address: string
  readonly #secrets: ReadonlyArray<string>

  constructor(address: string, secrets: ReadonlyArray<string | undefined>) {
    this.address = address
    const plain = secrets.filter((secret) => secret !== undefined && secret !== "") as Array<string>
    // a secret may also be seen as it stands in a URL; the longest first, they may be parts of each other
    this.#secrets = [...new Set(plain.flatMap((secret) => [secret, encodeURIComponent(secret)]))].sort(
      (a, b) => b.length - a.length
    )
  }

  redact(text: string): string {
    for (const secret of this.#secrets) text = text.replaceAll(secret, "<redacted>")
    return text
  }

  message(text: string): string {
    return `nats at ${this.address}: ${text}`
  }

  /** What an error says, and no more. */
  reasonOf(error: unknown): string {
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

  /** An error for users' eyes, with the text of what led to it as its cause. */
  causeOf(error: unknown): Error {
    const cause = new Error(this.reasonOf(error))
    cause.name = "NatsError"
    // the stack of this function says nothing
    delete cause.stack
    const { code } = (error ?? {}) as { code?: unknown }
    return typeof code === "string" ? Object.assign(cause, { code }) : cause
  }

  /** The broker cannot be reached. */
  unreachable(text: string, mayHaveRun: boolean): PsrpcError.Unavailable {
    return PsrpcError.fromCode("unavailable", { message: this.message(text), reason: "connection", mayHaveRun })
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
