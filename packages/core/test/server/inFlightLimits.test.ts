import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Client, Rpc, Server, Service } from "../../src/index.ts"
import type { ServerStream } from "../../src/BidiStream.ts"
import { dropped, errorOf, isRunning, onBus, settle, start } from "../helpers/harness.ts"

class Jobs extends Service.make("Jobs", {
  run: Rpc.unary({ request: Schema.Int, response: Schema.Int }),
  alone: Rpc.unary({ request: Schema.Int, response: Schema.Int, singleServer: true }),
  all: Rpc.multi({ request: Schema.Int, response: Schema.Int }),
  feed: Rpc.stream({ send: Schema.Int, receive: Schema.Int, singleServer: true })
}) {}

const { unimplemented } = Server

describe("a server with maxInFlight requests in flight", () => {
  it.effect("makes no more offers, and counts the requests that it drops", () =>
    Effect.gen(function* () {
      yield* Server.make(Jobs, { ...unimplemented(Jobs), run: () => Effect.never }, { maxInFlight: 2 })
      const client = yield* Client.make(Jobs)
      const calls = yield* Effect.forEach([1, 2, 3], (n) => start(client.run(n, { timeout: "1 hour" })))
      yield* settle
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(calls.map(isRunning), [true, true, false])
      assert.strictEqual(errorOf(calls[2]!)._tag, "Unavailable")
      assert.strictEqual(yield* dropped("overflow", "server"), 1)
    }).pipe(onBus)
  )

  for (const method of ["alone", "all"] as const) {
    it.effect(`answers where nothing is claimed, and takes more when it has room again: ${method}`, () =>
      Effect.gen(function* () {
        const handle = (millis: number) => Effect.as(Effect.sleep(millis), millis)
        yield* Server.make(Jobs, { ...unimplemented(Jobs), alone: handle, all: handle }, { maxInFlight: 2 })
        const client = yield* Client.make(Jobs)
        const call = (millis: number) =>
          method === "alone"
            ? client.alone(millis)
            : Effect.flatMap(Stream.runCollect(client.all(millis, { expect: 1 })), ([answer]) =>
                Effect.fromResult(answer!.result)
              )
        const calls = yield* Effect.forEach([100, 200, 300, 0], (millis) => start(call(millis)))
        yield* settle
        // whatever its handler would have taken
        assert.deepStrictEqual(calls.map(isRunning), [true, true, false, false])
        for (const refused of calls.slice(2)) {
          const error = errorOf(refused)
          assert.strictEqual(error._tag, "ResourceExhausted")
          assert.match(
            error.message,
            /^the server has 2 in-flight requests of Jobs\.(Alone|All), the maximum \(maxInFlight\)$/
          )
          // what the server saw does not travel
          assert.isUndefined(error.reason)
        }
        assert.strictEqual(yield* dropped("overflow", "server"), 2)
        yield* TestClock.adjust(100)
        const next = yield* start(call(50))
        yield* TestClock.adjust(50)
        assert.strictEqual(yield* Fiber.join(next), 50)
        yield* TestClock.adjust(50)
        assert.strictEqual(yield* Fiber.join(calls[1]!), 200)
        assert.strictEqual(yield* dropped("overflow", "server"), 2)
      }).pipe(onBus)
    )
  }

  it.effect("closes further streams, and has room again when one of the others ends", () =>
    Effect.gen(function* () {
      let handled = 0
      const feed = (stream: ServerStream<number, number>) => {
        handled++
        return Effect.exit(stream.closed)
      }
      const server = yield* Server.make(Jobs, { ...unimplemented(Jobs), feed }, { maxInFlight: 2 })
      const client = yield* Client.make(Jobs)
      const open = [yield* client.feed(), yield* client.feed()]
      for (let i = 0; i < 3; i++) {
        const error = yield* Effect.flip(Effect.scoped(client.feed()))
        assert.strictEqual(error._tag, "ResourceExhausted")
        assert.strictEqual(error.message, "the server has 2 in-flight requests of Jobs.Feed, the maximum (maxInFlight)")
      }
      assert.strictEqual(handled, 2)
      assert.strictEqual(yield* dropped("overflow", "server"), 3)
      yield* open[0]!.close()
      yield* settle
      yield* client.feed()
      assert.strictEqual(handled, 3)
      // those that were refused are nothing to wait for
      const draining = yield* start(server.drain)
      yield* settle
      assert.isFalse(isRunning(draining))
    }).pipe(onBus)
  )
})
