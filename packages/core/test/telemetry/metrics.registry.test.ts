// Where the numbers are kept: shared by all who count the same, apart where registries or attributes are, as documented.
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Metric, Schema, Scope } from "effect"
import * as Client from "../../src/Client.ts"
import { boundaries, Histogram } from "../../src/internal/telemetry/metrics/series.ts"
import * as LocalMessageBus from "../../src/LocalMessageBus.ts"
import { MessageBus } from "../../src/MessageBus.ts"
import * as Publisher from "../../src/Publisher.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import * as Telemetry from "../../src/Telemetry.ts"
import { fakeClient, json, onBus, settle } from "../helpers/harness.ts"
import { numbers, numbersIn, only } from "./metering.ts"

const codec = { request: Schema.String, response: Schema.String }

class Greeter extends Service.make("Greeter", {
  hello: Rpc.unary(codec),
  all: Rpc.multi(codec),
  chat: Rpc.stream({ send: Schema.String, receive: Schema.String }),
  told: Rpc.subscription({ message: Schema.String, routing: "multi" })
}) {}

const handlers = Greeter.of({
  hello: (name) => Effect.succeed(name),
  all: (name) => Effect.succeed(name),
  chat: (stream) => Effect.exit(stream.closed)
})

const calls = Effect.map(numbers("client", "Hello"), (all) => only(all, "calls"))

