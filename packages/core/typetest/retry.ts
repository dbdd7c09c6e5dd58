// Where retries and windows may stand, and what they ask for.
import { Context, Effect, type Layer, Schedule, Schema } from "effect"
import {
  Client,
  Idempotency,
  type Interceptor,
  type MessageBus,
  type PsrpcError,
  Retry,
  Rpc,
  Server,
  Service
} from "../src/index.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Equal<A, B>): void => {}

class SoldOut extends Schema.TaggedError<SoldOut>()("SoldOut", { since: Schema.Int }) {}

class Shop extends Service.make("Shop", {
  price: Rpc.unary({ request: Schema.String, response: Schema.Int, idempotent: true }),
  buy: Rpc.unary({ request: Schema.String, response: Schema.Int, error: SoldOut }),
  stock: Rpc.multi({ response: Schema.Int, idempotent: true }),
  talk: Rpc.stream({ send: Schema.String, receive: Schema.String, idempotent: true }),
  news: Rpc.subscription({ message: Schema.String })
}) {}
class ShopClient extends Client.Service<ShopClient>()("test/ShopClient", Shop) {}

// ── they need nothing, whatever they are around ───────────────────────────────────────────────────────────────────────

type Requires<L> = L extends Layer.Layer<never, any, infer R> ? R : L extends Layer.Layer<any, any, infer R> ? R : never

const client = ShopClient.layerWith({ interceptors: [Retry.unary(), Retry.stream()] })
same<Requires<typeof client>, MessageBus.MessageBus>(true)

const handlers = Shop.of({
  price: () => Effect.succeed(1),
  buy: () => Effect.succeed(1),
  stock: () => Effect.succeed(1),
  talk: () => Effect.void
})
const server = Server.layer(Shop, handlers, { interceptors: [Idempotency.interceptor()] })
same<Requires<typeof server>, MessageBus.MessageBus>(true)

// ── calls keep their types ────────────────────────────────────────────────────────────────────────────────────────────

const program = Effect.gen(function* () {
  const shop = yield* ShopClient
  const bought = shop.buy("tea", { interceptors: [Retry.unary({ idempotencyKey: true })] })
  same<typeof bought, Effect.Effect<number, SoldOut | PsrpcError.PsrpcError>>(true)
  const talk = shop.talk({ interceptors: [Retry.stream({ sends: false })], sendTimeout: "1 second" })
  yield* (yield* talk).send("hello", { timeout: "1 second" })
})
same<Effect.Services<typeof program> extends infer R ? Extract<R, ShopClient> : never, ShopClient>(true)

// ── options ───────────────────────────────────────────────────────────────────────────────────────────────────────────

Retry.unary({
  attempts: 5,
  schedule: Schedule.exponential("10 millis"),
  timeout: "500 millis",
  timeoutGrowth: 2,
  while: (error: Interceptor.Failure, call: Interceptor.CallInfo) =>
    Retry.isRetryable(error, call) || call.method === "Buy"
})
Retry.unary({ while: (error) => Retry.isRetryable(error, { idempotent: true }) })
Idempotency.interceptor({
  size: 10,
  timeToLive: "1 hour",
  scope: (call) => call.header.remoteId,
  cacheWhen: () => true
})
// @ts-expect-error a stream has no key
Retry.stream({ idempotencyKey: true })
// @ts-expect-error a call has no sends
Retry.unary({ sends: false })
// @ts-expect-error a function of the failure gives a boolean
Retry.unary({ while: () => Effect.succeed(true) })
class Db extends Context.Service<Db, string>()("test/Db") {}
// @ts-expect-error a schedule that needs a service
Retry.unary({ schedule: Schedule.tap(Schedule.forever, () => Effect.asVoid(Db)) })
// @ts-expect-error a policy is not yet an interceptor
ShopClient.layerWith({ interceptors: [Retry.unary] })
// @ts-expect-error a definition says true or false
Rpc.unary({ idempotent: "yes" })
// @ts-expect-error a subscription is not called
Rpc.subscription({ message: Schema.String, idempotent: true })
