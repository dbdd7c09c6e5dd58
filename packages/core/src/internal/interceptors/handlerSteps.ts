/** What the steps around a server's handler receive. */
import type { ServerStream } from "../../BidiStream.ts"
import type { AnyCall } from "../calls/callContext.ts"
import type { ServerCall, ServerStreamCall } from "../calls/interceptedCalls.ts"
import type { CallMethod } from "../definition/method.ts"

/** What a step around a handler of calls is about. */
export interface Answering {
  readonly method: CallMethod
  readonly about: ServerCall
  /** What the handler gets. */
  readonly call: AnyCall
}

/** What a step around a handler of streams is about. */
export interface Streaming {
  readonly about: ServerStreamCall
  readonly call: AnyCall
  readonly stream: ServerStream<unknown, unknown>
}
