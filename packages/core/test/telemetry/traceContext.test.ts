import { assert, describe, it } from "@effect/vitest"
import { Context, Option, Tracer } from "effect"
import { encodeValue, makeType, noFrame } from "../../src/internal/wire/callEnvelope.ts"
import { channelTail } from "../../src/internal/wire/frame.ts"
import { readTrace } from "../../src/internal/wire/msgTrace.ts"
import { fromMetadata, incoming, intoMetadata, outgoing } from "../../src/internal/telemetry/traceContext.ts"
import { decodeMsg, readChannel, withHop } from "../../src/internal/wire/msg.ts"

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
const spanId = "00f067aa0ba902b7"

const context = (traceparent: string) => {
  const span = incoming(traceparent, undefined)
  return span === undefined ? undefined : [span.traceId, span.spanId, span.sampled]
}

describe("a traceparent", () => {
  it("tells the trace, the span, and whether it is sampled", () => {
    assert.deepStrictEqual(context(`00-${traceId}-${spanId}-01`), [traceId, spanId, true])
    assert.deepStrictEqual(context(`00-${traceId}-${spanId}-00`), [traceId, spanId, false])
    assert.deepStrictEqual(context(`00-${traceId}-${spanId}-03`), [traceId, spanId, true])
    assert.deepStrictEqual(context(`00-${traceId}-${spanId}-fe`), [traceId, spanId, false])
  })

  it("of a later version is read as far as this one goes", () => {
    assert.deepStrictEqual(context(`01-${traceId}-${spanId}-01`), [traceId, spanId, true])
    assert.deepStrictEqual(context(`cc-${traceId}-${spanId}-01-what the future holds`), [traceId, spanId, true])
  })

  for (const [what, text] of [
    ["nothing", ""],
    ["a later version that goes on without a dash", `01-${traceId}-${spanId}-01.x`],
    ["version ff", `ff-${traceId}-${spanId}-01`],
    ["version 00 with more behind it", `00-${traceId}-${spanId}-01-x`],
    ["a version of one digit", `0-${traceId}-${spanId}-01`],
    ["a trace of zeros", `00-${"0".repeat(32)}-${spanId}-01`],
    ["a span of zeros", `00-${traceId}-${"0".repeat(16)}-01`],
    ["capitals", `00-${traceId.toUpperCase()}-${spanId}-01`],
    ["a short trace", `00-${traceId.slice(1)}-${spanId}-01`],
    ["a long span", `00-${traceId}-${spanId}0-01`],
    ["flags of one digit", `00-${traceId}-${spanId}-1`],
    ["no flags", `00-${traceId}-${spanId}`],
    ["spaces", ` 00-${traceId}-${spanId}-01`],
    ["a line's end", `00-${traceId}-${spanId}-01\n`],
    ["a lot", "0".repeat(100_000)]
  ] as const) {
    it(`that is ${what} is ignored`, () => assert.isUndefined(context(text)))
  }
})

const carried = (metadata: Record<string, string>) => {
  const span = fromMetadata(metadata)
  return span === undefined ? undefined : intoMetadata({}, outgoing(span)!)
}

describe("a tracestate", () => {
  const traceparent = `00-${traceId}-${spanId}-01`

  it("is passed on as it came", () => {
    for (const tracestate of [
      "a=1",
      "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
      " a=1 ,, b=2",
      "a=1\t,\tb=2",
      "x".repeat(512)
    ]) {
      assert.deepStrictEqual(carried({ traceparent, tracestate }), { traceparent, tracestate })
    }
  })

  it("that is empty, too long, or no text of a header is dropped", () => {
    for (const tracestate of ["", "x".repeat(513), "a=1\nb=2", "a=ü"]) {
      assert.deepStrictEqual(carried({ traceparent, tracestate }), { traceparent })
    }
  })

  it("is nothing without a traceparent", () => {
    assert.isUndefined(carried({ tracestate: "a=1" }))
    assert.isUndefined(carried({ traceparent: "nonsense", tracestate: "a=1" }))
  })

  it("is one that OpenTelemetry can read and change, where its Effect tracer looks for one", () => {
    interface TraceState {
      readonly get: (key: string) => string | undefined
      readonly set: (key: string, value: string) => TraceState
      readonly unset: (key: string) => TraceState
      readonly serialize: () => string
    }
    class OtelTraceState extends Context.Service<OtelTraceState, TraceState>()(
      "@effect/opentelemetry/Tracer/OtelTraceState"
    ) {}
    const state = Context.getOrUndefined(incoming(traceparent, "a=1, b=2=3")!.annotations, OtelTraceState)!
    assert.strictEqual(state.serialize(), "a=1, b=2=3")
    assert.strictEqual(state.get("b"), "2=3")
    assert.isUndefined(state.get("c"))
    assert.strictEqual(state.set("b", "4").serialize(), "b=4,a=1")
    assert.strictEqual(state.unset("a").serialize(), "b=2=3")
    assert.strictEqual(state.unset("a").unset("b").serialize(), "")
  })
})

