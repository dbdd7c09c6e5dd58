/** This library, used as a user would: the server, the client, or both in one process. */
import { create } from "@bufbuild/protobuf"
import { type BytesValue, BytesValueSchema } from "@bufbuild/protobuf/wkt"
import {
  Client,
  LocalMessageBus,
  type MessageBus,
  type PsrpcError,
  Rpc,
  Selection,
  Server,
  Service
} from "@effect-psrpc/core"
import { Effect, Layer, Redacted } from "effect"
import { profileTask } from "./profile.ts"
import { Recorder } from "./recorder.ts"
import { endWithStdin, readTask, sayReady, sayResult, type Task } from "./worker.ts"

/** The service of the Go bench, method by method. */
class Bench extends Service.make("Bench", {
  unary: Rpc.unary({ request: BytesValueSchema, response: BytesValueSchema }),
  claimless: Rpc.unary({ request: BytesValueSchema, response: BytesValueSchema, topic: ["name"], singleServer: true }),
  affinity: Rpc.unary({ request: BytesValueSchema, response: BytesValueSchema, routing: "affinity" })
}) {}

class BenchClient extends Client.Service<BenchClient>()("bench/BenchClient", Bench) {}

const topic = { name: "t1" }
const idle = 0.5
/** Takes the claim at once, as the Go peer is told to: the short circuit would be all there is to measure. */
const selection = Selection.best({ enough: idle, afterFirst: "200 millis" })

const echo = (request: BytesValue) => Effect.succeed(request)

const BenchLive = Server.layer(
  Bench,
  { unary: echo, claimless: echo, affinity: { affinity: idle, handle: echo } },
  { topics: { claimless: [topic] } }
)

type BusLayer = Layer.Layer<MessageBus.MessageBus, PsrpcError.PsrpcError>

const busOf = ({ bus, url }: Task): BusLayer =>
  bus === "local"
    ? LocalMessageBus.layer
    : Layer.unwrap(
        // only where it is needed: the local bus does without ioredis
        Effect.map(
          Effect.promise(() => import("@effect-psrpc/redis")),
          ({ RedisMessageBus }): BusLayer => RedisMessageBus.layer({ url: Redacted.make(url) })
        )
      )

const callOf = (client: BenchClient["Service"], mode: Task["mode"], request: BytesValue) => {
  switch (mode) {
    case "claimless":
      return client.claimless(request, { topic })
    case "affinity":
      return client.affinity(request, { selection })
    default:
      return client.unary(request)
  }
}

/** A closed loop of fibers: each calls, waits, checks the length of the answer, and calls again. */
const measure = Effect.fnUntraced(function* (task: Task) {
  const client = yield* BenchClient
  const request = create(BytesValueSchema, { value: new Uint8Array(task.payload).fill(97) })
  const call = callOf(client, task.mode, request)
  const recorder = new Recorder(task)
  const profiled = profileTask(task)
  const loop = Effect.gen(function* () {
    for (;;) {
      const start = performance.now()
      const exit = yield* Effect.exit(call)
      const goesOn =
        exit._tag === "Failure"
          ? recorder.failed(exit.cause)
          : exit.value.value.length === task.payload
            ? recorder.succeeded(start)
            : recorder.failed(`${exit.value.value.length} bytes instead of ${task.payload}`)
      if (!goesOn) return
    }
  })
  yield* Effect.all(
    Array.from({ length: task.concurrency }, () => loop),
    { concurrency: "unbounded", discard: true }
  )
  yield* Effect.promise(() => profiled)
  yield* Effect.promise(() => sayResult(recorder.result()))
})

const serve = (task: Task) =>
  Effect.callback<void>((resume) => {
    endWithStdin(() => resume(Effect.void))
    sayReady()
    void profileTask(task)
  })

const task = readTask()
const bus = busOf(task)
const program =
  task.role === "server"
    ? Effect.provide(serve(task), Layer.provide(BenchLive, bus))
    : Effect.provide(
        measure(task),
        Layer.provide(task.role === "both" ? Layer.merge(BenchLive, BenchClient.layer) : BenchClient.layer, bus)
      )

if (task.role !== "server") endWithStdin()
await Effect.runPromise(program)
process.exit(0)
