import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schema, Scope, Tracer } from "effect"
import * as Client from "../../src/Client.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Publisher from "../../src/Publisher.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { onBus, settle, start } from "../helpers/harness.ts"
import { only, Recorded, recorded, RecordedSpan } from "./recording.ts"

class Shop extends Service.make("Shop", {
  buy: Rpc.unary({ request: Schema.String, response: Schema.String }),
  news: Rpc.subscription({ message: Schema.String, routing: "multi" })
}) {}

const traced = <A, E, R>(effect: Effect.Effect<A, E, R>) => effect.pipe(onBus, Effect.provide(recorded))

/** What tells of a failure on a span. */
const failure = ({ attributes }: RecordedSpan) => ({
  error: attributes.get("error.type"),
  status: attributes.get("rpc.status_code"),
  psrpc: attributes.get("rpc.psrpc.status_code")
})

describe("the attributes of a span that fails", () => {
  for (const [code, type] of [
    ["not_found", "not_found"],
    // what a peer makes up is no class of failures
    ["out_of_tea", "unknown"]
  ] as const) {
    it.effect(`with ${code} are psrpc's and OpenTelemetry's`, () =>
      Effect.gen(function* () {
        const spans = yield* Recorded
        yield* Server.make(Shop, { buy: () => Effect.fail(PsrpcError.fromCode<string>(code, { message: "no tea" })) })
        const client = yield* Client.make(Shop)
        yield* Effect.flip(client.buy("tea"))
        for (const kind of ["client", "server"] as const) {
          assert.deepStrictEqual(failure(only(spans, kind)), { error: type, status: type, psrpc: code }, kind)
        }
      }).pipe(traced)
    )
  }

  it.effect("of an update tell its class, and no status of a call", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      const scope = yield* Scope.make()
      const client = yield* Client.make(Shop)
      yield* Scope.provide(client.news(), scope)
      const publisher = yield* Publisher.make(Shop)
      yield* publisher.news("tea")
      yield* Effect.flip(publisher.news(1 as never))
      yield* Scope.close(scope, Exit.void)
      const [, refused] = spans.filter(({ kind }) => kind === "producer")
      const malformed = { error: "malformed_request", status: undefined, psrpc: "malformed_request" }
      assert.deepStrictEqual(failure(refused!), malformed)
      const canceled = { error: undefined, status: undefined, psrpc: "canceled" }
      assert.deepStrictEqual(failure(only(spans, "consumer")), canceled)
      for (const span of spans) assert.isFalse(span.attributes.has("rpc.system.name"), span.kind)
    }).pipe(traced)
  )

  it.effect("tell no error of a call that is interrupted", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      yield* Server.make(Shop, { buy: () => Effect.never })
      const client = yield* Client.make(Shop)
      const call = yield* start(client.buy("tea"))
      yield* settle
      yield* Fiber.interrupt(call)
      yield* settle
      for (const kind of ["client", "server"] as const) {
        const canceled = { error: undefined, status: "canceled", psrpc: "canceled" }
        assert.deepStrictEqual(failure(only(spans, kind)), canceled, kind)
      }
    }).pipe(traced)
  )

  it.effect("are not there where nothing has failed", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      yield* Server.make(Shop, { buy: Effect.succeed })
      const client = yield* Client.make(Shop)
      yield* client.buy("tea")
      for (const span of spans) {
        assert.deepStrictEqual(failure(span), { error: undefined, status: undefined, psrpc: undefined })
      }
      assert.strictEqual(spans.length, 2)
    }).pipe(traced)
  )
})

describe("a span ends", () => {
  it.effect("also where the tracer has thrown at what it was told before", () =>
    Effect.gen(function* () {
      class Picky extends RecordedSpan {
        override event(): void {
          throw new Error("no events")
        }
      }
      const spans: Array<RecordedSpan> = []
      const span = (options: ConstructorParameters<typeof RecordedSpan>[0]) => {
        const made = new Picky(options)
        spans.push(made)
        return made
      }
      yield* Effect.gen(function* () {
        yield* Server.make(Shop, { buy: Effect.succeed })
        const client = yield* Client.make(Shop)
        yield* client.buy("tea")
      }).pipe(Effect.provideService(Tracer.Tracer, Tracer.make({ span })))
      assert.deepStrictEqual([only(spans, "client").ends, only(spans, "server").ends], [1, 1])
    }).pipe(onBus)
  )
})
