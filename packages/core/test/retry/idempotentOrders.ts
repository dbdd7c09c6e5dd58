/** A service with every kind of call, and an idempotency store whose size tests can read. */
import { Effect, Schema } from "effect"
import type * as Interceptor from "../../src/Interceptor.ts"
import { make } from "../../src/internal/interceptors/chain.ts"
import type { Answering } from "../../src/internal/interceptors/handlerSteps.ts"
import { cachingWhen, IdempotencyStore, type StoreOptions } from "../../src/internal/retry/idempotencyStore.ts"
import type * as PsrpcError from "../../src/PsrpcError.ts"
import * as Idempotency from "../../src/Idempotency.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { RequestSchema, ResponseSchema } from "../gen/internal_pb.ts"
import { SoldOut } from "./countingServer.ts"

export class Orders extends Service.make("Orders", {
  place: Rpc.unary({ request: Schema.String, response: Schema.String, error: SoldOut }),
  cancel: Rpc.unary({ request: Schema.String, response: Schema.String, error: SoldOut }),
  count: Rpc.multi({ request: Schema.String, response: Schema.String, error: SoldOut }),
  inShop: Rpc.unary({ request: Schema.String, response: Schema.String, error: SoldOut, topic: ["shop"] }),
  raw: Rpc.unary({ request: RequestSchema, response: ResponseSchema })
}) {}

export type Answer = (n: number, request: string) => Effect.Effect<string, PsrpcError.PsrpcError | SoldOut>

export const numbered: Answer = (n, request) => Effect.succeed(`${request} ${n}`)

/** A server whose handlers count their runs, over all methods. */
export const serve = Effect.fnUntraced(function* (
  interceptors: ReadonlyArray<Interceptor.NoRequirements>,
  answer: Answer = numbered,
  options: Omit<Server.Options<Service.Methods<typeof Orders>>, "interceptors"> = {}
) {
  const runs: Array<string> = []
  const handle = (request: string) => Effect.suspend(() => answer(runs.push(request), request))
  const response = { requestId: "", error: "" }
  const handlers = {
    place: handle,
    cancel: handle,
    count: handle,
    inShop: handle,
    raw: () =>
      Effect.sync(() => {
        // the same object each time, as a handler with a state of its own may have it
        response.requestId = `${runs.push("raw")}`
        return response
      })
  }
  const server = yield* Server.make(Orders, handlers, { ...options, interceptors })
  return { runs, server }
})

/** The options of a call with a key. */
export const key = (value: string) => ({ metadata: { [Idempotency.key]: value } })

/** The interceptor of `Idempotency.interceptor`, with its store. */
export const openStore = (options: Partial<StoreOptions> = {}) => {
  const window = new IdempotencyStore({
    size: 100,
    timeToLive: 1000,
    scope: () => "",
    cacheWhen: cachingWhen(),
    runToCompletion: true,
    ...options
  })
  const step = (each: Answering, next: (each: Answering) => ReturnType<IdempotencyStore["around"]>) =>
    window.around(each, () => next(each))
  return { window, interceptor: make([{ kind: "server", step }]) as unknown as Interceptor.NoRequirements }
}
