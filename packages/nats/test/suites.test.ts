import { MessageBusSuite, ServiceSuite } from "@effect-psrpc/core/broker/testing"
import { NatsServer, TcpProxy } from "@effect-psrpc/test-servers"
import { describe, layer } from "@effect/vitest"
import { Context, Effect, Layer, Logger } from "effect"
import { ways } from "./support.ts"

/** A server behind a proxy. */
class Broker extends Context.Service<Broker, { readonly proxy: TcpProxy.TcpProxy }>()("test/Broker") {}

const BrokerLive = Layer.effect(
  Broker,
  Effect.gen(function* () {
    return { proxy: yield* TcpProxy.make(yield* NatsServer.make({ maxPayload: 1024 * 1024 })) }
  })
)

const outage = Effect.flatMap(Broker, ({ proxy }) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      proxy.refuse(true)
      proxy.cut()
    }),
    () => Effect.sync(() => proxy.refuse(false))
  )
)

for (const [way, make] of Object.entries(ways)) {
  const connect = Effect.flatMap(Broker, ({ proxy }) => make(`127.0.0.1:${proxy.port}`))
  const run = (suite: string, tests: ReadonlyArray<MessageBusSuite.Test<Broker>>): void =>
    // the bus logs the faults of the suites
    layer(Layer.merge(BrokerLive, Logger.layer([])), { excludeTestServices: true, timeout: 120_000 })(
      `${suite} on ${way}`,
      (it) => {
        for (const { effect, name } of tests) it.effect(name, () => effect, 62_000)
      }
    )
  // an outage affects every connection
  run("the bus suite", MessageBusSuite.make({ connect, outage, maxPayload: 1024 * 1024 }))
  // it mostly waits for timeouts
  describe.concurrent("the library", () => {
    run("the service suite", ServiceSuite.make({ connect, maxPayload: 1024 * 1024 }))
  })
}
