// npm start: two servers and a client, in one process; also over Redis and NATS if REDIS_URL and NATS_URL are set.
import { LocalMessageBus, type MessageBus, type PsrpcError } from "@effect-psrpc/core"
import { NatsMessageBus } from "@effect-psrpc/nats"
import { RedisMessageBus } from "@effect-psrpc/redis"
import { Console, Effect, Layer, Redacted } from "effect"
import { GreeterClient, tour } from "./greeter-client.ts"
import * as GreeterServer from "./greeter-server.ts"

type Bus = Layer.Layer<MessageBus.MessageBus, PsrpcError.PsrpcError>

const n1 = GreeterServer.layer({ node: "n1", idleCpu: 0.4 })
const n2 = GreeterServer.layer({ node: "n2", idleCpu: 0.8 })

/** Gives each server and the client its own connections, as in three processes: each call of the function makes a bus. */
const overBroker = (bus: () => Bus) =>
  Effect.provide(
    tour,
    Layer.mergeAll(
      n1.pipe(Layer.provide(bus())),
      n2.pipe(Layer.provide(bus())),
      Layer.provideMerge(GreeterClient.layer, bus())
    )
  )

/** Shares one bus: one Layer value. */
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
      "\nTo run this over a broker, set REDIS_URL (redis://127.0.0.1:6379) or NATS_URL (nats://127.0.0.1:4222)."
    )
  }
})

await Effect.runPromise(program)
