import { TcpProxy } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Context, Effect, Metric, Scope } from "effect"
import type { Broker, Ways } from "./broker.ts"
import { bytes, channel, closable, live, publish, until } from "./support.ts"

/** Returns the metrics of buses in a registry, by name without prefix. */
const numbers = (registry: Metric.MetricRegistry): Readonly<Record<string, number>> =>
  Object.fromEntries(
    Metric.snapshotUnsafe(Context.make(Metric.MetricRegistry, registry))
      .filter(({ attributes, id }) => id.startsWith("psrpc_bus_") && attributes?.["side"] === "bus")
      .map(({ id, state }) => [
        id.slice("psrpc_bus_".length),
        "count" in state ? Number(state.count) : Number((state as Metric.GaugeState<number>).value)
      ])
  )

/** Tests of the metrics of a bus with this number of connections, on buses that reconnect quickly. */
export const busMetrics = (broker: Broker, ways: Ways, connections: number): void => {
  for (const [way, make] of Object.entries(ways)) {
    describe.concurrent(`the metrics of ${way}`, () => {
      live("count messages, bytes, subscriptions, and connections that are lost and restored", () =>
        Effect.gen(function* () {
          const server = yield* broker.server
          const proxy = yield* TcpProxy.make(server)
          const registry: Metric.MetricRegistry = new Map()
          const other: Metric.MetricRegistry = new Map()
          const inRegistry = Effect.provideService(Metric.MetricRegistry, registry)
          const bus = yield* make(broker.address(proxy.port)).pipe(inRegistry)
          const sender = yield* broker
            .own(broker.address(server.port))
            .pipe(Effect.provideService(Metric.MetricRegistry, other))

          const news = channel()
          const { close, scope } = yield* closable
          let received = 0
          yield* bus.subscribe(news, () => received++).pipe(Scope.provide(scope))
          yield* bus.subscribe(channel(), () => {})
          yield* publish(bus, news, bytes("seven b"))
          yield* publish(sender, news, bytes("four"))
          yield* until(() => received === 2, "both arrive")
          assert.deepStrictEqual(numbers(registry), {
            subscriptions: 2,
            messages_published: 1,
            messages_received: 2,
            published_bytes: 7,
            received_bytes: 11,
            connections_lost: 0,
            reconnects: 0
          })

          for (const times of [1, 2]) {
            proxy.cut()
            yield* until(() => numbers(registry)["reconnects"] === times * connections, "it is back")
            assert.strictEqual(numbers(registry)["connections_lost"], times * connections)
          }
          yield* close
          const { messages_published, published_bytes, subscriptions } = numbers(registry)
          assert.strictEqual(subscriptions, 1)
          const sent = numbers(other)
          assert.deepStrictEqual({ messages_published, published_bytes }, { messages_published: 1, published_bytes: 7 })
          assert.deepStrictEqual(
            { messages: sent["messages_published"], bytes: sent["published_bytes"], lost: sent["connections_lost"] },
            { messages: 1, bytes: 4, lost: 0 }
          )
        })
      )

      live("are shared by two buses in one registry; a closed connection does not count as lost", () =>
        Effect.gen(function* () {
          const server = yield* broker.server
          const registry: Metric.MetricRegistry = new Map()
          const { close, scope } = yield* closable
          const one = yield* make(broker.address(server.port)).pipe(
            Effect.provideService(Metric.MetricRegistry, registry),
            Scope.provide(scope)
          )
          const two = yield* make(broker.address(server.port)).pipe(
            Effect.provideService(Metric.MetricRegistry, registry)
          )
          const news = channel()
          yield* one.subscribe(news, () => {}).pipe(Scope.provide(scope))
          yield* two.subscribe(news, () => {})
          yield* publish(one, news, bytes("a"))
          yield* publish(two, news, bytes("b"))
          assert.strictEqual(numbers(registry)["subscriptions"], 2)
          yield* close
          const { connections_lost, messages_published, subscriptions } = numbers(registry)
          assert.deepStrictEqual(
            { connections_lost, messages_published, subscriptions },
            { connections_lost: 0, messages_published: 2, subscriptions: 1 }
          )
        })
      )
    })
  }
}
