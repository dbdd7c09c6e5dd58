import { Effect, Fiber, Schema, Stream } from "effect"
import * as Client from "../../../../Client.ts"
import * as Publisher from "../../../../Publisher.ts"
import * as Rpc from "../../../../Rpc.ts"
import * as Service from "../../../../Service.ts"
import { equal } from "../busSuite/failure.ts"
import type { Case } from "../busSuite/run.ts"
import { Ledger, numbered, on, patient, three } from "./stage.ts"
import { labelOf, sharedBy, type Topics, ways } from "./topics.ts"

/** Updates of one publisher in one topic. */
const count = 20

const matrix = (topics: Topics, routing: "queue" | "multi"): Case => ({
  name: `subscription, ${routing}, ${topics.name}: ${
    routing === "queue" ? "one subscriber of the topic gets each update" : "every subscriber of the topic gets them all"
  }`,
  body: Effect.fnUntraced(function* (run) {
    const Cell = Service.make(run.service, {
      updates: Rpc.subscription({ message: Schema.String, topic: topics.definition, routing })
    })
    const buses = yield* three(run)
    /** One for each topic: who is a subscription. */
    const ledgers = topics.all.map(() => new Ledger())
    const subscribers = topics.all.map((): Array<string> => [])
    for (const [i, bus] of buses.entries()) {
      const client = yield* on(bus)(Client.make(Cell, patient))
      for (const topic of sharedBy(topics, i)) {
        const place = topics.all.indexOf(topic)
        // two in one process, where topics are few
        for (const n of topics.all.length > 1 ? [0] : [0, 1]) {
          const who = `${i} ${n}`
          subscribers[place]!.push(who)
          const updates = yield* run.step("a subscription to be acknowledged", client.updates({ topic }))
          yield* Effect.forkScoped(
            Stream.runForEach(updates, (text) => Effect.sync(() => ledgers[place]!.handled(text, who)))
          )
        }
      }
    }
    // what is published once the subscriptions are acknowledged arrives
    const publishers = yield* Effect.all([buses[0], buses[2]].map((bus) => on(bus)(Publisher.make(Cell))))
    const texts = topics.all.map((topic) =>
      publishers.map((_, publisher) => numbered(count, `${labelOf(topic)} ${publisher} `))
    )
    yield* Effect.forEach(
      topics.all.flatMap((topic, place) => publishers.map((publisher, p) => ({ topic, place, publisher, p }))),
      ({ p, place, publisher, topic }) =>
        Effect.forEach(texts[place]![p]!, (text) => publisher.updates(text, { topic }), { discard: true }),
      { concurrency: "unbounded", discard: true }
    )
    for (const [place, ledger] of ledgers.entries()) {
      const who = subscribers[place]!
      const all = texts[place]!.flat()
      yield* ledger.reached(run, routing === "queue" ? all.length : all.length * who.length, "updates to be read")
      if (routing === "queue") {
        yield* ledger.once(all)
        continue
      }
      for (const each of who) {
        for (const [p, own] of texts[place]!.entries()) {
          const prefix = `${labelOf(topics.all[place]!)} ${p} `
          const read = ledger.by(each).filter((text) => text.startsWith(prefix))
          yield* equal("what a subscriber read of one publisher", read, own)
        }
      }
    }
    // whatever came twice, or astray, has come by now
    for (const topic of topics.all) yield* publishers[0]!.updates("end", { topic })
    for (const [place, ledger] of ledgers.entries()) {
      const who = subscribers[place]!
      const all = texts[place]!.flat()
      const times = routing === "queue" ? 1 : who.length
      yield* ledger.reached(run, (all.length + 1) * times, "updates to be read")
      yield* ledger.once(Array.from({ length: times }, () => [...all, "end"]).flat())
    }
  })
})

const repeated: Case = {
  name: "subscription, queue: three updates that are alike, within a second, arrive once each",
  body: Effect.fnUntraced(function* (run) {
    const Cell = Service.make(run.service, {
      text: Rpc.subscription({ message: Schema.String }),
      nothing: Rpc.subscription(),
      other: Rpc.subscription({ message: Schema.String })
    })
    const buses = yield* three(run)
    const ledger = new Ledger()
    for (const bus of buses) {
      const client = yield* on(bus)(Client.make(Cell, patient))
      const { nothing, other, text } = client
      for (const [name, subscribed] of Object.entries({ text: text(), other: other(), nothing: nothing() })) {
        const updates = yield* subscribed
        yield* Effect.forkScoped(
          Stream.runForEach(updates as Stream.Stream<string | void>, (update) =>
            Effect.sync(() => ledger.handled(`${name} ${update ?? "nothing"}`))
          )
        )
      }
    }
    const publisher = yield* on(buses[0])(Publisher.make(Cell))
    const another = yield* on(buses[1])(Publisher.make(Cell))
    const rounds = [publisher, publisher, another]
    yield* Effect.forEach(
      rounds,
      ({ nothing, other, text }) => Effect.all([text("same"), other("same"), nothing()], { concurrency: 3 }),
      { concurrency: "unbounded", discard: true }
    )
    const expected = rounds.flatMap(() => ["text same", "other same", "nothing nothing"])
    yield* ledger.reached(run, expected.length, "updates to be read")
    yield* publisher.text("end")
    yield* ledger.reached(run, expected.length + 1, "updates to be read")
    yield* ledger.once([...expected, "text end"])
  })
}

