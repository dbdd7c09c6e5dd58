/**
 * The trace context of an update: two fields of the `Msg` around it, since an update has no envelope of its own. Nobody but
 * this library reads them, and they are there only where the publisher has a tracer.
 */
import * as Reader from "./reader.ts"
import * as Writer from "./writer.ts"

/** Trace context as it travels: what W3C calls the header fields of these names. */
export interface TraceContext {
  readonly traceparent: string
  readonly tracestate: string | undefined
}

const traceparentTag = 0x8a // field 17, text
const tracestateTag = 0x92 // field 18, text

/** The most bytes that they take. */
export const traceBound = ({ traceparent, tracestate = "" }: TraceContext): number =>
  Writer.stringBound(traceparent) + Writer.stringBound(tracestate) + 2

export const writeTrace = ({ traceparent, tracestate = "" }: TraceContext): void => {
  Writer.writeVarint(traceparentTag)
  Writer.writeString(traceparent)
  if (tracestate === "") return
  Writer.writeVarint(tracestateTag)
  Writer.writeString(tracestate)
}

/** The trace context of a `Msg`; `undefined` where there is none, and where the bytes are malformed. */
export const readTrace = (bytes: Uint8Array): TraceContext | undefined => {
  let traceparent: string | undefined
  let tracestate: string | undefined
  Reader.read(bytes)
  while (Reader.more()) {
    const tag = Reader.readTag()
    if (tag === traceparentTag) traceparent = Reader.readString()
    else if (tag === tracestateTag) tracestate = Reader.readString()
    else Reader.skip(tag)
  }
  return Reader.done() && traceparent !== undefined ? { traceparent, tracestate } : undefined
}
