import { Effect, Schema, Scope, Stream } from "effect"
import type { BidiStream, ServerStream } from "../../../../BidiStream.ts"
import * as Client from "../../../../Client.ts"
import type { PsrpcError } from "../../../../PsrpcError.ts"
import * as Rpc from "../../../../Rpc.ts"
import * as Server from "../../../../Server.ts"
import * as Service from "../../../../Service.ts"
import { equal } from "../busSuite/failure.ts"
import type { Case, Run } from "../busSuite/run.ts"
import { compared, enough, failsWith, Ledger, numbered, on, patient, three } from "./stage.ts"
import { affinityOf, bestOf, labelOf, ownedBy, serving, sharedBy, type Topics, ways } from "./topics.ts"

const texts = numbered(5)

/** Says who and where it is, and then what it gets. */
const echo =
  (ledger: Ledger, who: number) =>
  (stream: ServerStream<string, string>, call: Server.Call<object>): Effect.Effect<void, PsrpcError> =>
    Effect.gen(function* () {
      ledger.handled(call.header.metadata["stream"] ?? "no metadata")
      yield* stream.send(`${who} ${labelOf(call.topic)}`)
      yield* Stream.runForEach(stream.messages, (text) => stream.send(text))
    })

/** Sends, and reads what comes of it; the server is the one that is expected. */
const talk = (stream: BidiStream<string, string>, label: string, servers: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    yield* Effect.forEach(texts, (text) => stream.send(text), { concurrency: 3, discard: true })
    const got = yield* Stream.runCollect(Stream.take(stream.messages, texts.length + 1))
    yield* equal("whether the topic's own server answers", servers.map((i) => `${i} ${label}`).includes(got[0]!), true)
    yield* equal("what comes back", got.slice(1), texts)
  })

/** Opens streams from three clients in each topic, and talks on all of them at once. */
const talkToAll = Effect.fnUntraced(function* (
  run: Run,
  topics: Topics,
  open: (
    caller: number,
    topic: Topics["all"][number],
    metadata: { readonly stream: string }
  ) => Effect.Effect<BidiStream<string, string>, PsrpcError, Scope.Scope>,
  serversOf: (topic: Topics["all"][number]) => ReadonlyArray<number>
) {
  const streams = [0, 1, 2].flatMap((caller) => topics.all.map((topic) => ({ caller, topic })))
  const names = streams.map(({ caller, topic }) => `${caller} ${labelOf(topic)}`)
  yield* run.step(
    "streams to be opened, and messages to come back",
    Effect.forEach(
      streams,
      ({ caller, topic }, i) =>
        Effect.scoped(
          Effect.flatMap(open(caller, topic, { stream: names[i]! }), (stream) =>
            talk(stream, labelOf(topic), serversOf(topic))
          )
        ),
      { concurrency: "unbounded", discard: true }
    )
  )
  return names
})

const queue = (topics: Topics): Case => ({
  name: `stream, queue, ${topics.name}: one server of the topic takes each stream`,
  body: Effect.fnUntraced(function* (run) {
    const Cell = Service.make(run.service, {
      call: Rpc.stream({ send: Schema.String, receive: Schema.String, topic: topics.definition })
    })
    const buses = yield* three(run)
    const ledger = new Ledger()
    const servers = yield* run.closable
    for (const [i, bus] of buses.entries()) {
      const options = serving(topics, sharedBy(topics, i))
      yield* Server.make(Cell, { call: echo(ledger, i) }, options).pipe(on(bus), Scope.provide(servers.scope))
    }
    const clients = yield* Effect.all(buses.map((bus) => on(bus)(Client.make(Cell, patient))))
    const names = yield* talkToAll(
      run,
      topics,
      (caller, topic, metadata) => clients[caller]!.call({ topic, metadata }),
      (topic) => [0, 1, 2].filter((i) => sharedBy(topics, i).includes(topic))
    )
    yield* servers.close
    yield* ledger.once(names, "streams that were handled")
  })
})

