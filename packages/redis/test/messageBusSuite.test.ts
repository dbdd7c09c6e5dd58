import { MessageBusSuite } from "@effect-psrpc/core/broker/testing"
import { RedisServer, redisUrl, TcpProxy } from "@effect-psrpc/test-servers"
import { describe, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Cluster } from "ioredis"
import { RedisMessageBus } from "../src/index.ts"
import { onClients, ways } from "./support.ts"

class Url extends Context.Service<Url, string>()("test/Url") {}

/** A proxy in front of a Redis, whose connections the suite cuts. */
class Proxy extends Context.Service<Proxy, TcpProxy.TcpProxy>()("test/Proxy") {}

/** The ports of a cluster's nodes. */
class Nodes extends Context.Service<Nodes, ReadonlyArray<number>>()("test/Nodes") {}

const Servers = Layer.effectContext(
  Effect.gen(function* () {
    const proxy = yield* TcpProxy.make(yield* RedisServer.make())
    const nodes = yield* RedisServer.makeCluster({ nodes: 3 })
    return Context.make(Proxy, proxy).pipe(
      Context.add(Url, yield* redisUrl),
      Context.add(
        Nodes,
        nodes.map(({ port }) => port)
      )
    )
  })
)

const outage = Effect.acquireRelease(
  Effect.map(Proxy, (proxy) => {
    proxy.refuse(true)
    proxy.cut()
    return proxy
  }),
  (proxy) => Effect.sync(() => proxy.refuse(false))
)

/** A bus on one Cluster client, which publishes and subscribes. */
const onCluster = Effect.gen(function* () {
  const nodes = (yield* Nodes).map((port) => ({ host: "127.0.0.1", port }))
  const cluster = yield* Effect.acquireRelease(
    Effect.sync(() => new Cluster(nodes, { lazyConnect: true })),
    (cluster) => Effect.sync(() => cluster.disconnect())
  )
  return yield* RedisMessageBus.makeClients({ publisher: cluster, subscriber: cluster })
})

/** The two ways to send commands, and the same with short reconnect delays. */
const reconnecting = {
  "connections that the bus opens": (url: string) =>
    RedisMessageBus.make({ url, reconnect: { minDelay: "10 millis", maxDelay: "50 millis" } }),
  "given clients": (url: string) => onClients(url, { retryStrategy: () => 20 })
}

layer(Servers, { excludeTestServices: true, timeout: 120_000 })((it) => {
  for (const [way, make] of Object.entries(ways)) {
    describe(`the Redis bus with ${way}`, () => {
      const connect = Effect.flatMap(Url, (url) => make(url))
      const tests = MessageBusSuite.make({ connect, maxPayload: RedisMessageBus.defaultMaxPayload })
      for (const test of tests) it.effect(test.name, () => test.effect, 32_000)
    })
  }

  describe("the Redis bus with a Cluster", () => {
    // a node counts only its own subscribers
    for (const test of MessageBusSuite.make({ connect: onCluster, reportsNoListeners: false })) {
      it.effect(test.name, () => test.effect, 32_000)
    }
  })

  for (const [way, make] of Object.entries(reconnecting)) {
    describe(`the Redis bus with ${way}, with lost connections`, () => {
      const connect = Effect.flatMap(Proxy, ({ port }) => make(`redis://127.0.0.1:${port}`))
      for (const test of MessageBusSuite.make({ connect, outage })) it.effect(test.name, () => test.effect, 32_000)
    })
  }
})
