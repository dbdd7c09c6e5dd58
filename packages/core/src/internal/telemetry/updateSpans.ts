import { Exit } from "effect"
import { Fifo } from "../support/fifo.ts"
import { readTrace } from "../wire/msgTrace.ts"
import type * as PsrpcError from "../../PsrpcError.ts"
import * as Attributes from "./attributes.ts"
import type { CallSpan, Spans } from "./spans.ts"
import { incoming } from "./traceContext.ts"

/** The spans of one subscription's updates: each from its arrival until it is read. As the updates, they wait in line. */
export class UpdateSpans {
  readonly #spans: Spans
  readonly #waiting = new Fifo<CallSpan | undefined>()

  constructor(spans: Spans) {
    this.#spans = spans
  }

  /** An update that is about to wait: the whole `Msg`, and the size of what is in it. */
  arrived(message: Uint8Array, size: number): void {
    const trace = readTrace(message)
    const parent = trace === undefined ? undefined : incoming(trace.traceparent, trace.tracestate)
    this.#waiting.push(this.#spans.start(parent, { [Attributes.messagingBodySize]: size }))
  }

  /** The oldest is read. */
  taken(): void {
    this.#endOldest(Exit.void)
  }

  /** The oldest makes room for another. */
  lost(error: PsrpcError.PsrpcError): void {
    this.#endOldest(Exit.fail(error))
  }

  /** Nobody reads those that are left. */
  left(): void {
    while (this.#waiting.size > 0) this.#endOldest(Exit.interrupt())
  }

  #endOldest(exit: Exit.Exit<unknown, unknown>): void {
    this.#waiting.shift()?.end(exit)
  }
}
