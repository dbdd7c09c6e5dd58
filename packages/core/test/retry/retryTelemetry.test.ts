import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Metric } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Retry from "../../src/Retry.ts"
import * as Telemetry from "../../src/Telemetry.ts"
import { onBus, start } from "../helpers/harness.ts"
import { numbers, only } from "../telemetry/metering.ts"
import { Recorded, recorded } from "../telemetry/recording.ts"
import { counting, failing, Prices, retries, schedule } from "./countingServer.ts"

describe("a call that is tried three times", () => {
  it.effect("is three spans of the client, each with its server's, all in the caller's", () =>
    Effect.gen(function* () {
      const spans = yield* Recorded
      yield* counting(2, failing("unavailable"))
      const client = yield* Client.make(Prices, { interceptors: [Retry.unary({ schedule })] })
      const call = yield* start(Effect.withSpan(client.of("tea"), "the caller"))
      yield* TestClock.adjust(200)
      assert.strictEqual(yield* Fiber.join(call), 3)
      const caller = spans.find(({ name }) => name === "the caller")!
      const sent = spans.filter(({ kind }) => kind === "client")
      const received = spans.filter(({ kind }) => kind === "server")
      assert.deepStrictEqual(
        sent.map(({ hasFailed, parentId }) => ({ hasFailed, parentId })),
        [true, true, false].map((hasFailed) => ({ hasFailed, parentId: caller.spanId }))
      )
      assert.deepStrictEqual(
        received.map(({ parentId }) => parentId),
        sent.map(({ spanId }) => spanId)
      )
      // a request of its own each
      assert.strictEqual(new Set(sent.map(({ attributes }) => attributes.get("rpc.psrpc.request_id"))).size, 3)
    }).pipe(onBus, Effect.provide(recorded))
  )

  it.effect("is three calls in the metrics, and two retries", () =>
    Effect.gen(function* () {
      yield* counting(2, failing("unavailable"))
      const client = yield* Client.make(Prices, { interceptors: [Retry.unary({ schedule })] })
      const call = yield* start(client.of("tea"))
      yield* TestClock.adjust(200)
      yield* Fiber.join(call)
      for (const side of ["client", "server"]) {
        assert.deepStrictEqual(only(yield* numbers(side, "Of"), "calls"), {
          calls_started: 3,
          "calls_finished ok": 1,
          "calls_finished unavailable": 2
        })
      }
      const [series] = yield* retries
      assert.deepStrictEqual(series, { side: "client", service: "Prices", method: "Of", kind: "unary", count: 2 })
      // and is what the list of metrics says
      const { attributes, type } = Telemetry.metrics.find(({ name }) => name === "psrpc_retries")!
      assert.strictEqual(type, "counter")
      assert.sameMembers([...attributes, "count"], Object.keys(series!))
    }).pipe(onBus)
  )

  it.effect("is counted where its client is, whoever calls", () =>
    Effect.gen(function* () {
      yield* counting(2, failing("unavailable"))
      const own = Context.make(Metric.MetricRegistry, new Map()).pipe(
        Context.add(Metric.CurrentMetricAttributes, { tenant: "a" })
      )
      const client = yield* Effect.provide(Client.make(Prices, { interceptors: [Retry.unary({ schedule })] }), own)
      const call = yield* start(
        Effect.provideService(client.of("tea"), Metric.CurrentMetricAttributes, { caller: "b" })
      )
      yield* TestClock.adjust(200)
      yield* Fiber.join(call)
      assert.deepStrictEqual(yield* retries, [])
      assert.deepStrictEqual(yield* Effect.provide(retries, own), [
        { tenant: "a", side: "client", service: "Prices", method: "Of", kind: "unary", count: 2 }
      ])
      const { methods, totals } = yield* Effect.provide(Telemetry.stats, own)
      assert.deepStrictEqual([totals.client.retries, totals.server.retries], [2, 0])
      assert.strictEqual(methods.find(({ method }) => method === "Of")?.retries, 2)
    }).pipe(onBus)
  )
})
