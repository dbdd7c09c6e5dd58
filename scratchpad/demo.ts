// npm start: two servers and a client. In process, and over Redis and NATS where REDIS_URL and NATS_URL say where they are.
import { LocalMessageBus, type MessageBus, type PsrpcError } from "@effect-psrpc/core"
import { NatsMessageBus } from "@effect-psrpc/nats"
import { RedisMessageBus } from "@effect-psrpc/redis"
import { Console, Effect, Layer, Redacted } from "effect"
import { GreeterClient, tour } from "./greeter-client.ts"
import * as GreeterServer from "./greeter-server.ts"

type Bus = Layer.Layer<MessageBus.MessageBus, PsrpcError.PsrpcError>

const n1 = GreeterServer.layer({ node: "n1", idleCpu: 0.4 })
const n2 = GreeterServer.layer({ node: "n2", idleCpu: 0.8 })

/** Over a broker each has connections of its own, as in three processes: a function that is called twice makes two buses. */
const overBroker = (bus: () => Bus) =>
  Effect.provide(
    tour,
    Layer.mergeAll(
      n1.pipe(Layer.provide(bus())),
      n2.pipe(Layer.provide(bus())),
      Layer.provideMerge(GreeterClient.layer, bus())
    )
  )

/** In process all of them share one bus, a value. */
const inProcess = Effect.provide(
  tour,
  Layer.mergeAll(n1, n2, GreeterClient.layer).pipe(Layer.provideMerge(LocalMessageBus.layer))
)

const { NATS_URL, REDIS_URL } = process.env

const program = Effect.gen(function* () {
  yield* Console.log("── In process ──")
  yield* inProcess
  if (REDIS_URL !== undefined) {
    yield* Console.log("\n── Over Redis ──")
    yield* overBroker(() => RedisMessageBus.layer({ url: Redacted.make(REDIS_URL) }))
  }
  if (NATS_URL !== undefined) {
    yield* Console.log("\n── Over NATS ──")
    yield* overBroker(() => NatsMessageBus.layer({ servers: NATS_URL }))
  }
  if (REDIS_URL === undefined && NATS_URL === undefined) {
    yield* Console.log(
      "\nSet REDIS_URL (redis://127.0.0.1:6379, say) or NATS_URL (nats://127.0.0.1:4222) to see the same over a broker."
    )
  }
})

await Effect.runPromise(program)
