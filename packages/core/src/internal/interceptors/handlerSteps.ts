/** The argument of the steps around a server's handlers. */
import type { AnyCall } from "../calls/callContext.ts"
import type { ServerCall, ServerStreamCall } from "../calls/interceptedCalls.ts"
import type { CallMethod } from "../definition/method.ts"

/** Around a handler of a unary or multi method. The handler gets `about.request`. */
export interface Answering {
  readonly method: CallMethod
  readonly about: ServerCall
  /** The second argument of the handler. */
  readonly call: AnyCall
}

/** Around a handler of a stream. The handler gets `about.stream`. */
export interface Streaming {
  readonly about: ServerStreamCall
  /** The second argument of the handler. */
  readonly call: AnyCall
}

export type HandlerStep = Answering | Streaming
