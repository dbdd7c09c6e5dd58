import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as Client from "../../src/Client.ts"
import * as Interceptor from "../../src/Interceptor.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import { onBus } from "../helpers/harness.ts"
import { only, Recorded, recorded } from "../telemetry/recording.ts"
import { echo, Kinds } from "./everyKind.ts"

describe("interceptors in traces", () => {
  it.effect("a client's are around the span of a request, a server's are within it", () =>
    Effect.gen(function* () {
      const seen: Record<string, string> = {}
      const noting = (where: string) =>
        Effect.map(Effect.currentSpan, (span) => {
          seen[where] = span.spanId
        })
      yield* echo(Interceptor.server((_, next) => Effect.andThen(Effect.orDie(noting("server")), next())))
      const client = yield* Client.make(Kinds, {
        interceptors: [Interceptor.client((_, next) => Effect.andThen(Effect.orDie(noting("client")), next()))]
      })
      yield* client.ask("a").pipe(Effect.withSpan("caller"))
      const spans = yield* Recorded
      const request = only(spans, "client")
      assert.strictEqual(seen["client"], request.parentId)
      assert.strictEqual(seen["server"], only(spans, "server").spanId)
    }).pipe(Effect.provide(recorded), onBus)
  )

  it.effect("each request of an interceptor is a span; what it answers itself is none", () =>
    Effect.gen(function* () {
      let times = 0
      yield* echo(
        Interceptor.server((_, next) =>
          ++times < 3 ? Effect.fail(new PsrpcError.Unavailable({ message: "busy" })) : next()
        )
      )
      const client = yield* Client.make(Kinds, {
        interceptors: [
          Interceptor.client((_, next) => Effect.retry(next(), { times: 2 })),
          Interceptor.clientMulti(() => Stream.empty)
        ]
      })
      yield* client.ask("a")
      yield* Stream.runDrain(client.all("a"))
      const requests = (yield* Recorded).filter(({ kind }) => kind === "client")
      assert.deepStrictEqual(
        requests.map(({ code, hasFailed }) => [hasFailed, code]),
        [
          [true, "unavailable"],
          [true, "unavailable"],
          [false, undefined]
        ]
      )
    }).pipe(Effect.provide(recorded), onBus)
  )
})