const affinity = (topics: Topics): Case => ({
  name: `stream, affinity, ${topics.name}: the best server of the topic takes each stream`,
  body: Effect.fnUntraced(function* (run) {
    const Cell = Service.make(run.service, {
      call: Rpc.stream({
        send: Schema.String,
        receive: Schema.String,
        topic: topics.definition,
        routing: "affinity"
      })
    })
    const buses = yield* three(run)
    const ledger = new Ledger()
    const servers = yield* run.closable
    for (const [i, bus] of buses.entries()) {
      yield* Server.make(
        Cell,
        { call: { affinity: affinityOf(i), handle: echo(ledger, i) } },
        serving(topics, sharedBy(topics, i))
      ).pipe(on(bus), Scope.provide(servers.scope))
    }
    const clients = yield* Effect.all(buses.map((bus) => on(bus)(Client.make(Cell, patient))))
    const names = yield* talkToAll(
      run,
      topics,
      (caller, topic, metadata) => {
        const selection = caller === 0 ? compared : enough(bestOf(topics, topic).affinity)
        return clients[caller]!.call({ topic, metadata, selection })
      },
      (topic) => [bestOf(topics, topic).server]
    )
    yield* servers.close
    yield* ledger.once(names, "streams that were handled")
  })
})

const singleServer = (topics: Topics): Case => ({
  name: `stream, single server, ${topics.name}: the topic's own server takes each stream, without claims`,
  body: Effect.fnUntraced(function* (run) {
    const Cell = Service.make(run.service, {
      call: Rpc.stream({ send: Schema.String, receive: Schema.String, topic: topics.definition, singleServer: true })
    })
    const buses = yield* three(run)
    const ledger = new Ledger()
    const servers = yield* run.closable
    for (const [i, bus] of buses.entries()) {
      const own = ownedBy(topics, i)
      if (own.length === 0) continue
      const made = Server.make(Cell, { call: echo(ledger, i) }, serving(topics, own))
      yield* made.pipe(on(bus), Scope.provide(servers.scope))
    }
    const clients = yield* Effect.all(buses.map((bus) => on(bus)(Client.make(Cell, patient))))
    const names = yield* talkToAll(
      run,
      topics,
      (caller, topic, metadata) => clients[caller]!.call({ topic, metadata }),
      (topic) => [topics.all.indexOf(topic) % 3]
    )
    yield* servers.close
    yield* ledger.once(names, "streams that were handled")
  })
})

const silence: Case = {
  name: "stream, affinity: servers that do not fit, or do not know, keep silent",
  quiet: true,
  body: Effect.fnUntraced(function* (run) {
    const Cell = Service.make(run.service, {
      call: Rpc.stream({ send: Schema.String, receive: Schema.String, routing: "affinity" })
    })
    const buses = yield* three(run)
    const ledger = new Ledger()
    yield* on(buses[0])(
      Server.make(Cell, {
        call: { affinity: ({ header }) => Number(header.metadata["well"]), handle: echo(ledger, 0) }
      })
    )
    const silent = [Effect.fail("no idea"), Effect.die(new Error("no idea"))] as const
    for (const [i, affinity] of silent.entries()) {
      yield* on(buses[i + 1]!)(Server.make(Cell, { call: { affinity, handle: echo(ledger, i + 1) } }))
    }
    const client = yield* on(buses[2])(Client.make(Cell, patient))
    yield* Effect.scoped(
      Effect.flatMap(client.call({ metadata: { well: "0.5" }, selection: compared }), (stream) =>
        talk(stream, "{}", [0])
      )
    )
    yield* failsWith(
      "an opening where all keep silent",
      Effect.scoped(client.call({ metadata: { well: "-1" }, selection: compared })),
      { code: "unavailable", reason: "no_response", mayHaveRun: false }
    )
    yield* equal("streams that were handled", ledger.count, 1)
  })
}

export const streams: ReadonlyArray<Case> = [
  ...ways.flatMap((way) => [queue(way), affinity(way), singleServer(way)]),
  silence
]
