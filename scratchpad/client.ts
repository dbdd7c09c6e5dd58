// npm run example:client: calls the servers that example:server started.
import { NodeRuntime } from "@effect/platform-node"
import { RedisMessageBus } from "@effect-psrpc/redis"
import { Config, Effect, Layer } from "effect"
import { GreeterClient, tour } from "./greeter-client.ts"

const Bus = RedisMessageBus.layerConfig({
  url: Config.Redacted("REDIS_URL").pipe(Config.withDefault("redis://127.0.0.1:6379"))
})

tour.pipe(Effect.provide(GreeterClient.layer.pipe(Layer.provideMerge(Bus))), NodeRuntime.runMain)
