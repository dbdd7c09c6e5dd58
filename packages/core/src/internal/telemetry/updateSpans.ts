import { Exit } from "effect"
import { Fifo } from "../support/fifo.ts"
import { readTrace } from "../wire/msgTrace.ts"
import type * as PsrpcError from "../../PsrpcError.ts"
import * as Attributes from "./attributes.ts"
import type { CallSpan, Spans } from "./spans.ts"
import { incoming } from "./traceContext.ts"

/** The spans of one subscription's updates, each from its arrival until it is read, in order. */
export class UpdateSpans {
  readonly #spans: Spans
  readonly #waiting = new Fifo<CallSpan | undefined>()

  constructor(spans: Spans) {
    this.#spans = spans
  }

  /** Starts the span of an update. `Msg` is the whole message, the size that of its payload. */
  arrived(message: Uint8Array, size: number): void {
    const trace = readTrace(message)
    const parent = trace === undefined ? undefined : incoming(trace.traceparent, trace.tracestate)
    this.#waiting.push(this.#spans.start(parent, { [Attributes.messagingBodySize]: size }))
  }

  /** Ends the span of the oldest update, which was read. */
  taken(): void {
    this.#endOldest(Exit.void)
  }

  /** Ends the span of the oldest update, which was dropped for a new one. */
  lost(error: PsrpcError.PsrpcError): void {
    this.#endOldest(Exit.fail(error))
  }

  /** Ends the spans of the unread updates. */
  left(): void {
    while (this.#waiting.size > 0) this.#endOldest(Exit.interrupt())
  }

  #endOldest(exit: Exit.Exit<unknown, unknown>): void {
    this.#waiting.shift()?.end(exit)
  }
}
