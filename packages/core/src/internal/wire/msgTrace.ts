/**
 * The trace context of an update: two fields of the `Msg` around it, since an update has no envelope. Only this library
 * reads them, and only a publisher with a tracer writes them.
 */
import * as Reader from "./reader.ts"
import * as Writer from "./writer.ts"

/** Trace context on the wire: the header fields of these names in W3C Trace Context. */
export interface TraceContext {
  readonly traceparent: string
  readonly tracestate: string | undefined
}

const traceparentTag = 0x8a // field 17, text
const tracestateTag = 0x92 // field 18, text

/** Returns the maximum size of both fields in bytes. */
export const maxTraceSize = ({ traceparent, tracestate = "" }: TraceContext): number =>
  Writer.maxStringSize(traceparent) + Writer.maxStringSize(tracestate) + 2

export const writeTrace = ({ traceparent, tracestate = "" }: TraceContext): void => {
  Writer.writeVarint(traceparentTag)
  Writer.writeString(traceparent)
  if (tracestate === "") return
  Writer.writeVarint(tracestateTag)
  Writer.writeString(tracestate)
}

/** Returns the trace context of a `Msg`; `undefined` if there is none, or if the bytes are malformed. */
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
