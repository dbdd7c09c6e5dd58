/**
 * The broker at the other end, for errors and logs: where it is, and what must never be told about it.
 *
 * A client's own errors are not passed on: they may hold what the client was given. What is said of them is their text,
 * without secrets.
 *
 * **Example** (A broker's errors)
 *
 * ```ts
 * import { Peer } from "@effect-psrpc/core/broker"
 *
 * class MyPeer extends Peer.Peer {
 *   reasonOf(error: unknown): string {
 *     return this.redact(error instanceof Error ? error.message : String(error))
 *   }
 * }
 *
 * const peer = new MyPeer("mybroker", "127.0.0.1:4000", ["s3cret"])
 * peer.message("refused s3cret") // => "mybroker at 127.0.0.1:4000: refused <redacted>"
 * peer.unreachable("the connection is down", false).reason // => "connection"
 * ```
 *
 * @since 0.1.0
 */
import * as PsrpcError from "../PsrpcError.ts"

/**
 * What a bus knows of its broker. Its errors have no stack, which would say nothing to anybody.
 *
 * @category models
 * @since 0.1.0
 */
export abstract class Peer {
  /** The broker's kind, in lower case. */
  readonly kind: string
  /** `host:port`, of each server there is, or what else says where it is. */
  readonly address: string
  readonly #secrets: ReadonlyArray<string>

  /** `secrets` is what no error and no line in the log may have. */
  constructor(kind: string, address: string, secrets: ReadonlyArray<string | null | undefined>) {
    this.kind = kind
    this.address = address
    const plain = secrets.filter((secret) => typeof secret === "string" && secret !== "") as Array<string>
    // a secret may also be seen as it stands in a URL; the longest first, they may be parts of each other
    this.#secrets = [...new Set(plain.flatMap((secret) => [secret, encodeURIComponent(secret)]))].sort(
      (a, b) => b.length - a.length
    )
  }

  /** What an error says, and no more: as text, without secrets. */
  abstract reasonOf(error: unknown): string

  /** A text without secrets. */
  redact(text: string): string {
    for (const secret of this.#secrets) text = text.replaceAll(secret, "<redacted>")
    return text
  }

  /** A text for people, which says of whom it speaks, without secrets. */
  message(text: string): string {
    return `${this.kind} at ${this.address}: ${this.redact(text)}`
  }

  /** An error for users' eyes, with what led to it as its text: without the client's fields, but for its `code`. */
  causeOf(error: unknown): Error {
    const cause = new Error(this.reasonOf(error))
    cause.name = `${this.kind[0]!.toUpperCase()}${this.kind.slice(1)}Error`
    // the stack of this function says nothing
    delete cause.stack
    const { code } = (error ?? {}) as { code?: unknown }
    return typeof code === "string" ? Object.assign(cause, { code }) : cause
  }

  /** The broker cannot be reached: `Unavailable`, reason `connection`. */
  unreachable(text: string, mayHaveRun: boolean, cause?: unknown): PsrpcError.Unavailable {
    return PsrpcError.fromCode("unavailable", {
      message: this.message(text),
      reason: "connection",
      mayHaveRun,
      ...(cause !== undefined && { cause: this.causeOf(cause) })
    })
  }

  /** A message is larger than the limit, which the text names: `ResourceExhausted`, reason `too_large`. */
  tooLarge(bytes: number, limit: string): PsrpcError.ResourceExhausted {
    return PsrpcError.fromCode("resource_exhausted", {
      message: this.message(`a message of ${bytes} bytes is larger than ${limit}`),
      reason: "too_large",
      mayHaveRun: false
    })
  }

  /** Too many messages wait, for the reason given: `ResourceExhausted`, reason `overflow`. */
  overflow(why: string): PsrpcError.ResourceExhausted {
    return PsrpcError.fromCode("resource_exhausted", {
      message: this.message(`${why}, and too many messages wait for it`),
      reason: "overflow",
      mayHaveRun: false
    })
  }

  /** Nobody has heard those before it, so a message was never sent: `Unavailable`, reason `no_listeners`. */
  unsent(): PsrpcError.Unavailable {
    return PsrpcError.fromCode("unavailable", {
      message: this.message("nobody has heard what was published on the channel before"),
      reason: "no_listeners",
      mayHaveRun: false
    })
  }
}
