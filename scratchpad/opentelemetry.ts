// npm run example:opentelemetry: traces with OpenTelemetry's SDK, across a shop, a warehouse and a visitor. Each has its own
// tracer, as in three processes. The exported spans are printed as a tree.
import { Client, LocalMessageBus, PsrpcError, Publisher, Rpc, Server, Service } from "@effect-psrpc/core"
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { type ReadableSpan, SimpleSpanProcessor, type SpanExporter } from "@opentelemetry/sdk-trace-base"
import { Console, Effect, Layer, Schema, Stream } from "effect"
import { spanTree } from "./spanTree.ts"

class Warehouse extends Service.make("Warehouse", {
  pick: Rpc.unary({ request: Schema.String, response: Schema.Int }),
  picked: Rpc.subscription({ message: Schema.String, routing: "multi" })
}) {}

class Shop extends Service.make("Shop", {
  buy: Rpc.unary({ request: Schema.String, response: Schema.String }),
  chat: Rpc.stream({ send: Schema.String, receive: Schema.String })
}) {}

class WarehouseClient extends Client.Service<WarehouseClient>()("app/WarehouseClient", Warehouse) {}
class ShopClient extends Client.Service<ShopClient>()("app/ShopClient", Shop) {}
class WarehouseNews extends Publisher.Service<WarehouseNews>()("app/WarehouseNews", Warehouse) {}

// ── the wiring ────────────────────────────────────────────────────────────────────────────────────────────────────────

const exported: Array<ReadableSpan> = []

/** Keeps the spans. In production, use the OTLPTraceExporter of @opentelemetry/exporter-trace-otlp-proto. */
const exporter: SpanExporter = {
  export: (spans, done) => {
    exported.push(...spans)
    done({ code: 0 })
  },
  shutdown: () => Promise.resolve()
}

/**
 * Makes a tracer. Servers take it from their Layer, calls and publishing from the calling fiber. `fresh`, because this
 * process has three of them.
 */
const tracing = (serviceName: string) =>
  Layer.fresh(
    NodeSdk.layer(() => ({
      resource: { serviceName },
      // in production, use a BatchSpanProcessor
      spanProcessor: new SimpleSpanProcessor(exporter)
    }))
  )

// ── the services ──────────────────────────────────────────────────────────────────────────────────────────────────────

const WarehouseLive = Server.layer(
  Warehouse,
  Effect.gen(function* () {
    const news = yield* WarehouseNews
    return Warehouse.of({
      pick: (item) =>
        item === "moon"
          ? Effect.fail(new PsrpcError.NotFound({ message: `no ${item} here` }))
          : Effect.as(Effect.orDie(news.picked(item)), 3).pipe(Effect.withSpan("walk to the shelf"))
    })
  })
).pipe(Layer.provide(WarehouseNews.layer), Layer.provide(tracing("warehouse")))

const ShopLive = Server.layer(
  Shop,
  Effect.gen(function* () {
    const warehouse = yield* WarehouseClient
    return Shop.of({
      buy: (item) => Effect.map(warehouse.pick(item), (shelf) => `one ${item}, from shelf ${shelf}`),
      chat: (stream) => Stream.runForEach(stream.messages, (message) => stream.send(`${message}, of course`))
    })
  })
).pipe(Layer.provide(WarehouseClient.layer), Layer.provide(tracing("shop")))

const visit = Effect.gen(function* () {
  const shop = yield* ShopClient
  const warehouse = yield* WarehouseClient
  const picked = yield* warehouse.picked()
  yield* Console.log(yield* shop.buy("lamp"))
  yield* Stream.runDrain(Stream.take(picked, 1))
  const refused = yield* Effect.flip(shop.buy("moon"))
  yield* Console.log(`${refused._tag}: ${refused.message}`)
  const answers = yield* Stream.runCollect(shop.chat.through(Stream.make("a bag", "a receipt")))
  yield* Console.log(answers.join("; "))
}).pipe(Effect.scoped, Effect.withSpan("visit"), Effect.provide(tracing("visitor")))

// ── the spans ──────────────────────────────────────────────────────────────────────────────────────────────

const millis = ([seconds, nanos]: readonly [number, number]): number => seconds * 1000 + nanos / 1e6

const lines = (): ReadonlyArray<string> =>
  spanTree(
    exported.map((span) => ({
      id: span.spanContext().spanId,
      parentId: span.parentSpanContext?.spanId,
      name: span.name,
      kind: ["internal", "server", "client", "producer", "consumer"][span.kind]!,
      start: millis(span.startTime),
      end: millis(span.endTime),
      notes: [
        String(span.resource.attributes["service.name"]),
        ...(span.events.length > 0 ? [`${span.events.length} events`] : []),
        ...[span.attributes["rpc.psrpc.status_code"] ?? []].flat().map(String)
      ]
    }))
  )

const program = Effect.gen(function* () {
  yield* Effect.provide(
    visit,
    Layer.mergeAll(ShopLive, WarehouseLive, ShopClient.layer, WarehouseClient.layer).pipe(
      Layer.provideMerge(LocalMessageBus.layer)
    )
  )
  const traces = new Set(exported.map((span) => span.spanContext().traceId))
  yield* Console.log(`\n${exported.length} spans of ${traces.size} trace:\n\n${lines().join("\n")}`)
})

await Effect.runPromise(program)
