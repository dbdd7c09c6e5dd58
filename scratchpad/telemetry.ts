// npm run telemetry: a call across three services, its trace, the metrics, and a retry. In one process, or over Redis or NATS
// if REDIS_URL or NATS_URL is set.
import {
  Client,
  Interceptor,
  LocalMessageBus,
  type MessageBus,
  PsrpcError,
  Publisher,
  Retry,
  Rpc,
  Server,
  Service,
  Telemetry
} from "@effect-psrpc/core"
import { NatsMessageBus } from "@effect-psrpc/nats"
import { RedisMessageBus } from "@effect-psrpc/redis"
import { Console, Context, Effect, Layer, Option, Redacted, References, Schedule, Schema, Stream, Tracer } from "effect"
import { type SpanLine, spanTree } from "./spanTree.ts"
import { statsTable } from "./statsTable.ts"

// ── three services ────────────────────────────────────────────────────────────────────────────────────────────────────

class Stock extends Service.make("Stock", {
  // a second reservation for the same order has no effect, so the call may be retried
  reserve: Rpc.unary({ request: Schema.String, response: Schema.Int, idempotent: true }),
  changed: Rpc.subscription({ message: Schema.String, routing: "multi" })
}) {}

class Orders extends Service.make("Orders", {
  place: Rpc.unary({ request: Schema.Array(Schema.String), response: Schema.String }),
  follow: Rpc.stream({ send: Schema.String, receive: Schema.String })
}) {}

class Shop extends Service.make("Shop", {
  buy: Rpc.unary({ request: Schema.Array(Schema.String), response: Schema.String })
}) {}

class StockClient extends Client.Service<StockClient>()("telemetry/StockClient", Stock) {}
class OrdersClient extends Client.Service<OrdersClient>()("telemetry/OrdersClient", Orders) {}
class ShopClient extends Client.Service<ShopClient>()("telemetry/ShopClient", Shop) {}
class StockNews extends Publisher.Service<StockNews>()("telemetry/StockNews", Stock) {}

/** The caller's name. An interceptor provides it to handlers. */
class Customer extends Context.Service<Customer, string>()("telemetry/Customer") {}

const authentication = Interceptor.provide(Customer, (call) => {
  const customer = call.header.metadata["customer"]
  return customer === undefined
    ? Effect.fail(new PsrpcError.Unauthenticated({ message: "the metadata has no customer" }))
    : Effect.succeed(customer)
})

let requests = 0

const StockLive = Server.layer(
  Stock,
  Effect.gen(function* () {
    const news = yield* StockNews
    return Stock.of({
      reserve: (item) =>
        Effect.gen(function* () {
          requests++
          if (requests === 1) return yield* new PsrpcError.Unavailable({ message: "the shelf is being moved" })
          yield* news.changed(item)
          return 3
        })
    })
  })
)

const OrdersLive = Server.layer(
  Orders,
  Effect.gen(function* () {
    const stock = yield* StockClient
    return Orders.of({
      place: (items) =>
        Effect.gen(function* () {
          yield* Effect.log(`an order of ${items.join(" and ")}`)
          const left = yield* Effect.forEach(items, (item) => stock.reserve(item))
          return `order 1, ${left.length} items`
        }),
      follow: (stream) => Stream.runForEach(stream.messages, (order) => stream.send(`${order} is on its way`))
    })
  })
)

const ShopLive = Server.layer(
  Shop,
  Effect.gen(function* () {
    const orders = yield* OrdersClient
    return Shop.of({
      buy: (items) =>
        Effect.flatMap(Customer, (name) => Effect.map(orders.place(items), (order) => `${name}: ${order}`))
    })
  }),
  { interceptors: [authentication] }
)

const retrying = StockClient.layerWith({
  interceptors: [Retry.unary({ attempts: 3, schedule: Schedule.exponential("20 millis") })]
})

const asAda = ShopClient.layerWith({ interceptors: [Interceptor.metadata({ customer: "Ada" })] })

// ── the spans ──────────────────────────────────────────────────────────────────────────────────────────────

/** Makes a tracer that keeps its spans, in place of an exporter. */
const keeping = (): { readonly spans: Array<Tracer.NativeSpan>; readonly tracer: Tracer.Tracer } => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span(options) {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, tracer }
}

const millisOf = (nanos: bigint): number => Number(nanos) / 1e6

const lineOf = (span: Tracer.NativeSpan): SpanLine => {
  const { status } = span
  const code = span.attributes.get("rpc.psrpc.status_code")
  const events = span.events.map(([name]) => name)
  return {
    id: span.spanId,
    parentId: Option.getOrUndefined(span.parent)?.spanId,
    name: span.name,
    kind: span.kind,
    start: millisOf(status.startTime),
    end: millisOf(status._tag === "Ended" ? status.endTime : status.startTime),
    notes: [...(code === undefined ? [] : [String(code)]), ...new Set(events)]
  }
}

const { spans, tracer } = keeping()

const program = Effect.gen(function* () {
  const shop = yield* ShopClient
  const orders = yield* OrdersClient
  const stock = yield* StockClient

  const changes = yield* stock.changed()
  yield* Effect.gen(function* () {
    yield* Console.log(`buy → ${yield* shop.buy(["tea", "cups"])}`)
    const news = yield* Stream.runCollect(orders.follow.through(Stream.make("order 1")))
    yield* Console.log(`follow → ${news.join(", ")}`)
  }).pipe(Effect.withSpan("a visit"))
  const changed = yield* Stream.runCollect(Stream.take(changes, 2))
  yield* Console.log(`changed → ${changed.join(", ")}`)

  const traces = new Set(spans.map(({ traceId }) => traceId))
  yield* Console.log(`\nThe spans, of ${traces.size} trace${traces.size === 1 ? "" : "s"}:\n`)
  for (const line of spanTree(spans.map(lineOf))) yield* Console.log(`  ${line}`)

  yield* Console.log("\nThe metrics:\n")
  yield* Console.log(statsTable(yield* Telemetry.stats))
  yield* Console.log(
    `\nStock received ${requests} requests for 2 items: the first attempt failed, and its retry succeeded.`
  )
}).pipe(Effect.scoped)

// ── the program ──────────────────────────────────────────────────────────────────────────────────────────────────────

type Bus = Layer.Layer<MessageBus.MessageBus, PsrpcError.PsrpcError>

const { NATS_URL, REDIS_URL } = process.env

const [where, bus]: readonly [string, Bus] = REDIS_URL
  ? ["over Redis", RedisMessageBus.layer({ url: Redacted.make(REDIS_URL) })]
  : NATS_URL
    ? ["over NATS", NatsMessageBus.layer({ servers: NATS_URL })]
    : ["in process", LocalMessageBus.layer]

const Live = Layer.mergeAll(ShopLive, asAda).pipe(
  Layer.provideMerge(OrdersLive),
  Layer.provideMerge(OrdersClient.layer),
  Layer.provideMerge(StockLive.pipe(Layer.provide(StockNews.layer))),
  Layer.provideMerge(retrying),
  Layer.provide(bus),
  // for clients, servers and the program
  Layer.provideMerge(Layer.succeed(Tracer.Tracer, tracer)),
  Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "Info"))
)

await Effect.runPromise(Effect.andThen(Console.log(`Three services ${where}\n`), Effect.provide(program, Live)))
