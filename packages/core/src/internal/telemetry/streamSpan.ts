import { Cause, Exit } from "effect"
import type * as PsrpcError from "../../PsrpcError.ts"
import * as Attributes from "./attributes.ts"
import type { CallSpan } from "./spans.ts"

/** The span of a stream at one endpoint, from its opening to its end. */
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

  /** Called when the stream closes. */
  closed(cause: PsrpcError.PsrpcError | undefined): void {
    if (cause !== undefined && this.#exit._tag === "Success") this.#exit = Exit.fail(cause)
  }

  /** Called when the handler returns. Its failure has precedence over the cause of the close. */
  returned(exit: Exit.Exit<unknown, unknown>): void {
    if (exit._tag === "Failure" && !Cause.hasInterruptsOnly(exit.cause)) this.#exit = exit
  }

  /** Ends the span by the recorded cause, or by `exit`. */
  end(exit: Exit.Exit<unknown, unknown> = this.#exit): void {
    this.#span.attribute(Attributes.messagesSent, this.#sent)
    this.#span.attribute(Attributes.messagesReceived, this.#received)
    this.#span.end(exit)
  }
}
