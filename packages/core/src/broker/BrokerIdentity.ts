/**
 * The identity of a broker in errors and log lines: its kind, its address, and the secrets that must not appear in them.
 *
 * Errors of a broker's client are not passed on, because they may contain what the client was given. Only their text is
 * used, without secrets.
 *
 * **Example** (Errors of a broker)
 *
 * ```ts
 * import { BrokerIdentity } from "@effect-psrpc/core/broker"
 *
 * class MyBroker extends BrokerIdentity.BrokerIdentity {
 *   reasonOf(error: unknown): string {
 *     return this.redact(error instanceof Error ? error.message : String(error))
 *   }
 * }
 *
 * const broker = new MyBroker("mybroker", "127.0.0.1:4000", ["s3cret"])
 * broker.message("refused s3cret") // => "mybroker at 127.0.0.1:4000: refused <redacted>"
 * broker.unreachable("the connection is down", false).reason // => "connection"
 * ```
 *
 * @since 0.1.0
 */
import * as PsrpcError from "../PsrpcError.ts"

/**
 * Creates the errors and log texts of one broker. The errors have no stack, since they are created in callbacks of the
 * broker's client.
 *
 * @category models
 * @since 0.1.0
 */
export abstract class BrokerIdentity {
  /** The kind of broker, in lower case: `redis`, `nats`. */
  readonly kind: string
  /** `host:port` of each server, or another description of where the broker is. */
  readonly address: string
  readonly #secrets: ReadonlyArray<string>

  /** `secrets` are texts that no error and no log line may contain. */
  constructor(kind: string, address: string, secrets: ReadonlyArray<string | null | undefined>) {
    this.kind = kind
    this.address = address
    const plain = secrets.filter((secret) => typeof secret === "string" && secret !== "") as Array<string>
    // also in the form that a secret has in a URL; the longest first, since one may be a part of another
    this.#secrets = [...new Set(plain.flatMap((secret) => [secret, encodeURIComponent(secret)]))].sort(
      (a, b) => b.length - a.length
    )
  }

  /** Returns the text of an error of the broker's client, without secrets. */
  abstract reasonOf(error: unknown): string

  /** Replaces secrets in a text. */
  redact(text: string): string {
    for (const secret of this.#secrets) text = text.replaceAll(secret, "<redacted>")
    return text
  }

  /** Returns a text for users and operators: it names the broker, and contains no secrets. */
  message(text: string): string {
    return `${this.kind} at ${this.address}: ${this.redact(text)}`
  }

  /** Converts an error of the broker's client to one that users may see: its text and its `code`, no other field. */
  causeOf(error: unknown): Error {
    const cause = new Error(this.reasonOf(error))
    cause.name = `${this.kind[0]!.toUpperCase()}${this.kind.slice(1)}Error`
    // it would be the stack of this function
    delete cause.stack
    const { code } = (error ?? {}) as { code?: unknown }
    return typeof code === "string" ? Object.assign(cause, { code }) : cause
  }

  /** Creates the error of a broker that cannot be reached: `Unavailable`, reason `connection`. */
  unreachable(text: string, mayHaveRun: boolean, cause?: unknown): PsrpcError.Unavailable {
    return PsrpcError.fromCode("unavailable", {
      message: this.message(text),
      reason: "connection",
      mayHaveRun,
      ...(cause !== undefined && { cause: this.causeOf(cause) })
    })
  }

  /**
   * Creates the error of a message that is larger than a limit: `ResourceExhausted`, reason `too_large`. `limit` names the
   * limit and its value in bytes: "the bus's maxPayload of 1024 bytes".
   */
  tooLarge(channel: string, bytes: number, limit: string): PsrpcError.ResourceExhausted {
    return PsrpcError.fromCode("resource_exhausted", {
      message: this.message(`a message of ${bytes} bytes to ${channel} is larger than ${limit}`),
      reason: "too_large",
      mayHaveRun: false
    })
  }

  /**
   * Creates the error of a message that the send queue has no room for: `ResourceExhausted`, reason `overflow`. `text`
   * says why messages wait: "the connection is down".
   */
  overflow(channel: string, text: string): PsrpcError.ResourceExhausted {
    return PsrpcError.fromCode("resource_exhausted", {
      message: this.message(
        `${text}, and the send queue has no room for a message to ${channel} (maxBufferedMessages, maxBufferedBytes)`
      ),
      reason: "overflow",
      mayHaveRun: false
    })
  }

  /**
   * Creates the error of a message that was never sent because earlier messages of its channel had no listeners:
   * `Unavailable`, reason `no_listeners`.
   */
  notSent(channel: string): PsrpcError.Unavailable {
    return PsrpcError.fromCode("unavailable", {
      message: this.message(`a message to ${channel} was not sent: the messages before it had no listeners`),
      reason: "no_listeners",
      mayHaveRun: false
    })
  }
}