describe("the numbers of a method", () => {
  it.effect("are one for several clients of the service, also when some are closed, and others made", () =>
    Effect.gen(function* () {
      yield* Server.make(Greeter, handlers)
      const scope = yield* Scope.make()
      const one = yield* Client.make(Greeter).pipe(Scope.provide(scope))
      yield* one.hello("a")
      const two = yield* Client.make(Greeter)
      assert.deepStrictEqual(yield* calls, { calls_started: 1, "calls_finished ok": 1 })
      yield* two.hello("b")
      yield* one.hello("c")
      yield* Scope.close(scope, Exit.void)
      const three = yield* Client.make(Greeter)
      yield* three.hello("d")
      assert.deepStrictEqual(yield* calls, { calls_started: 4, "calls_finished ok": 4 })
      const series = (yield* Metric.snapshot).filter(
        ({ attributes, id }) =>
          id === "psrpc_calls_started" && attributes?.["side"] === "client" && attributes["method"] === "Hello"
      )
      assert.strictEqual(series.length, 1)
    }).pipe(onBus)
  )

  it.effect("are apart in another registry, and those of one say nothing of the other", () =>
    Effect.gen(function* () {
      yield* Server.make(Greeter, handlers)
      const registry: Metric.MetricRegistry = new Map()
      const here = yield* Client.make(Greeter)
      const there = yield* Client.make(Greeter).pipe(Effect.provideService(Metric.MetricRegistry, registry))
      yield* here.hello("a")
      yield* there.hello("b")
      yield* there.hello("c")
      assert.deepStrictEqual(yield* calls, { calls_started: 1, "calls_finished ok": 1 })
      const other = Context.make(Metric.MetricRegistry, registry)
      assert.deepStrictEqual(only(numbersIn(other, "client", "Hello"), "calls"), {
        calls_started: 2,
        "calls_finished ok": 2
      })
      assert.deepStrictEqual(numbersIn(other, "server", "Hello"), {})
      const stats = yield* Telemetry.stats.pipe(Effect.provideService(Metric.MetricRegistry, registry))
      assert.strictEqual(stats.totals.client.calls, 2)
      assert.strictEqual(stats.totals.server.calls, 0)
    }).pipe(onBus)
  )

  it.effect("keep their own attributes where the program has some of the same names", () =>
    Effect.gen(function* () {
      class Other extends Service.make("Other", { hello: Rpc.unary(codec) }) {}
      const attributes = { service: "billing", kind: "backend", code: "x", bus: "line", region: "eu" }
      const started = yield* Effect.gen(function* () {
        // a bus of its own, since that of the test was made before
        const bus = yield* LocalMessageBus.make
        const make = Effect.provideService(MessageBus, bus)
        yield* make(Server.make(Greeter, handlers))
        yield* make(Server.make(Other, { hello: (name) => Effect.succeed(name) }))
        const greeter = yield* make(Client.make(Greeter))
        const other = yield* make(Client.make(Other))
        yield* greeter.hello("a")
        yield* other.hello("a")
        yield* other.hello("a")
        return yield* Metric.snapshot
      }).pipe(Effect.provideService(Metric.CurrentMetricAttributes, attributes))
      const of = (name: string, side: string) =>
        started
          .filter(({ attributes, id }) => id === name && attributes?.["side"] === side)
          .filter(({ attributes }) => attributes?.["method"] === undefined || attributes["method"] === "Hello")
          .filter(({ attributes }) => side !== "bus" || attributes?.["region"] === "eu")
          .map(({ attributes, state }): Readonly<Record<string, unknown>> => {
            const count = "count" in state ? state.count : (state as Metric.GaugeState<number>).value
            return Object.assign({}, attributes, { count })
          })
      for (const side of ["client", "server"]) {
        const hello = { side, method: "Hello", kind: "unary", bus: "line", region: "eu" }
        assert.deepStrictEqual(of("psrpc_calls_started", side), [
          { ...hello, service: "Greeter", count: 1 },
          { ...hello, service: "Other", count: 2 }
        ])
        assert.deepStrictEqual(of("psrpc_calls_finished", side), [
          { ...hello, service: "Greeter", code: "ok", count: 1 },
          { ...hello, service: "Other", code: "ok", count: 2 }
        ])
      }
      // what is no attribute of a bus may be one of the program's
      const line = { side: "bus", bus: "local", region: "eu", service: "billing", kind: "backend", code: "x" }
      const [subscriptions] = of("psrpc_bus_subscriptions", "bus")
      assert.deepStrictEqual(subscriptions, { ...line, count: subscriptions!["count"] })
      assert.isAbove(Number(subscriptions!["count"]), 0)
      const { methods } = yield* Telemetry.stats
      for (const { attributes } of methods) assert.deepStrictEqual(attributes, { bus: "line", region: "eu" })
    }).pipe(onBus)
  )

  it.effect("are apart by the attributes of the context that a client was made in", () =>
    Effect.gen(function* () {
      yield* Server.make(Greeter, handlers)
      const tenant = (name: string) =>
        Client.make(Greeter).pipe(Effect.provideService(Metric.CurrentMetricAttributes, { tenant: name, zone: "eu" }))
      const [a, b] = [yield* tenant("a"), yield* tenant("b")]
      yield* a.hello("x")
      yield* b.hello("x")
      // not those of the caller
      yield* b.hello("x").pipe(Effect.provideService(Metric.CurrentMetricAttributes, { tenant: "c" }))
      const found = (yield* Metric.snapshot).flatMap(({ attributes, id, state }) =>
        id === "psrpc_calls_started" && attributes?.["side"] === "client" && attributes["method"] === "Hello"
          ? [[attributes["tenant"], attributes["zone"], (state as Metric.CounterState<number>).count]]
          : []
      )
      assert.deepStrictEqual(found, [
        ["a", "eu", 1],
        ["b", "eu", 2]
      ])
      const { methods } = yield* Telemetry.stats
      const clients = methods.filter(({ method, side }) => side === "client" && method === "Hello")
      assert.deepStrictEqual(
        clients.map(({ attributes, calls }) => [attributes, calls]),
        [
          [{ tenant: "a", zone: "eu" }, 1],
          [{ tenant: "b", zone: "eu" }, 2]
        ]
      )
    }).pipe(onBus)
  )
})

describe("Metric.registerUnsafe, which Effect marks unstable,", () => {
  it("registers what is read when a snapshot is taken, and takes no updates", () => {
    const context = Context.make(Metric.MetricRegistry, new Map()).pipe(
      Context.add(Metric.CurrentMetricAttributes, { zone: "eu" })
    )
    let count = 0
    const metric = Metric.counter("read_when_asked", { attributes: { side: "test" }, incremental: true })
    const ignore = (): void => {}
    const registration = Metric.registerUnsafe(metric, context, {
      get: () => ({ count, incremental: true }),
      update: ignore,
      modify: ignore
    })
    assert.isFunction(registration.remove)
    for (count of [1, 5]) {
      assert.deepStrictEqual<unknown>(Metric.snapshotUnsafe(context), [
        {
          id: "read_when_asked",
          type: "Counter",
          description: undefined,
          attributes: { side: "test", zone: "eu" },
          state: { count, incremental: true }
        }
      ])
    }
  })
})

