/** With OpenTelemetry's own SDK as the tracer: what only it knows crosses too. */
import * as OtelTracer from "@effect/opentelemetry/OtelTracer"
import { assert, describe, it } from "@effect/vitest"
import { createTraceState, SpanStatusCode, trace } from "@opentelemetry/api"
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  ParentBasedSampler,
  AlwaysOnSampler,
  type Sampler,
  SamplingDecision,
  SimpleSpanProcessor
} from "@opentelemetry/sdk-trace-base"
import { Context, Effect, Layer, Schema } from "effect"
import * as Client from "../../src/Client.ts"
import * as Envelope from "../../src/internal/wire/callEnvelope.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { fakeClient, json, onBus, settle, Traffic } from "../helpers/harness.ts"

class Greeter extends Service.make("Greeter", {
  hello: Rpc.unary({ request: Schema.String, response: Schema.String }),
  inner: Rpc.unary({ request: Schema.String, response: Schema.String })
}) {}

class Exported extends Context.Service<Exported, InMemorySpanExporter>()("test/Exported") {}

const traced =
  (sampler: Sampler = new ParentBasedSampler({ root: new AlwaysOnSampler() })) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      const exporter = new InMemorySpanExporter()
      const provider = new BasicTracerProvider({ sampler, spanProcessors: [new SimpleSpanProcessor(exporter)] })
      const tracer = OtelTracer.layer.pipe(Layer.provide(Layer.succeed(OtelTracer.OtelTracerProvider, provider)))
      return effect.pipe(onBus, Effect.provide(tracer), Effect.provideService(Exported, exporter))
    })

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"

/** A request from elsewhere, whose handler makes another; the metadata of that. */
const onwards = (metadata: Record<string, string>) =>
  Effect.gen(function* () {
    const client = yield* Client.make(Greeter)
    yield* Server.make(Service.pick(Greeter, "hello"), { hello: (name) => Effect.orDie(client.inner(name)) })
    yield* Server.make(Service.pick(Greeter, "inner"), { inner: (name) => Effect.succeed(name) })
    const peer = yield* fakeClient("Greeter")
    peer.request("Hello", { id: "REQ_1", expiry: 1000, raw: json("Ada"), metadata })
    yield* settle
    peer.choose("Hello", "REQ_1", peer.claims[0]!.serverId)
    yield* settle
    assert.strictEqual(peer.responses[0]!.error, "")
    const requests = (yield* Traffic).filter(({ type }) => type === "Request")
    return (Envelope.decodeRequest(requests[1]!.message) as Envelope.Request).metadata
  })

describe("with OpenTelemetry's SDK", () => {
  it.effect("a trace goes on, with its state", () =>
    Effect.gen(function* () {
      const exported = yield* Exported
      const tracestate = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
      const metadata = yield* onwards({ traceparent: `00-${traceId}-00f067aa0ba902b7-01`, tracestate })
      const spans = exported.getFinishedSpans()
      assert.deepStrictEqual(
        spans.map((span) => [span.name, span.spanContext().traceId, span.spanContext().traceState?.serialize()]),
        [
          ["Greeter/Inner", traceId, tracestate],
          ["Greeter/Inner", traceId, tracestate],
          ["Greeter/Hello", traceId, tracestate]
        ]
      )
      assert.isTrue(spans[2]!.parentSpanContext!.isRemote)
      assert.deepStrictEqual(Object.assign({}, metadata), {
        traceparent: `00-${traceId}-${spans[1]!.spanContext().spanId}-01`,
        tracestate
      })
    }).pipe(traced())
  )

  it.effect("a trace that its caller does not sample is not sampled, and says so to those behind", () =>
    Effect.gen(function* () {
      const metadata = yield* onwards({ traceparent: `00-${traceId}-00f067aa0ba902b7-00`, tracestate: "a=1" })
      assert.match(metadata["traceparent"]!, new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`))
      assert.strictEqual(metadata["tracestate"], "a=1")
      assert.deepStrictEqual((yield* Exported).getFinishedSpans(), [])
    }).pipe(traced())
  )

  it.effect("a sampler's own trace state goes out", () => {
    const sampler: Sampler = {
      shouldSample: (context, _traceId, name) => {
        const before = trace.getSpanContext(context)?.traceState ?? createTraceState("")
        return {
          decision: SamplingDecision.RECORD_AND_SAMPLED,
          traceState: before.set("sampled", name.replace("/", "_"))
        }
      },
      toString: () => "names"
    }
    return Effect.gen(function* () {
      const metadata = yield* onwards({ traceparent: `00-${traceId}-00f067aa0ba902b7-00`, tracestate: "a=1" })
      assert.strictEqual(metadata["tracestate"], "sampled=Greeter_Inner,a=1")
    }).pipe(traced(sampler))
  })

  it.effect("a failure is one of the span's, and a handler's spans are inside of the server's", () =>
    Effect.gen(function* () {
      yield* Server.make(Service.pick(Greeter, "hello"), {
        hello: () => Effect.fail(PsrpcError.fromCode("not_found", { message: "no" })).pipe(Effect.withSpan("looking"))
      })
      const client = yield* Client.make(Greeter)
      yield* Effect.flip(client.hello("Ada"))
      const spans = (yield* Exported).getFinishedSpans()
      assert.deepStrictEqual(
        spans.map(({ attributes, name, status }) => [name, status.code, attributes["rpc.psrpc.status_code"]]),
        [
          ["looking", SpanStatusCode.ERROR, undefined],
          ["Greeter/Hello", SpanStatusCode.ERROR, "not_found"],
          ["Greeter/Hello", SpanStatusCode.ERROR, "not_found"]
        ]
      )
      const [looking, served, sent] = spans
      assert.strictEqual(looking!.parentSpanContext!.spanId, served!.spanContext().spanId)
      assert.strictEqual(served!.parentSpanContext!.spanId, sent!.spanContext().spanId)
    }).pipe(traced())
  )
})
