import { Cause, Exit } from "effect"
import type * as PsrpcError from "../../PsrpcError.ts"
import * as Attributes from "./attributes.ts"
import type { CallSpan } from "./spans.ts"

/** The span of a stream on one of its ends, from its opening until it is over. */
export class StreamSpan {
  readonly #span: CallSpan
  #sent = 0
  #received = 0
  #exit: Exit.Exit<unknown, unknown> = Exit.void

  constructor(span: CallSpan, streamId: string) {
    this.#span = span
    span.attribute(Attributes.streamId, streamId)
  }

  sent(size: number): void {
    this.#message("SENT", ++this.#sent, size)
  }

  received(size: number): void {
    this.#message("RECEIVED", ++this.#received, size)
  }

  #message(type: "SENT" | "RECEIVED", id: number, size: number): void {
    this.#span.event(Attributes.messageEvent, {
      [Attributes.messageType]: type,
      [Attributes.messageId]: id,
      [Attributes.messageSize]: size
    })
  }

  /** The stream is closed. */
  closed(cause: PsrpcError.PsrpcError | undefined): void {
    if (cause !== undefined && this.#exit._tag === "Success") this.#exit = Exit.fail(cause)
  }

  /** Its handler has returned: what that failed with says more than what it closed the stream with. */
  returned(exit: Exit.Exit<unknown, unknown>): void {
    if (exit._tag === "Failure" && !Cause.hasInterruptsOnly(exit.cause)) this.#exit = exit
  }

  /** It is over: by what it was told, or by `exit`. */
  end(exit: Exit.Exit<unknown, unknown> = this.#exit): void {
    this.#span.attribute(Attributes.messagesSent, this.#sent)
    this.#span.attribute(Attributes.messagesReceived, this.#received)
    this.#span.end(exit)
  }
}
