/**
 * W3C Trace Context: between the metadata of a request, or the fields of an update, and Effect's spans.
 *
 * A `tracestate` is forwarded unchanged. It is stored where @effect/opentelemetry stores its own, so that its tracer forwards
 * it, and so does every other tracer whose spans have their parents.
 */
import { Context, Option, Tracer } from "effect"
import type { Metadata } from "../metadata/model.ts"
import type { TraceContext } from "../wire/msgTrace.ts"

/** The interface of a trace state in OpenTelemetry's API. */
interface TraceState {
  readonly get: (key: string) => string | undefined
  readonly set: (key: string, value: string) => TraceState
  readonly unset: (key: string) => TraceState
  readonly serialize: () => string
}

/** The annotation of a span with its trace state. The key is that of @effect/opentelemetry, which core does not import. */
class IncomingTraceState extends Context.Service<IncomingTraceState, TraceState>()(
  "@effect/opentelemetry/Tracer/OtelTraceState"
) {}

/** Maximum length of a trace state: the length that W3C requires everyone to forward. A longer one is dropped. */
const longestState = 512

/** The characters of a trace state; tabs are allowed between its members. */
const printable = /^[\t\x20-\x7e]+$/

const isState = (text: string | undefined): text is string =>
  text !== undefined && text.length <= longestState && printable.test(text)

/** A trace state with its original text, until it is changed. */
const traceState = (text: string): TraceState => {
  const members = () =>
    text
      .split(",")
      .map((member) => member.trim())
      .filter((member) => member !== "")
  const without = (key: string) => members().filter((member) => !member.startsWith(`${key}=`))
  return {
    get: (key) =>
      members()
        .find((member) => member.startsWith(`${key}=`))
        ?.slice(key.length + 1),
    // the last change comes first
    set: (key, value) => traceState([`${key}=${value}`, ...without(key)].join(",")),
    unset: (key) => traceState(without(key).join(",")),
    serialize: () => text
  }
}

/** The start of a `traceparent` of every version; later versions may continue after another dash. */
const format = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const traceIdFormat = /^[0-9a-f]{32}$/
const spanIdFormat = /^[0-9a-f]{16}$/
const noTraceId = "0".repeat(32)
const noSpanId = "0".repeat(16)

/** Returns the peer's span; `undefined` if there is none, or if it cannot be parsed: a new trace starts then. */
export const incoming = (
  traceparent: string | undefined,
  tracestate: string | undefined
): Tracer.ExternalSpan | undefined => {
  if (traceparent === undefined) return undefined
  const match = format.exec(traceparent)
  if (match === null) return undefined
  const [, version, traceId, spanId, flags, more] = match
  if (version === "ff" || (version === "00" && more !== undefined)) return undefined
  if (traceId === noTraceId || spanId === noSpanId) return undefined
  return Tracer.externalSpan({
    traceId: traceId!,
    spanId: spanId!,
    sampled: (Number.parseInt(flags!, 16) & 1) === 1,
    annotations: isState(tracestate) ? Context.make(IncomingTraceState, traceState(tracestate)) : Context.empty()
  })
}

/** Returns the span of a request's sender. */
export const fromMetadata = (metadata: Metadata): Tracer.ExternalSpan | undefined =>
  incoming(metadata["traceparent"], metadata["tracestate"])

/** The OpenTelemetry span inside of a span of @effect/opentelemetry. */
interface MaybeOpenTelemetry {
  readonly span?: { readonly spanContext?: () => { readonly traceState?: Pick<TraceState, "serialize"> | undefined } }
}

/** Returns the trace state of a span, or of its nearest ancestor that has one. */
const stateOf = (span: Tracer.AnySpan): string | undefined => {
  for (let at: Tracer.AnySpan | undefined = span; at !== undefined;) {
    const own = (at as MaybeOpenTelemetry).span
    // a sampler may have changed or removed it
    if (typeof own?.spanContext === "function") return own.spanContext().traceState?.serialize()
    const state = Context.getOrUndefined(at.annotations, IncomingTraceState)
    if (state !== undefined) return state.serialize()
    at = at._tag === "Span" ? Option.getOrUndefined(at.parent) : undefined
  }
  return undefined
}

/** Returns the trace context of a span; `undefined` if it is not propagated, or if its ids are not W3C's. */
export const outgoing = (span: Tracer.AnySpan): TraceContext | undefined => {
  const { sampled, spanId } = span
  // some systems have trace ids of half the length: they are padded
  const traceId = span.traceId.padStart(32, "0")
  if (!traceIdFormat.test(traceId) || !spanIdFormat.test(spanId)) return undefined
  if (traceId === noTraceId || spanId === noSpanId || Context.get(span.annotations, Tracer.DisablePropagation)) {
    return undefined
  }
  const state = stateOf(span)
  return {
    traceparent: `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`,
    tracestate: isState(state) ? state : undefined
  }
}

/** Returns the metadata with a trace context, which replaces any other one. */
export const intoMetadata = (metadata: Metadata, { traceparent, tracestate }: TraceContext): Metadata => {
  const { tracestate: _, ...others } = metadata
  return tracestate === undefined ? { ...others, traceparent } : { ...others, traceparent, tracestate }
}
