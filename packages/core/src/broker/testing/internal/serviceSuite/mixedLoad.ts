/** Calls of all kinds under load, and separation of queues. */
import { Effect, Schema, Stream } from "effect"
import * as Client from "../../../../Client.ts"
import * as Publisher from "../../../../Publisher.ts"
import * as Rpc from "../../../../Rpc.ts"
import * as Server from "../../../../Server.ts"
import * as Service from "../../../../Service.ts"
import { equal, numbered } from "../harness/assertions.ts"
import { CallLog } from "./callLog.ts"
import { acceptAt, clientOptions, on, text, serverOptions } from "./fixtures.ts"
import type { ServiceCase } from "./serviceCase.ts"

const calls = 2000

const mixed: ServiceCase = {
  name: "2,000 calls of all kinds, 64 at a time, on three servers, are handled once each",
  body: Effect.fnUntraced(function* (run) {
    const Mixed = Service.make(run.service, {
      queue: Rpc.unary(text),
      affinity: Rpc.unary({ ...text, routing: "affinity" }),
      single: Rpc.unary({ ...text, topic: ["server"], singleServer: true }),
      multi: Rpc.multi(text),
      stream: Rpc.stream({ send: Schema.String, receive: Schema.String })
    })
    const buses = yield* run.connections(3)
    const log = new CallLog()
    const servers = yield* Effect.all(
      buses.map((bus, i) => {
        const handle = log.echo(i)
        const handlers = {
          queue: handle,
          affinity: { affinity: 0.3 * (i + 1), handle },
          single: handle,
          multi: handle,
          stream: Mixed.of({
            queue: handle,
            affinity: { affinity: 1, handle },
            single: handle,
            multi: handle,
            stream: (stream) =>
              Stream.runForEach(stream.messages, (text) => Effect.andThen(handle(text), stream.send(text)))
          }).stream
        }
        return on(bus)(
          Server.make(Mixed, handlers, { ...serverOptions(run), topics: { single: [{ server: String(i) }] } })
        )
      })
    )
    const clients = yield* Effect.all(buses.map((bus) => on(bus)(Client.make(Mixed, clientOptions(run)))))
    const best = acceptAt(run, 0.3 * 3)
    const kinds: ReadonlyArray<
      (client: (typeof clients)[number], text: string, n: number) => Effect.Effect<string, unknown>
    > = [
      (client, text) => client.queue(text),
      (client, text) => client.affinity(text, { selection: best }),
      (client, text, n) => client.single(text, { topic: { server: String(n % 3) } }),
      (client, text) =>
        Effect.map(Stream.runCollect(Client.successes(client.multi(text, { expect: 3 }))), (responses) =>
          responses.every((response) => response === text) && responses.length === 3
            ? text
            : `responses: ${responses.join()}`
        ),
      (client, text) =>
        Effect.map(Stream.runCollect(client.stream.through(Stream.succeed(text))), (received) => received.join())
    ]
    yield* run.step(
      "the calls to end",
      Effect.forEach(
        numbered(calls),
        (text, n) =>
          Effect.flatMap(kinds[n % kinds.length]!(clients[n % 3]!, text, n), (response) =>
            equal("response", response, text)
          ),
        { concurrency: 64, discard: true }
      )
    )
    yield* run.step(
      "the servers to drain",
      Effect.all(
        servers.map(({ drain }) => drain),
        { concurrency: 3 }
      )
    )
    yield* log.expect(numbered(calls).flatMap((text, n) => (kinds[n % 5] === kinds[3] ? [text, text, text] : [text])))
  })
}

const shared: ServiceCase = {
  name: "queue methods and queue subscriptions of one service in different processes do not receive each other's messages",
  body: Effect.fnUntraced(function* (run) {
    const Shared = Service.make(run.service, {
      first: Rpc.unary(text),
      second: Rpc.unary(text),
      third: Rpc.unary({ ...text, topic: ["region"] }),
      jobs: Rpc.subscription({ message: Schema.String }),
      tasks: Rpc.subscription({ message: Schema.String }),
      local: Rpc.subscription({ message: Schema.String, topic: ["region"] })
    })
    const [a, b, c] = yield* run.connections(3)
    const log = new CallLog()
    const handle = (method: string) => (text: string) => Effect.as(log.echo()(`${method} ${text}`), text)
    const read = (method: string, updates: Stream.Stream<string, unknown>) =>
      Effect.forkScoped(Stream.runForEach(updates, handle(method)))
    // no process registers all methods, and the topic has the name of the queue without a topic
    const topic = { region: "Q" }
    yield* on(a)(Server.make(Service.pick(Shared, "first"), { first: handle("first") }))
    yield* on(b)(Server.make(Service.pick(Shared, "second"), { second: handle("second") }))
    yield* on(b)(Server.make(Service.pick(Shared, "third"), { third: handle("third") }, { topics: { third: [topic] } }))
    const clients = yield* Effect.all(
      [a, b, c].map((bus) => on(bus)(Client.make(Shared, { ...clientOptions(run), subscriptionBufferSize: 1000 })))
    )
    yield* read("jobs", yield* clients[0]!.jobs())
    yield* read("jobs", yield* clients[2]!.jobs())
    yield* read("tasks", yield* clients[2]!.tasks())
    yield* read("local", yield* clients[0]!.local({ topic }))
    yield* read("local", yield* clients[1]!.local({ topic: { region: "" } }))
    const publisher = yield* on(c)(Publisher.make(Shared))
    const texts = numbered(200)
    const senders: Record<string, (text: string, n: number) => Effect.Effect<unknown, unknown>> = {
      first: (text, n) => clients[n % 3]!.first(text),
      second: (text, n) => clients[n % 3]!.second(text),
      third: (text, n) => clients[n % 3]!.third(text, { topic }),
      jobs: (text) => publisher.jobs(text),
      tasks: (text) => publisher.tasks(text),
      local: (text, n) => publisher.local(text, { topic: n % 2 === 0 ? topic : { region: "" } })
    }
    yield* run.step(
      "the calls and the publishing of updates to end",
      Effect.forEach(
        Object.values(senders),
        (send) => Effect.forEach(texts, (text, n) => send(text, n), { concurrency: 8, discard: true }),
        { concurrency: "unbounded", discard: true }
      )
    )
    const expected = Object.keys(senders).flatMap((method) => texts.map((text) => `${method} ${text}`))
    yield* log.waitForCount(run, expected.length)
    yield* log.expect(expected)
  })
}

export const mixedLoad: ReadonlyArray<ServiceCase> = [mixed, shared]