const slow: Case = {
  name: "subscription: a subscriber that does not read delays nobody, and loses by its policy",
  quiet: true,
  body: Effect.fnUntraced(function* (run) {
    const Cell = Service.make(run.service, {
      updates: Rpc.subscription({ message: Schema.String, routing: "multi" }),
      others: Rpc.subscription({ message: Schema.String, routing: "multi" })
    })
    const [bus, other] = yield* three(run)
    const client = yield* on(bus)(Client.make(Cell, patient))
    // four that nobody reads, each with another policy, beside those that are read, all on one connection
    const dropping = yield* client.updates({ subscriptionBufferSize: 5 })
    const sliding = yield* client.updates({ subscriptionBufferSize: 5, overflow: "sliding" })
    const failing = yield* client.updates({ subscriptionBufferSize: 5, overflow: "fail" })
    const read = [new Ledger(), new Ledger()]
    const quick = [
      yield* client.updates({ subscriptionBufferSize: 1000 }),
      yield* client.others({ subscriptionBufferSize: 1000 })
    ]
    for (const [i, updates] of quick.entries()) {
      yield* Effect.forkScoped(Stream.runForEach(updates, (text) => Effect.sync(() => read[i]!.handled(text))))
    }
    const publisher = yield* on(other)(Publisher.make(Cell))
    const texts = numbered(500)
    for (const text of texts) {
      yield* publisher.updates(text)
      yield* publisher.others(text)
    }
    for (const ledger of read) {
      yield* ledger.reached(run, texts.length, "updates to be read")
      yield* equal("what a subscriber that reads got", ledger.all, texts)
    }
    const five = (updates: Stream.Stream<string, unknown>) => Stream.runCollect(Stream.take(updates, 5))
    yield* equal("what is kept where the newest are dropped", yield* five(dropping), texts.slice(0, 5))
    yield* equal("what is kept where the oldest are dropped", yield* five(sliding), texts.slice(-5))
    const kept: Array<string> = []
    const failure = yield* Effect.flip(Stream.runForEach(failing, (text) => Effect.sync(() => kept.push(text))))
    yield* equal("what is kept where the subscription fails", kept, texts.slice(0, 5))
    yield* equal("its error's code", failure.code, "resource_exhausted")
    yield* equal("its error's reason", failure.reason, "overflow")
    // what was lost is lost for good, and what is new arrives
    yield* publisher.updates("end")
    yield* equal("what comes next", yield* Stream.runCollect(Stream.take(dropping, 1)), ["end"])
  })
}

const unreadable: Case = {
  name: "subscription: what does not decode is skipped",
  quiet: true,
  body: Effect.fnUntraced(function* (run) {
    const Numbers = Service.make(run.service, { updates: Rpc.subscription({ message: Schema.Finite }) })
    const Texts = Service.make(run.service, { updates: Rpc.subscription({ message: Schema.String }) })
    const [a, b] = yield* three(run)
    const updates = yield* Effect.flatMap(on(a)(Client.make(Numbers, patient)), (client) => client.updates())
    const texts = yield* on(b)(Publisher.make(Texts))
    const numbers = yield* on(b)(Publisher.make(Numbers))
    yield* numbers.updates(1)
    yield* texts.updates("two")
    yield* numbers.updates(3)
    const read = yield* run.step("updates to be read", Stream.runCollect(Stream.take(updates, 2)))
    yield* equal("what is read", read.toSorted(), [1, 3])
  })
}

const leaving: Case = {
  name: "subscription, queue: subscribers that come and go lose no update that they have not got",
  body: Effect.fnUntraced(function* (run) {
    const Cell = Service.make(run.service, { updates: Rpc.subscription({ message: Schema.String }) })
    const buses = yield* three(run)
    const ledger = new Ledger()
    const clients = yield* Effect.all(
      buses.map((bus) => on(bus)(Client.make(Cell, { ...patient, subscriptionBufferSize: 1000 })))
    )
    const publisher = yield* on(buses[0])(Publisher.make(Cell))
    const texts = numbered(600)
    let published = 0
    const note = (text: string) => Effect.sync(() => ledger.handled(text))
    // one stays throughout
    const staying = yield* clients[0]!.updates()
    yield* Effect.forkScoped(Stream.runForEach(staying, note))
    /** Subscribes for some updates, and then reads what has come. */
    const session = Effect.fnUntraced(function* (client: (typeof clients)[number]) {
      const end = published + 40
      const enough = run.until("more to be published", () => published >= Math.min(end, texts.length))
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
    yield* run.step("those that come and go to end", Fiber.join(sessions))
    yield* ledger.reached(run, texts.length, "updates to be read")
    yield* ledger.once(texts)
  })
}

export const subscriptions: ReadonlyArray<Case> = [
  ...ways.flatMap((way) => [matrix(way, "queue"), matrix(way, "multi")]),
  repeated,
  slow,
  unreadable,
  leaving
]
