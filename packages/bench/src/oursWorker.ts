/** This library, in its usual configuration: the server, the client, or both in one process. */
import { create } from "@bufbuild/protobuf"
import { type BytesValue, BytesValueSchema } from "@bufbuild/protobuf/wkt"
import {
  Client,
  LocalMessageBus,
  type MessageBus,
  type PsrpcError,
  Publisher,
  Rpc,
  Selection,
  Server,
  Service
} from "@effect-psrpc/core"
import { Context, Effect, Layer, Redacted, Stream, Tracer } from "effect"
import { profileTask } from "./profile.ts"
import { Recorder } from "./recorder.ts"
import { endWithStdin, readTask, sayReady, sayResult, type Task } from "./worker.ts"

/** The same service as in the Go benchmark. */
class Bench extends Service.make("Bench", {
  unary: Rpc.unary({ request: BytesValueSchema, response: BytesValueSchema }),
  claimless: Rpc.unary({ request: BytesValueSchema, response: BytesValueSchema, topic: ["name"], singleServer: true }),
  affinity: Rpc.unary({ request: BytesValueSchema, response: BytesValueSchema, routing: "affinity" }),
  multi: Rpc.multi({ request: BytesValueSchema, response: BytesValueSchema }),
  updates: Rpc.subscription({ message: BytesValueSchema, routing: "multi" }),
  pingPong: Rpc.stream({ send: BytesValueSchema, receive: BytesValueSchema }),
  oneWay: Rpc.stream({ send: BytesValueSchema, receive: BytesValueSchema })
}) {}

class BenchClient extends Client.Service<BenchClient>()("bench/BenchClient", Bench) {}

/** The publisher of the updates, on a connection of its own, as in another process. */
class Updates extends Context.Service<Updates, Publisher.From<typeof Bench>>()("bench/Updates") {}

const topic = { name: "t1" }
const idle = 0.5
/** Accepts the claim immediately, as the Go peer does; otherwise only the short circuit would be measured. */
const selection = Selection.best({ maximumAffinity: idle, shortCircuitTimeout: "200 millis" })

const echo = (request: BytesValue) => Effect.succeed(request)

const server = Server.layer(
  Bench,
  {
    unary: echo,
    claimless: echo,
    affinity: { affinity: idle, handle: echo },
    multi: echo,
    pingPong: (stream) => Stream.runForEach(stream.messages, (message) => stream.send(message)),
    oneWay: (stream) => Stream.runDrain(stream.messages)
  },
  { topics: { claimless: [topic] } }
)

/** Several servers for multi calls, one for other modes. */
const serversOf = ({ servers }: Task) => {
  const [first, ...others] = Array.from({ length: servers }, () => Layer.fresh(server))
  return Layer.mergeAll(first!, ...others)
}

type BusLayer = Layer.Layer<MessageBus.MessageBus, PsrpcError.PsrpcError>

/** Loads only the bus of the row: the local bus needs no broker's client. */
const busOf = ({ bus, url }: Task): BusLayer => {
  switch (bus) {
    case "local":
      return LocalMessageBus.layer
    case "redis":
      return Layer.unwrap(
        Effect.map(
          Effect.promise(() => import("@effect-psrpc/redis")),
          ({ RedisMessageBus }): BusLayer => RedisMessageBus.layer({ url: Redacted.make(url) })
        )
      )
    case "nats":
      return Layer.unwrap(
        Effect.map(
          Effect.promise(() => import("@effect-psrpc/nats")),
          ({ NatsMessageBus }): BusLayer => NatsMessageBus.layer({ servers: url })
        )
      )
  }
}

type Operation = Effect.Effect<boolean, PsrpcError.PsrpcError>

/** The operation that each fiber repeats. It returns whether the result is right. */
const operations = Effect.fnUntraced(function* (task: Task) {
  const client = yield* BenchClient
  const request = create(BytesValueSchema, { value: new Uint8Array(task.payload).fill(97) })
  const isRight = ({ value }: BytesValue): boolean => value.length === task.payload
  const all = (operation: Operation): ReadonlyArray<Operation> =>
    Array.from({ length: task.concurrency }, () => operation)
  switch (task.mode) {
    case "claimless":
      return all(Effect.map(client.claimless(request, { topic }), isRight))
    case "affinity":
      return all(Effect.map(client.affinity(request, { selection }), isRight))
    case "multi": {
      const answers = client.multi(request, { expect: task.servers })
      const count = (sum: number, { result }: Stream.Success<typeof answers>): number =>
        result._tag === "Success" && isRight(result.success) ? sum + 1 : sum
      return all(
        Effect.map(
          Stream.runFold(answers, () => 0, count),
          (right) => right === task.servers
        )
      )
    }
    case "subscription":
      return yield* updates(client, task)
    default:
      return all(Effect.map(client.unary(request), isRight))
  }
})

