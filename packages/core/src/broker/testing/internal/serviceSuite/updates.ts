/** Subscriptions: who receives an update, overflow, subscribers that come and go. */
import { Effect, Fiber, Schema, Stream } from "effect"
import * as Client from "../../../../Client.ts"
import * as Publisher from "../../../../Publisher.ts"
import * as Rpc from "../../../../Rpc.ts"
import * as Service from "../../../../Service.ts"
import { equal, numbered } from "../harness/assertions.ts"
import { CallLog } from "./callLog.ts"
import { clientOptions, on } from "./fixtures.ts"
import type { ServiceCase } from "./serviceCase.ts"
import { hasTopics, labelOf, sharedTopics, type TopicVariant, topicVariants } from "./topicVariants.ts"

/** The number of updates of one publisher in one topic. */
const count = 20

const receivers = (variant: TopicVariant, routing: "queue" | "multi"): ServiceCase => ({
  name: `subscription, ${routing}, ${variant.name}: ${
    routing === "queue"
      ? "one subscriber of the topic receives each update"
      : "every subscriber of the topic receives all updates"
  }`,
  body: Effect.fnUntraced(function* (run) {
    const Cell = Service.make(run.service, {
      updates: Rpc.subscription({ message: Schema.String, topic: variant.definition, routing })
    })
    const buses = yield* run.connections(3)
    const parts = variant.topics.map((topic) => ({
      topic,
      /** The received updates, by subscriber. */
      log: new CallLog(),
      subscribers: [] as Array<string>,
      /** The updates of each of two publishers. */
      texts: [0, 1].map((publisher) => numbered(count, `${labelOf(topic)} ${publisher} `))
    }))
    for (const [i, bus] of buses.entries()) {
      const client = yield* on(bus)(Client.make(Cell, clientOptions(run)))
      const topics = sharedTopics(variant, i)
      for (const { log, subscribers, topic } of parts.filter(({ topic }) => topics.includes(topic))) {
        // without topics, two in each process
        for (const n of hasTopics(variant) ? [0] : [0, 1]) {
          const subscriber = `${i} ${n}`
          subscribers.push(subscriber)
          const updates = yield* run.step("the acknowledgment of a subscription", client.updates({ topic }))
          yield* Effect.forkScoped(Stream.runForEach(updates, log.echo(subscriber)))
        }
      }
    }
    // the subscriptions are acknowledged: no update is lost
    const publishers = yield* Effect.all([buses[0], buses[2]].map((bus) => on(bus)(Publisher.make(Cell))))
    yield* Effect.forEach(
      parts.flatMap(({ texts, topic }) => publishers.map((publisher, i) => ({ topic, texts: texts[i]!, publisher }))),
      ({ publisher, texts, topic }) =>
        Effect.forEach(texts, (text) => publisher.updates(text, { topic }), { discard: true }),
      { concurrency: "unbounded", discard: true }
    )
    const receiversOf = (subscribers: ReadonlyArray<string>): number => (routing === "queue" ? 1 : subscribers.length)
    for (const { log, subscribers, texts } of parts) {
      const all = texts.flat()
      yield* log.waitForCount(run, all.length * receiversOf(subscribers), "updates to be read")
      if (routing === "queue") {
        yield* log.expect(all, "updates that were read")
        continue
      }
      for (const subscriber of subscribers) {
        for (const published of texts) {
          const read = log.by(subscriber).filter((text) => published.includes(text))
          yield* equal("updates of one publisher at a subscriber", read, published)
        }
      }
    }
    // copies and misrouted updates have arrived by now
    for (const { topic } of parts) yield* publishers[0]!.updates("end", { topic })
    for (const { log, subscribers, texts } of parts) {
      const all = [...texts.flat(), "end"]
      const times = receiversOf(subscribers)
      yield* log.waitForCount(run, all.length * times, "updates to be read")
      yield* log.expect(Array.from({ length: times }, () => all).flat(), "updates that were read")
    }
  })
})

const repeated: ServiceCase = {
  name: "subscription, queue: three equal updates within a second arrive once each",
  body: Effect.fnUntraced(function* (run) {
    const Cell = Service.make(run.service, {
      text: Rpc.subscription({ message: Schema.String }),
      empty: Rpc.subscription(),
      other: Rpc.subscription({ message: Schema.String })
    })
    const buses = yield* run.connections(3)
    const log = new CallLog()
    for (const bus of buses) {
      const client = yield* on(bus)(Client.make(Cell, clientOptions(run)))
      const { empty, other, text } = client
      for (const [name, subscribed] of Object.entries({ text: text(), other: other(), empty: empty() })) {
        const updates = yield* subscribed
        yield* Effect.forkScoped(
          Stream.runForEach(updates as Stream.Stream<string | void>, (update) =>
            Effect.sync(() => log.record(`${name} ${update ?? "no payload"}`))
          )
        )
      }
    }
    const publisher = yield* on(buses[0])(Publisher.make(Cell))
    const another = yield* on(buses[1])(Publisher.make(Cell))
    const rounds = [publisher, publisher, another]
    yield* Effect.forEach(
      rounds,
      ({ empty, other, text }) => Effect.all([text("same"), other("same"), empty()], { concurrency: 3 }),
      { concurrency: "unbounded", discard: true }
    )
    const expected = rounds.flatMap(() => ["text same", "other same", "empty no payload"])
    yield* log.waitForCount(run, expected.length, "updates to be read")
    yield* publisher.text("end")
    yield* log.waitForCount(run, expected.length + 1, "updates to be read")
    yield* log.expect([...expected, "text end"])
  })
}