const spanOf = (options: { readonly parent?: Tracer.AnySpan; readonly ids?: readonly [string, string] } = {}) => {
  const span = new Tracer.NativeSpan({
    name: "a",
    parent: Option.fromUndefinedOr(options.parent),
    annotations: Context.empty(),
    links: [],
    startTime: 0n,
    kind: "internal",
    sampled: true
  })
  if (options.ids !== undefined) {
    span._traceId = options.ids[0]
    span._spanId = options.ids[1]
  }
  return span
}

describe("what goes out for a span", () => {
  it("has the trace state of the nearest that knows of one", () => {
    const far = spanOf({ parent: spanOf({ parent: incoming(`00-${traceId}-${spanId}-01`, "a=1")! }) })
    assert.deepStrictEqual(outgoing(far), { traceparent: `00-${traceId}-${far.spanId}-01`, tracestate: "a=1" })
  })

  it("has what OpenTelemetry's own span says, also where that is nothing", () => {
    const parent = incoming(`00-${traceId}-${spanId}-01`, "a=1")!
    const wrapping = (traceState: { serialize: () => string } | undefined) =>
      Object.assign(spanOf({ parent }), { span: { spanContext: () => ({ traceState }) } })
    assert.strictEqual(outgoing(wrapping({ serialize: () => "b=2" }))!.tracestate, "b=2")
    assert.isUndefined(outgoing(wrapping(undefined))!.tracestate)
    // what no peer could read with the rest of the message
    assert.isUndefined(outgoing(wrapping({ serialize: () => "b=\ud800" }))!.tracestate)
  })

  it("is nothing where its ids are none of W3C's, or it is not to be propagated", () => {
    for (const ids of [
      ["noop", "noop"],
      ["", ""],
      ["0".repeat(32), spanId],
      [traceId, "0".repeat(16)],
      [traceId.toUpperCase(), spanId],
      [traceId, "12345"]
    ] as const) {
      assert.isUndefined(outgoing(spanOf({ ids })), ids.join(" "))
    }
    const annotations = Context.make(Tracer.DisablePropagation, true) as Context.Context<never>
    assert.isUndefined(outgoing(Tracer.externalSpan({ traceId, spanId, annotations })))
  })

  it("makes a trace id of half the length a whole one", () => {
    const span = Tracer.externalSpan({ traceId: traceId.slice(16), spanId })
    assert.strictEqual(outgoing(span)!.traceparent, `00-${"0".repeat(16)}${traceId.slice(16)}-${spanId}-01`)
  })
})

describe("the trace context of an update", () => {
  const type = makeType("google.protobuf.StringValue")
  const value = new Uint8Array([1, 2, 3])
  const traceparent = `00-${traceId}-${spanId}-01`

  it("is in two fields of the Msg, which leave the rest as it is", () => {
    const frame = { tail: channelTail("News.Told"), unique: true }
    for (const tracestate of [undefined, "a=1,b=2"]) {
      const bytes = encodeValue(frame, type, value, { traceparent, tracestate })
      assert.deepStrictEqual(readTrace(bytes), { traceparent, tracestate })
      assert.strictEqual(readChannel(bytes), "News.Told")
      const msg = decodeMsg(bytes) as Exclude<ReturnType<typeof decodeMsg>, "malformed">
      assert.deepStrictEqual(new Uint8Array(msg.value), value)
      const onwards = withHop(bytes)
      assert.deepStrictEqual(readTrace(onwards), { traceparent, tracestate })
      assert.strictEqual((decodeMsg(onwards) as typeof msg).hops, 1)
    }
  })

  it("may be as long as it likes", () => {
    const trace = { traceparent, tracestate: "ü".repeat(10_000) }
    assert.deepStrictEqual(readTrace(encodeValue(noFrame, type, new Uint8Array(0), trace)), trace)
  })

  it("is not there where none was written, and where it cannot be read", () => {
    assert.isUndefined(readTrace(encodeValue(noFrame, type, value)))
    const bytes = encodeValue(noFrame, type, value, { traceparent, tracestate: "a=1" })
    assert.isUndefined(readTrace(bytes.subarray(0, bytes.length - 1)))
    assert.isUndefined(readTrace(new Uint8Array([0xff])))
  })
})