/** Publishes an update and waits for its arrival. The first bytes of an update name its fiber. */
const updates = Effect.fnUntraced(function* (client: BenchClient["Service"], task: Task) {
  const publisher = yield* Updates
  const lengths = new Int32Array(task.concurrency)
  const waiting: Array<(() => void) | undefined> = []
  const arrived = ({ value }: BytesValue): void => {
    const slot = new DataView(value.buffer, value.byteOffset).getUint32(0)
    lengths[slot] = value.length
    waiting[slot]?.()
  }
  const stream = yield* client.updates({ subscriptionBufferSize: task.concurrency * 2 })
  yield* Effect.forkScoped(Stream.runForEach(stream, (update) => Effect.sync(() => arrived(update))))
  return Array.from({ length: task.concurrency }, (_, slot): Operation => {
    const value = new Uint8Array(task.payload).fill(97)
    new DataView(value.buffer).setUint32(0, slot)
    const publish = publisher.updates(create(BytesValueSchema, { value }))
    const arrival = Effect.callback<boolean>((resume) => {
      const look = (): void => resume(Effect.succeed(lengths[slot] === task.payload))
      if (lengths[slot] !== 0) look()
      else waiting[slot] = look
    })
    return Effect.suspend(() => {
      lengths[slot] = 0
      waiting[slot] = undefined
      return Effect.andThen(publish, arrival)
    })
  })
})

const checked = (recorder: Recorder, start: number, isRight: boolean): boolean =>
  isRight ? recorder.succeeded(start) : recorder.failed("wrong response")

/** Calls, waits, checks the response, and calls again. */
const loopOf = (recorder: Recorder, operation: Operation) =>
  Effect.gen(function* () {
    for (;;) {
      const start = performance.now()
      const exit = yield* Effect.exit(operation)
      const goesOn = exit._tag === "Failure" ? recorder.failed(exit.cause) : checked(recorder, start, exit.value)
      if (!goesOn) return
    }
  })

/** Sends a message on a stream, waits for its ack, and in ping-pong for its echo, and sends again. */
const streamLoop = Effect.fnUntraced(function* (client: BenchClient["Service"], task: Task, recorder: Recorder) {
  const message = create(BytesValueSchema, { value: new Uint8Array(task.payload).fill(97) })
  if (task.mode === "oneway") {
    const stream = yield* client.oneWay()
    return yield* loopOf(recorder, Effect.as(stream.send(message), true))
  }
  const stream = yield* client.pingPong()
  let start = performance.now()
  yield* stream.send(message)
  yield* Stream.runForEachWhile(stream.messages, ({ value }) => {
    if (!checked(recorder, start, value.length === task.payload)) return Effect.succeed(false)
    start = performance.now()
    return Effect.as(stream.send(message), true)
  })
})

/** Runs a closed loop of fibers. */
const measure = Effect.fnUntraced(function* (task: Task) {
  const client = yield* BenchClient
  const isStream = task.mode === "pingpong" || task.mode === "oneway"
  const prepared = isStream ? [] : yield* operations(task)
  const recorder = new Recorder(task)
  const profiled = profileTask(task)
  const loops = isStream
    ? Array.from({ length: task.concurrency }, () => Effect.scoped(streamLoop(client, task, recorder)))
    : prepared.map((operation) => loopOf(recorder, operation))
  yield* Effect.all(loops, { concurrency: "unbounded", discard: true })
  yield* Effect.promise(() => profiled)
  yield* Effect.promise(() => sayResult(recorder.result()))
}, Effect.scoped)

const noUpdates = Layer.succeed(Updates, { updates: () => Effect.die("this process publishes no updates") })

const serve = (task: Task) =>
  Effect.callback<void>((resume) => {
    endWithStdin(() => resume(Effect.void))
    sayReady()
    void profileTask(task)
  })

const task = readTask()
const bus = busOf(task)
const UpdatesLive = Layer.effect(Updates, Publisher.make(Bench)).pipe(
  Layer.provide(task.bus === "local" ? bus : Layer.fresh(bus))
)
const ClientLive = Layer.provide(BenchClient.layer, bus)
const clientOnly =
  task.mode === "subscription" ? Layer.merge(ClientLive, UpdatesLive) : Layer.merge(ClientLive, noUpdates)
const program =
  task.role === "server"
    ? Effect.provide(serve(task), Layer.provide(serversOf(task), bus))
    : Effect.provide(
        measure(task),
        task.role === "both" ? Layer.merge(Layer.provide(serversOf(task), bus), clientOnly) : clientOnly
      )

/** A tracer whose spans record everything and are not exported. */
const recording = Tracer.make({ span: (options) => new Tracer.NativeSpan(options) })

if (task.role !== "server") endWithStdin()
await Effect.runPromise(task.tracer === "none" ? program : Effect.provideService(program, Tracer.Tracer, recording))
process.exit(0)
