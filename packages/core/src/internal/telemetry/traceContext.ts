/**
 * Trace context as W3C has it, between the metadata of a request, or the fields of an update, and Effect's spans.
 *
 * A `tracestate` is kept as it came. It is found again where @effect/opentelemetry keeps its own, so that its tracer passes
 * it on, and so does any other tracer whose spans tell their parents.
 */
import { Context, Option, Tracer } from "effect"
import type { Metadata } from "../metadata/model.ts"
import type { TraceContext } from "../wire/msgTrace.ts"

/** What OpenTelemetry's API asks of a trace state. */
interface TraceState {
  readonly get: (key: string) => string | undefined
  readonly set: (key: string, value: string) => TraceState
  readonly unset: (key: string) => TraceState
  readonly serialize: () => string
}

/** Where a span keeps the trace state that it came with: the key is that of @effect/opentelemetry, which is not needed here. */
class IncomingTraceState extends Context.Service<IncomingTraceState, TraceState>()(
  "@effect/opentelemetry/Tracer/OtelTraceState"
) {}

/** The most characters that a trace state has here: as many as W3C asks everybody to pass on. A longer one is dropped. */
const longestState = 512

/** What a trace state is made of: between its members there may be tabs. */
const printable = /^[\t\x20-\x7e]+$/

const isState = (text: string | undefined): text is string =>
  text !== undefined && text.length <= longestState && printable.test(text)

/** A trace state with its text as it came, until somebody changes it. */
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
    // what was changed last is first
    set: (key, value) => traceState([`${key}=${value}`, ...without(key)].join(",")),
    unset: (key) => traceState(without(key).join(",")),
    serialize: () => text
  }
}

/** What later versions begin with as well; they may go on behind another dash. */
const format = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const traceIdFormat = /^[0-9a-f]{32}$/
const spanIdFormat = /^[0-9a-f]{16}$/
const noTraceId = "0".repeat(32)
const noSpanId = "0".repeat(16)

/** The span at the other end; `undefined` where there is none, or none that can be read: then a new trace begins. */
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

/** The span that a request comes from. */
export const fromMetadata = (metadata: Metadata): Tracer.ExternalSpan | undefined =>
  incoming(metadata["traceparent"], metadata["tracestate"])

/** OpenTelemetry's own span, inside of one of @effect/opentelemetry's. */
interface MaybeOpenTelemetry {
  readonly span?: { readonly spanContext?: () => { readonly traceState?: Pick<TraceState, "serialize"> | undefined } }
}

/** The trace state that a span goes with: of the nearest that knows of one. */
const stateOf = (span: Tracer.AnySpan): string | undefined => {
  for (let at: Tracer.AnySpan | undefined = span; at !== undefined;) {
    const own = (at as MaybeOpenTelemetry).span
    // a sampler may have changed it, or taken it away
    if (typeof own?.spanContext === "function") return own.spanContext().traceState?.serialize()
    const state = Context.getOrUndefined(at.annotations, IncomingTraceState)
    if (state !== undefined) return state.serialize()
    at = at._tag === "Span" ? Option.getOrUndefined(at.parent) : undefined
  }
  return undefined
}

/** What goes out for a span; `undefined` for one that is not propagated, or that has no ids as W3C's are. */
export const outgoing = (span: Tracer.AnySpan): TraceContext | undefined => {
  const { sampled, spanId } = span
  // some systems have trace ids of half the length
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

/** The metadata with a trace context in it, in place of any other that was there. */
export const intoMetadata = (metadata: Metadata, { traceparent, tracestate }: TraceContext): Metadata => {
  const { tracestate: _, ...others } = metadata
  return tracestate === undefined ? { ...others, traceparent } : { ...others, traceparent, tracestate }
}
