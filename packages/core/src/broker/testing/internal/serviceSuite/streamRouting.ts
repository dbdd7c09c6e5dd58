/** Stream methods: which server opens a stream, by routing and topic. */
import { Effect, Schema, type Scope, Stream } from "effect"
import type { BidiStream, ServerStream } from "../../../../BidiStream.ts"
import * as Client from "../../../../Client.ts"
import type { PsrpcError } from "../../../../PsrpcError.ts"
import * as Rpc from "../../../../Rpc.ts"
import * as Server from "../../../../Server.ts"
import * as Service from "../../../../Service.ts"
import { equal, numbered } from "../harness/assertions.ts"
import type { Run } from "../harness/run.ts"
import { CallLog } from "./callLog.ts"
import { failsWith } from "./errorAssertions.ts"
import { acceptAt, clientOptions, compareAll, on, onThreeProcesses, serverOptions } from "./fixtures.ts"
import type { ServiceCase } from "./serviceCase.ts"
import {
  affinityOf,
  bestServer,
  labelOf,
  ownTopics,
  serversOf,
  sharedTopics,
  type Topic,
  type TopicVariant,
  topicVariants
} from "./topicVariants.ts"

const texts = numbered(5)

const streamOf = { send: Schema.String, receive: Schema.String } as const

/** Makes a handler that sends its server and topic, and then each message that it receives. */
const echo =
  (server: number, log: CallLog) =>
  (stream: ServerStream<string, string>, call: Server.Call<object>): Effect.Effect<void, PsrpcError> =>
    Effect.gen(function* () {
      log.record(call.header.metadata["stream"] ?? "no metadata", server)
      yield* stream.send(`${server} ${labelOf(call.topic)}`)
      yield* Stream.runForEach(stream.messages, (text) => stream.send(text))
    })

/** Sends messages, and compares the received ones and the server. */
const exchange = (stream: BidiStream<string, string>, label: string, servers: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    yield* Effect.forEach(texts, (text) => stream.send(text), { concurrency: 3, discard: true })
    const received = yield* Stream.runCollect(Stream.take(stream.messages, texts.length + 1))
    const expected = servers.map((server) => `${server} ${label}`)
    yield* equal(`${received[0]} is one of ${expected.join(", ")}`, expected.includes(received[0]!), true)
    yield* equal("messages of the server", received.slice(1), texts)
  })

/** Opens concurrent streams of three clients in each topic, and exchanges messages on them. Returns their names. */
const exchangeOnAll = Effect.fnUntraced(function* (
  run: Run,
  variant: TopicVariant,
  open: (
    caller: number,
    topic: Topic,
    metadata: { readonly stream: string }
  ) => Effect.Effect<BidiStream<string, string>, PsrpcError, Scope.Scope>,
  expectedServers: (topic: Topic) => ReadonlyArray<number>
) {
  const streams = [0, 1, 2].flatMap((caller) =>
    variant.topics.map((topic) => ({ caller, topic, name: `${caller} ${labelOf(topic)}` }))
  )
  yield* run.step(
    "messages on all streams",
    Effect.forEach(
      streams,
      ({ caller, name, topic }) =>
        Effect.scoped(
          Effect.flatMap(open(caller, topic, { stream: name }), (stream) =>
            exchange(stream, labelOf(topic), expectedServers(topic))
          )
        ),
      { concurrency: "unbounded", discard: true }
    )
  )
  return streams.map(({ name }) => name)
})

const queue = (variant: TopicVariant): ServiceCase => ({
  name: `stream, queue, ${variant.name}: one server of the topic opens each stream`,
  body: (run) =>
    onThreeProcesses(
      run,
      variant,
      { rpc: Rpc.stream({ ...streamOf, topic: variant.definition }), topics: sharedTopics, handler: echo },
      (clients) =>
        exchangeOnAll(
          run,
          variant,
          (caller, topic, metadata) => clients[caller]!.call({ topic, metadata }),
          (topic) => serversOf(variant, topic)
        )
    )
})

const affinity = (variant: TopicVariant): ServiceCase => ({
  name: `stream, affinity, ${variant.name}: the best server of the topic opens each stream`,
  body: (run) =>
    onThreeProcesses(
      run,
      variant,
      {
        rpc: Rpc.stream({ ...streamOf, topic: variant.definition, routing: "affinity" }),
        topics: sharedTopics,
        handler: (server, log) => ({ affinity: affinityOf(server), handle: echo(server, log) })
      },
      (clients) =>
        exchangeOnAll(
          run,
          variant,
          (caller, topic, metadata) => {
            const selection = caller === 0 ? compareAll(run) : acceptAt(run, bestServer(variant, topic).affinity)
            return clients[caller]!.call({ topic, metadata, selection })
          },
          (topic) => [bestServer(variant, topic).server]
        )
    )
})

const singleServer = (variant: TopicVariant): ServiceCase => ({
  name: `stream, single server, ${variant.name}: the topic's server opens each stream without claims`,
  body: (run) =>
    onThreeProcesses(
      run,
      variant,
      {
        rpc: Rpc.stream({ ...streamOf, topic: variant.definition, singleServer: true }),
        topics: ownTopics,
        handler: echo
      },
      (clients) =>
        exchangeOnAll(
          run,
          variant,
          (caller, topic, metadata) => clients[caller]!.call({ topic, metadata }),
          (topic) => [variant.topics.indexOf(topic) % 3]
        )
    )
})

const noClaims: ServiceCase = {
  name: "stream, affinity: servers whose affinity is negative or fails send no claim",
  quiet: true,
  body: Effect.fnUntraced(function* (run) {
    const Cell = Service.make(run.service, { call: Rpc.stream({ ...streamOf, routing: "affinity" }) })
    const [a, b, c] = yield* run.connections(3)
    const log = new CallLog()
    const affinities = [
      (call: Server.Call<object>) => Number(call.header.metadata["affinity"]),
      Effect.fail("unknown"),
      Effect.die(new Error("unknown"))
    ] as const
    for (const [i, bus] of [a, b, c].entries()) {
      yield* on(bus)(
        Server.make(Cell, { call: { affinity: affinities[i]!, handle: echo(i, log) } }, serverOptions(run))
      )
    }
    const client = yield* on(c)(Client.make(Cell, clientOptions(run)))
    yield* Effect.scoped(
      Effect.flatMap(client.call({ metadata: { affinity: "0.5" }, selection: compareAll(run) }), (stream) =>
        exchange(stream, "{}", [0])
      )
    )
    yield* failsWith(
      "an opening without claims",
      Effect.scoped(client.call({ metadata: { affinity: "-1" }, selection: compareAll(run) })),
      { code: "unavailable", reason: "no_response", mayHaveRun: false }
    )
    yield* equal("opened streams", log.count, 1)
  })
}

export const streamRouting: ReadonlyArray<ServiceCase> = [
  ...topicVariants.flatMap((variant) => [queue(variant), affinity(variant), singleServer(variant)]),
  noClaims
]
