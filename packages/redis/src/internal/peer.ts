import { PsrpcError } from "@effect-psrpc/core"

/**
 * The Redis at the other end, for errors and logs: where it is, and what must never be told about it.
 *
 * ioredis' errors are not passed on: they hold the arguments of the command that failed, and that of a failed handshake
 * is the password.
 */
export class Peer {
  /** `host:port`, or what else says where it is. */
  readonly address: string
  readonly #secrets: ReadonlyArray<string>

  constructor(address: string, secrets: ReadonlyArray<string | null | undefined>) {
    this.address = address
    const plain = secrets.filter((secret) => typeof secret === "string" && secret !== "") as Array<string>
    // a secret may also be seen as it stands in a URL
    this.#secrets = [...new Set(plain.flatMap((secret) => [secret, encodeURIComponent(secret)]))]
  }

  redact(text: string): string {
    for (const secret of this.#secrets) text = text.replaceAll(secret, "<redacted>")
    return text
  }

  message(text: string): string {
    return `redis at ${this.address}: ${text}`
  }

  /** What an error says, and no more. */
  reasonOf(error: unknown): string {
    const { code, errors, lastNodeError, message } = (error ?? {}) as Readonly<Record<string, unknown>>
    // a Cluster's own error says that it failed, not why
    if (lastNodeError instanceof Error) return this.reasonOf(lastNodeError)
    if (typeof message === "string" && message !== "") return this.redact(message)
    // an AggregateError of several addresses has no message of its own
    if (Array.isArray(errors) && errors.length > 0) return this.reasonOf(errors[0])
    return typeof code === "string" ? code : "unknown error"
  }

  /** An error for users' eyes, with the text of what led to it as its cause. */
  causeOf(error: unknown): Error {
    const cause = new Error(this.reasonOf(error))
    cause.name = "RedisError"
    // the stack of this function says nothing
    delete cause.stack
    const { code } = (error ?? {}) as { code?: unknown }
    return typeof code === "string" ? Object.assign(cause, { code }) : cause
  }

  /** The broker cannot be reached. */
  unreachable(text: string, mayHaveRun: boolean, cause?: unknown): PsrpcError.Unavailable {
    return new PsrpcError.Unavailable({
      message: this.message(text),
      reason: "connection",
      mayHaveRun,
      ...(cause !== undefined && { cause: this.causeOf(cause) })
    })
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
    if (/^(WRONGPASS|NOAUTH|ERR invalid password|ERR AUTH)/.test(reason)) return new PsrpcError.Unauthenticated(options)
    if (reason.startsWith("NOPERM")) return new PsrpcError.PermissionDenied(options)
    return new PsrpcError.Unavailable(answered ? options : { ...options, reason: "connection" })
  }
}

/** Whether an error is an answer of Redis': those begin with a code in capitals, and what ioredis and Node say does not. */
export const isReply = (error: unknown): boolean => error instanceof Error && /^[A-Z]{2,}(\s|$)/.test(error.message)
