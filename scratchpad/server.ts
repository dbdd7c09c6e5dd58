// npm run example:server: one Greeter server on Redis, until Ctrl-C. Start several, and call them with example:client.
import { NodeRuntime } from "@effect/platform-node"
import { RedisMessageBus } from "@effect-psrpc/redis"
import { Config, Effect, Layer } from "effect"
import * as GreeterServer from "./greeter-server.ts"

const Bus = RedisMessageBus.layerConfig({
  url: Config.Redacted("REDIS_URL").pipe(Config.withDefault("redis://127.0.0.1:6379"))
})

const Main = Layer.unwrap(
  Effect.gen(function* () {
    const node = yield* Config.String("NODE_NAME").pipe(Config.withDefault("n1"))
    yield* Effect.log(`serving Greeter as ${node}`)
    return GreeterServer.layer({ node, idleCpu: Math.random() })
  })
)

// Ctrl-C closes the Layer: in-flight requests are finished first
NodeRuntime.runMain(Layer.launch(Main.pipe(Layer.provide(Bus))))