describe("the metrics", () => {
  it.effect("are those of Telemetry.metrics, all of them, with these types, units and attributes", () =>
    Effect.gen(function* () {
      yield* LocalMessageBus.make
      const server = yield* Server.make(Greeter, handlers)
      const client = yield* Client.make(Greeter)
      yield* Publisher.make(Greeter)
      yield* client.hello("a")
      const fake = yield* fakeClient("Greeter")
      fake.request("Hello", { id: "r", expiry: -1, raw: json("a") })
      yield* settle
      yield* server.kill
      const registered = new Map<
        string,
        { type: string; unit: string | undefined; description: string; keys: Set<string> }
      >()
      for (const { attributes = {}, description = "", id, type } of yield* Metric.snapshot) {
        const { unit, ...others } = attributes
        const known = registered.get(id)
        const keys = known?.keys ?? new Set()
        for (const key of Object.keys(others)) keys.add(key)
        const found = { type: type.toLowerCase(), unit, description, keys }
        if (known !== undefined) assert.deepStrictEqual(found, known)
        registered.set(id, found)
      }
      // of a bus with a broker
      const isElsewhere = (name: string): boolean => name.startsWith("psrpc_bus_") && name !== "psrpc_bus_subscriptions"
      assert.deepStrictEqual(
        Array.from(registered, ([name, { description, keys, type, unit }]) => ({
          name,
          type,
          unit,
          attributes: Array.from(keys).sort(),
          description
        })).sort((a, b) => (a.name < b.name ? -1 : 1)),
        Telemetry.metrics
          .filter(({ name }) => !isElsewhere(name))
          .map(({ attributes, description, name, type, unit }) => ({
            name,
            type: type as string,
            unit: unit as string | undefined,
            attributes: attributes.toSorted(),
            description
          }))
          .sort((a, b) => (a.name < b.name ? -1 : 1))
      )
    }).pipe(onBus)
  )

  it("have names of their own, which end in their unit", () => {
    const names = Telemetry.metrics.map(({ name }) => name)
    assert.strictEqual(new Set(names).size, names.length)
    for (const { name, type, unit } of Telemetry.metrics) {
      assert.match(name, /^psrpc_[a-z_]+$/)
      assert.strictEqual(name.endsWith("_seconds"), unit === "s")
      assert.strictEqual(name.endsWith("_bytes"), unit === "By")
      assert.strictEqual(type === "histogram", unit === "s")
    }
  })
})

describe("times", () => {
  it("are put into buckets as Effect's own histogram does", () => {
    const context = Context.make(Metric.MetricRegistry, new Map())
    const theirs = Metric.histogram("theirs", {
      boundaries: Metric.boundariesFromIterable(boundaries.map((millis) => millis / 1000))
    })
    const ours = new Histogram()
    const times = [0, 0.05, 0.1, 0.1000001, 1, 3, 99, 100, 101, 9999, 10_000, 10_001, 1e9]
    for (const millis of times) {
      ours.record(millis)
      theirs.updateUnsafe(millis / 1000, context)
    }
    const { sum, ...rest } = theirs.valueUnsafe(context)
    const { sum: own, ...state } = ours.state
    assert.deepStrictEqual(state, rest)
    assert.closeTo(own, sum, 1e-6)
    assert.strictEqual(state.count, times.length)
  })

  it("that are none count as 0: a clock may be put back", () => {
    const histogram = new Histogram()
    for (const millis of [-1, Number.NaN]) histogram.record(millis)
    assert.strictEqual(histogram.sum, 0)
    assert.deepStrictEqual(histogram.state.buckets[0], [0.0001, 2])
    assert.deepStrictEqual(
      [new Histogram().state.min, new Histogram().state.max, new Histogram().state.count],
      [0, 0, 0]
    )
  })
})
