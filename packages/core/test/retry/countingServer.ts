/** What the tests of retries share: a service with methods that may be repeated and others that may not. */
import { Effect, Metric, Schedule, Schema } from "effect"
import type * as Interceptor from "../../src/Interceptor.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"

/** An error of the method's own. */
export class SoldOut extends Schema.TaggedError<SoldOut>()(
  "SoldOut",
  { since: Schema.Int },
  { psrpcCode: "failed_precondition" }
) {
  override get message() {
    return `sold out since ${this.since}`
  }
}

/** `of` may be repeated, `buy` not; `ask` is claimed by nobody, so that whether it has run is never known. */
export class Prices extends Service.make("Prices", {
  of: Rpc.unary({ request: Schema.String, response: Schema.Int, idempotent: true }),
  buy: Rpc.unary({ request: Schema.String, response: Schema.Int, error: SoldOut }),
  ask: Rpc.unary({ request: Schema.String, response: Schema.Int, singleServer: true })
}) {}

/** 100 ms between attempts, without end. */
export const schedule = Schedule.spaced("100 millis")

export type Handler = (n: number) => Effect.Effect<number, PsrpcError.PsrpcError | SoldOut>

/** A server that answers with how many requests have come; the handler of the first so many is given. */
export const counting = Effect.fnUntraced(function* (
  first: number,
  handler: Handler,
  interceptors: ReadonlyArray<Interceptor.NoRequirements> = [],
  options: Omit<Server.Options<Service.Methods<typeof Prices>>, "interceptors"> = {}
) {
  const calls: Array<number> = []
  const handle = () =>
    Effect.suspend(() => {
      const n = calls.push(calls.length + 1)
      return n <= first ? handler(n) : Effect.succeed(n)
    })
  const server = yield* Server.make(
    Prices,
    { of: handle as never, buy: handle, ask: handle as never },
    { ...options, interceptors }
  )
  return { calls, server }
})

export const failing =
  (code: PsrpcError.Code, message = "busy"): Handler =>
  () =>
    Effect.fail(PsrpcError.fromCode(code, { message }))

export const never: Handler = () => Effect.never

/** How many attempts the metric has counted, and the attributes of its series; of methods that have any. */
export const retries = Effect.map(Metric.snapshot, (metrics): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  metrics.flatMap(({ attributes, id, state }) => {
    const { count } = state as Metric.CounterState<number>
    return id === "psrpc_retries" && count > 0 ? [{ ...attributes, count }] : []
  })
)