const slow: ServiceCase = {
  name: "subscription: a subscriber that does not read delays no other, and loses updates by its policy",
  quiet: true,
  body: Effect.fnUntraced(function* (run) {
    const Cell = Service.make(run.service, {
      updates: Rpc.subscription({ message: Schema.String, routing: "multi" }),
      others: Rpc.subscription({ message: Schema.String, routing: "multi" })
    })
    const [bus, other] = yield* run.connections(3)
    const client = yield* on(bus)(Client.make(Cell, clientOptions(run)))
    // unread subscriptions with each policy, beside two that are read, on one connection
    const dropping = yield* client.updates({ subscriptionBufferSize: 5 })
    const sliding = yield* client.updates({ subscriptionBufferSize: 5, overflow: "sliding" })
    const failing = yield* client.updates({ subscriptionBufferSize: 5, overflow: "fail" })
    const read = [new CallLog(), new CallLog()]
    const quick = [
      yield* client.updates({ subscriptionBufferSize: 1000 }),
      yield* client.others({ subscriptionBufferSize: 1000 })
    ]
    for (const [i, updates] of quick.entries()) {
      yield* Effect.forkScoped(Stream.runForEach(updates, (text) => Effect.sync(() => read[i]!.record(text))))
    }
    const publisher = yield* on(other)(Publisher.make(Cell))
    const texts = numbered(500)
    for (const text of texts) {
      yield* publisher.updates(text)
      yield* publisher.others(text)
    }
    for (const log of read) {
      yield* log.waitForCount(run, texts.length, "updates to be read")
      yield* equal("updates of a subscriber that reads", log.all, texts)
    }
    const five = (updates: Stream.Stream<string, unknown>) => Stream.runCollect(Stream.take(updates, 5))
    yield* equal("updates of the dropping buffer", yield* five(dropping), texts.slice(0, 5))
    yield* equal("updates of the sliding buffer", yield* five(sliding), texts.slice(-5))
    const kept: Array<string> = []
    const failure = yield* Effect.flip(Stream.runForEach(failing, (text) => Effect.sync(() => kept.push(text))))
    yield* equal("updates before the failure", kept, texts.slice(0, 5))
    yield* equal("code of the error", failure.code, "resource_exhausted")
    yield* equal("reason of the error", failure.reason, "overflow")
    // dropped updates never arrive, new ones do
    yield* publisher.updates("end")
    yield* equal("next update", yield* Stream.runCollect(Stream.take(dropping, 1)), ["end"])
  })
}

const malformed: ServiceCase = {
  name: "subscription: updates that do not decode are skipped",
  quiet: true,
  body: Effect.fnUntraced(function* (run) {
    const Numbers = Service.make(run.service, { updates: Rpc.subscription({ message: Schema.Finite }) })
    const Texts = Service.make(run.service, { updates: Rpc.subscription({ message: Schema.String }) })
    const [a, b] = yield* run.connections(3)
    const updates = yield* Effect.flatMap(on(a)(Client.make(Numbers, clientOptions(run))), (client) => client.updates())
    const texts = yield* on(b)(Publisher.make(Texts))
    const numbers = yield* on(b)(Publisher.make(Numbers))
    yield* numbers.updates(1)
    yield* texts.updates("two")
    yield* numbers.updates(3)
    const read = yield* run.step("updates to be read", Stream.runCollect(Stream.take(updates, 2)))
    yield* equal("updates that were read", read.toSorted(), [1, 3])
  })
}

const leaving: ServiceCase = {
  name: "subscription, queue: no update is lost while subscribers come and go",
  body: Effect.fnUntraced(function* (run) {
    const Cell = Service.make(run.service, { updates: Rpc.subscription({ message: Schema.String }) })
    const buses = yield* run.connections(3)
    const log = new CallLog()
    const clients = yield* Effect.all(
      buses.map((bus) => on(bus)(Client.make(Cell, { ...clientOptions(run), subscriptionBufferSize: 1000 })))
    )
    const publisher = yield* on(buses[0])(Publisher.make(Cell))
    const texts = numbered(600)
    let published = 0
    const note = (text: string) => Effect.sync(() => log.record(text))
    // one subscriber stays
    const staying = yield* clients[0]!.updates()
    yield* Effect.forkScoped(Stream.runForEach(staying, note))
    /** Subscribes for some updates, unsubscribes, then reads the received ones. */
    const session = Effect.fnUntraced(function* (client: (typeof clients)[number]) {
      const end = published + 40
      const enough = run.waitUntil("more updates to be published", () => published >= Math.min(end, texts.length))
      const updates = yield* Effect.scoped(Effect.tap(client.updates(), () => enough))
      yield* Stream.runForEach(updates, note)
    })
    const sessions = yield* Effect.forkScoped(
      Effect.forEach(
        [clients[1]!, clients[2]!],
        (client) => Effect.whileLoop({ while: () => published < texts.length, body: () => session(client), step() {} }),
        { concurrency: 2, discard: true }
      )
    )
    for (const text of texts) {
      yield* publisher.updates(text)
      if (++published % 20 === 0) yield* run.turn
    }
    yield* run.step("the other subscribers to end", Fiber.join(sessions))
    yield* log.waitForCount(run, texts.length, "updates to be read")
    yield* log.expect(texts)
  })
}

export const updates: ReadonlyArray<ServiceCase> = [
  ...topicVariants.flatMap((variant) => [receivers(variant, "queue"), receivers(variant, "multi")]),
  repeated,
  slow,
  malformed,
  leaving
]
