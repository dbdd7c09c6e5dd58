import { StringValueSchema } from "@bufbuild/protobuf/wkt"
import { Client, Publisher, Rpc, Server, Service } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { eventually, goPeer, interop, newServiceName, numbers, onBus } from "./support.ts"
import { newUpdates, type Reader, reading, subscribeGo, together } from "./subscriptionSupport.ts"

interop("updates to a queue", (it) => {
  it.effect("reach one subscriber each, Go's and ours in one queue, from either publisher", () =>
    Effect.gen(function* () {
      const service = newUpdates()
      const [one, two] = yield* Effect.all([goPeer(service), goPeer(service)])
      const a = yield* onBus(Client.make(service))
      const b = yield* onBus(Client.make(service))
      const readers = [
        yield* subscribeGo(one, "JobDone"),
        yield* subscribeGo(two, "JobDone"),
        yield* reading(yield* a.jobDone()),
        yield* reading(yield* a.jobDone()),
        yield* reading(yield* b.jobDone())
      ]
      const publisher = yield* onBus(Publisher.make(service))
      const ours = numbers(300, "ours ")
      const theirs = numbers(300, "go's ")
      yield* Effect.all(
        [
          Effect.forEach(ours, (value) => publisher.jobDone({ value }), { concurrency: 10 }),
          Effect.forEach(theirs, (text) => two.command("publish", { method: "JobDone", message: text }), {
            concurrency: 10
          })
        ],
        { concurrency: 2 }
      )
      yield* together(readers, 600)
      // what came twice would be here before this
      yield* publisher.jobDone({ value: "last" })
      assert.deepStrictEqual((yield* together(readers, 601)).toSorted(), [...ours, ...theirs, "last"].toSorted())
    })
  )

  it.effect("three that are alike within a second arrive once each, at a Go subscriber, at ours, and at both", () =>
    Effect.gen(function* () {
      for (const members of [["go"], ["ours"], ["go", "ours"]]) {
        const service = newUpdates()
        const go = yield* goPeer(service)
        const client = yield* onBus(Client.make(service))
        const readers: Array<Reader> = []
        if (members.includes("go")) readers.push(yield* subscribeGo(go, "JobDone"))
        if (members.includes("ours")) readers.push(yield* reading(yield* client.jobDone()))
        const publisher = yield* onBus(Publisher.make(service))
        for (let times = 0; times < 3; times++) yield* publisher.jobDone({ value: "same" })
        yield* together(readers, 3)
        yield* publisher.jobDone({ value: "last" })
        assert.deepStrictEqual((yield* together(readers, 4)).toSorted(), ["last", "same", "same", "same"])
      }
    })
  )

  it.effect("of a topic reach that topic's alone", () =>
    Effect.gen(function* () {
      const service = newUpdates()
      const go = yield* goPeer(service)
      const client = yield* onBus(Client.make(service))
      const eu = yield* subscribeGo(go, "JobDoneIn", "eu")
      const us = yield* reading(yield* client.jobDoneIn({ topic: { region: "us" } }))
      const publisher = yield* onBus(Publisher.make(service))
      yield* publisher.jobDoneIn({ value: "ours" }, { topic: { region: "eu" } })
      yield* publisher.jobDoneIn({ value: "ours" }, { topic: { region: "us" } })
      yield* go.command("publish", { method: "JobDoneIn", topic: "eu", message: "go's, eu" })
      yield* go.command("publish", { method: "JobDoneIn", topic: "us", message: "go's, us" })
      assert.deepStrictEqual((yield* together([eu], 2)).toSorted(), ["go's, eu", "ours"])
      assert.deepStrictEqual((yield* together([us], 2)).toSorted(), ["go's, us", "ours"])
    })
  )

  it.effect("are not lost where a Go subscriber comes and one of ours leaves meanwhile", () =>
    Effect.gen(function* () {
      const service = newUpdates()
      const go = yield* goPeer(service)
      const client = yield* onBus(Client.make(service))
      const scope = yield* Scope.make()
      const leaving = yield* reading(yield* Scope.provide(client.jobDone({ subscriptionBufferSize: 10_000 }), scope))
      const publisher = yield* onBus(Publisher.make(service))
      let published = 0
      let isOver = false
      const publish = Effect.gen(function* () {
        while (!isOver) yield* publisher.jobDone({ value: String(published++) })
      })
      const publishing = yield* Effect.forkChild(Effect.all([publish, publish], { concurrency: 2 }))
      const more = Effect.suspend(() => {
        const enough = published + 100
        return eventually(
          Effect.sync(() => published),
          (count) => count >= enough
        )
      })
      // who is quicker to the broker gets an update, and that may be Go each time: ours is alone at first
      yield* together([leaving], 50)
      const staying = yield* subscribeGo(go, "JobDone")
      yield* more
      yield* Scope.close(scope, Exit.void)
      // what it has been given by then it reads to the end
      yield* leaving.done
      yield* more
      isOver = true
      yield* Fiber.join(publishing)
      const all = yield* together([leaving, staying], published)
      assert.deepStrictEqual(all.toSorted(), numbers(published).toSorted())
    })
  )

  it.effect("are all ours where the Go subscriber has left", () =>
    Effect.gen(function* () {
      const service = newUpdates()
      const go = yield* goPeer(service)
      const theirs = yield* subscribeGo(go, "JobDone")
      const client = yield* onBus(Client.make(service))
      const ours = yield* reading(yield* client.jobDone())
      yield* theirs.unsubscribe
      const texts = numbers(50)
      for (const text of texts) yield* go.command("publish", { method: "JobDone", message: text })
      assert.deepStrictEqual((yield* together([ours], 50)).toSorted(), texts.toSorted())
      assert.deepStrictEqual(theirs.texts, [])
    })
  )
})

interop(
  "queue methods and queue subscriptions of one service, where every member of the queue is ours",
  (it) => {
    it.effect("get all that a Go client calls and publishes, whichever of us NATS gives it to", () =>
      Effect.gen(function* () {
        const name = newServiceName()
        const text = { request: StringValueSchema, response: StringValueSchema }
        const answer = (request: { readonly value: string }) => Effect.succeed({ value: `ours:${request.value}` })
        yield* onBus(Server.make(Service.make(name, { echo: Rpc.unary(text) }), { echo: answer }))
        yield* onBus(Server.make(Service.make(name, { raw: Rpc.unary(text) }), { raw: answer }))
        const updates = Service.make(name, { jobDone: Rpc.subscription({ message: StringValueSchema }) })
        const client = yield* onBus(Client.make(updates))
        const reader = yield* reading(yield* client.jobDone())
        const go = yield* goPeer({ serviceName: name })
        const texts = numbers(40)
        for (const value of texts) {
          assert.strictEqual(yield* go.call("Echo", value), `ours:${value}`)
          assert.strictEqual(yield* go.call("Raw", value), `ours:${value}`)
          yield* go.command("publish", { method: "JobDone", message: value })
        }
        assert.deepStrictEqual((yield* together([reader], 40)).toSorted(), texts.toSorted())
      })
    )
  },
  ["nats"]
)
