// npm start: two servers and a client. In process, and over Redis where REDIS_URL says where it is.
import { LocalMessageBus } from "@effect-psrpc/core"
import { RedisMessageBus } from "@effect-psrpc/redis"
import { Console, Effect, Layer, Redacted } from "effect"
import { GreeterClient, tour } from "./greeter-client.ts"
import * as GreeterServer from "./greeter-server.ts"

const n1 = GreeterServer.layer({ node: "n1", idleCpu: 0.4 })
const n2 = GreeterServer.layer({ node: "n2", idleCpu: 0.8 })

const inProcess = tour.pipe(
  Effect.provide(Layer.mergeAll(n1, n2, GreeterClient.layer).pipe(Layer.provide(LocalMessageBus.layer)))
)

/** Each has connections of its own, as in three processes: a function called twice makes two buses. */
const overRedis = (url: string) => {
  const bus = () => RedisMessageBus.layer({ url: Redacted.make(url) })
  const provided = Layer.mergeAll(
    n1.pipe(Layer.provide(bus())),
    n2.pipe(Layer.provide(bus())),
    GreeterClient.layer.pipe(Layer.provide(bus()))
  )
  return tour.pipe(Effect.provide(provided))
}

const url = process.env["REDIS_URL"]
const program = Effect.gen(function* () {
  yield* Console.log("── In process ──")
  yield* inProcess
  if (url === undefined) {
    yield* Console.log("\nSet REDIS_URL (redis://127.0.0.1:6379, say) to see the same over Redis.")
  } else {
    yield* Console.log("\n── Over Redis ──")
    yield* overRedis(url)
  }
})

await Effect.runPromise(program)
