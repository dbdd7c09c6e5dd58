import { ServiceSuite } from "@effect-psrpc/core/broker/testing"
import { redisUrl } from "@effect-psrpc/test-servers"
import { describe, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { RedisMessageBus } from "../src/index.ts"
import { ways } from "./support.ts"

class Url extends Context.Service<Url, string>()("test/Url") {}

// the ways to send commands differ; their outcomes must not
const { "given clients": givenClients, "connections that the bus opens": ownConnections } = ways

layer(Layer.effect(Url, redisUrl), { excludeTestServices: true, timeout: 120_000 })((it) => {
  for (const [way, make] of Object.entries({
    "connections that the bus opens": ownConnections,
    "given clients": givenClients
  })) {
    // the suite mostly waits for timeouts
    describe.concurrent(`the library on Redis with ${way}`, () => {
      const connect = Effect.flatMap(Url, (url) => make(url))
      for (const test of ServiceSuite.make({ connect, maxPayload: RedisMessageBus.defaultMaxPayload })) {
        it.effect(test.name, () => test.effect, 62_000)
      }
    })
  }
})
