// Updates that come faster than they are read: who loses what, who hears of it, and who does not notice.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Publisher from "../../src/Publisher.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { between, inTurn, read, readSlowly } from "../helpers/readers.ts"
import { dropped, errorOf, exitOf, isRunning, Logs, onBus, settle, start } from "../helpers/harness.ts"

class News extends Service.make("News", {
  job: Rpc.subscription({ message: Schema.Finite }),
  told: Rpc.subscription({ message: Schema.Finite, routing: "multi" }),
  quiet: Rpc.subscription({ message: Schema.Finite, routing: "multi" }),
  hello: Rpc.unary({ request: Schema.String, response: Schema.String })
}) {}

const setUp = Effect.all({ client: Client.make(News), publisher: Publisher.make(News) })

/** Publishes them, and lets them arrive. */
const all = (call: (message: number) => Effect.Effect<void, PsrpcError.PsrpcError>, messages: ReadonlyArray<number>) =>
  Effect.andThen(inTurn(call, messages), settle)

/** What the log has at warn level. */
const warnings = Effect.map(Logs, (logs) => logs.filter(({ level }) => level === "Warn").map(({ text }) => text))

describe("a reader that is too slow", () => {
  it.effect("loses the newest beyond 100, by default", () =>
    Effect.gen(function* () {
      const { client, publisher } = yield* setUp
      const updates = yield* client.told()
      yield* all(publisher.told, between(1, 130))
      assert.strictEqual(yield* dropped("overflow", "client"), 30)
      const { fiber, seen } = yield* read(updates)
      yield* settle
      assert.deepStrictEqual(seen, between(1, 100))
      // and goes on
      yield* all(publisher.told, [131, 132])
      assert.deepStrictEqual(seen, [...between(1, 100), 131, 132])
      assert.isTrue(isRunning(fiber))
    }).pipe(onBus)
  )

  it.effect("beyond what the subscription says, or else the client", () =>
    Effect.gen(function* () {
      const publisher = yield* Publisher.make(News)
      const client = yield* Client.make(News, { subscriptionBufferSize: 5 })
      const [five, two] = [yield* client.told(), yield* client.told({ subscriptionBufferSize: 2 })]
      yield* all(publisher.told, between(1, 10))
      const readers = [yield* read(five), yield* read(two)]
      yield* settle
      assert.deepStrictEqual(
        readers.map(({ seen }) => seen),
        [between(1, 5), [1, 2]]
      )
      assert.strictEqual(yield* dropped("overflow", "client"), 5 + 8)
    }).pipe(onBus)
  )

  it.effect("sliding: loses the oldest", () =>
    Effect.gen(function* () {
      const { client, publisher } = yield* setUp
      const updates = yield* client.told({ subscriptionBufferSize: 3, overflow: "sliding" })
      yield* all(publisher.told, between(1, 10))
      const { open, seen } = yield* readSlowly(updates) // is at 8
      yield* settle
      yield* all(publisher.told, between(11, 14))
      yield* open
      yield* settle
      assert.deepStrictEqual(seen, [8, 12, 13, 14])
      assert.strictEqual(yield* dropped("overflow", "client"), 7 + 3)
      yield* all(publisher.told, [15])
      assert.deepStrictEqual(seen.slice(4), [15])
    }).pipe(onBus)
  )

  it.effect("sliding over thousands keeps the last", () =>
    Effect.gen(function* () {
      const { client, publisher } = yield* setUp
      const updates = yield* client.told({ subscriptionBufferSize: 1, overflow: "sliding" })
      yield* all(publisher.told, between(1, 5000))
      assert.deepStrictEqual((yield* read(updates)).seen, [5000])
      assert.strictEqual(yield* dropped("overflow", "client"), 4999)
    }).pipe(onBus)
  )

  it.effect("fail: loses the subscription, once what is in the buffer has been read", () =>
    Effect.gen(function* () {
      const { client, publisher } = yield* setUp
      const updates = yield* client.told({ subscriptionBufferSize: 3, overflow: "fail" })
      yield* all(publisher.told, between(1, 3))
      assert.strictEqual(yield* dropped("overflow", "client"), 0)
      yield* all(publisher.told, [4])
      assert.strictEqual(yield* dropped("overflow", "client"), 1)
      const { fiber, seen } = yield* read(updates)
      yield* settle
      assert.deepStrictEqual(seen, [1, 2, 3])
      const error = errorOf(fiber)
      assert.strictEqual(error._tag, "ResourceExhausted")
      assert.isTrue(PsrpcError.isOverflow(error))
      assert.include(error.message, "News.Told")
      // whoever reads next hears the same
      assert.strictEqual(yield* Effect.flip(Stream.runDrain(updates)), error)
      assert.deepStrictEqual(yield* warnings, [])
    }).pipe(onBus)
  )

  it.effect("fail: leaves the queue, and others get what comes then", () =>
    Effect.gen(function* () {
      const { client, publisher } = yield* setUp
      const failing = yield* client.job({ subscriptionBufferSize: 2, overflow: "fail" })
      const staying = yield* read(yield* client.job())
      // 1, 3 and 5 are for the first
      yield* all(publisher.job, between(1, 5))
      yield* all(publisher.job, between(6, 20))
      assert.deepStrictEqual(staying.seen, [2, 4, ...between(6, 20)])
      const { seen } = yield* read(failing)
      assert.deepStrictEqual(seen, [1, 3])
      assert.strictEqual(yield* dropped("overflow", "client"), 1)
    }).pipe(onBus)
  )

  it.effect("fail: counts also what came before it had left", () =>
    Effect.gen(function* () {
      const { client, publisher } = yield* setUp
      yield* client.told({ subscriptionBufferSize: 2, overflow: "fail" })
      yield* inTurn(publisher.told, between(1, 10))
      yield* settle
      assert.strictEqual(yield* dropped("overflow", "client"), 8)
    }).pipe(onBus)
  )

  it.effect("fail: others hear every update in order, though it leaves in the midst of them", () =>
    Effect.gen(function* () {
      const { client, publisher } = yield* setUp
      yield* client.told({ subscriptionBufferSize: 2, overflow: "fail" })
      const { seen } = yield* read(yield* client.told())
      yield* inTurn(publisher.told, between(1, 50))
      yield* settle
      assert.deepStrictEqual(seen, between(1, 50))
    }).pipe(onBus)
  )

  it.effect("fail: its scope and its client may close then, and change nothing", () =>
    Effect.gen(function* () {
      const publisher = yield* Publisher.make(News)
      const [scope, clientScope] = [yield* Scope.make(), yield* Scope.make()]
      const client = yield* Scope.provide(Client.make(News), clientScope)
      const updates = yield* Scope.provide(client.told({ subscriptionBufferSize: 1, overflow: "fail" }), scope)
      yield* all(publisher.told, [1, 2])
      yield* Scope.close(clientScope, Exit.void)
      yield* Scope.close(scope, Exit.void)
      const { fiber, seen } = yield* read(updates)
      assert.deepStrictEqual(seen, [1])
      assert.isTrue(PsrpcError.isOverflow(errorOf(fiber)))
    }).pipe(onBus)
  )
})

describe("the log", () => {
  for (const overflow of ["dropping", "sliding"] as const) {
    it.effect(`${overflow}: warns of the first update that is lost, the 10th, the 100th, and so on`, () =>
      Effect.gen(function* () {
        const { client, publisher } = yield* setUp
        yield* client.told({ subscriptionBufferSize: 5, overflow })
        for (const [lost, lines] of [
          [0, 0],
          [1, 1],
          [8, 1],
          [1, 2],
          [89, 2],
          [1, 3],
          [899, 3],
          [1, 4],
          [1000, 4]
        ] as const) {
          yield* all(publisher.told, between(1, lost === 0 ? 5 : lost))
          assert.strictEqual((yield* warnings).length, lines)
        }
        const which = { dropping: "the newest", sliding: "the oldest" }[overflow]
        const texts = yield* warnings
        ;[1, 10, 100, 1000].forEach((count, i) => {
          for (const part of ["News.Told", which, `${count} so far`, "5"]) assert.include(texts[i]!, part)
        })
      }).pipe(onBus)
    )
  }

  it.effect("warns of each subscription for itself", () =>
    Effect.gen(function* () {
      const { client, publisher } = yield* setUp
      yield* client.told({ subscriptionBufferSize: 1 })
      yield* client.quiet({ subscriptionBufferSize: 1 })
      yield* all(publisher.told, [1, 2])
      yield* all(publisher.quiet, [1, 2])
      assert.deepStrictEqual(
        (yield* warnings).map((text) => /News\.\w+/.exec(text)?.[0]),
        ["News.Told", "News.Quiet"]
      )
    }).pipe(onBus)
  )
})

describe("those beside it", () => {
  it.effect("are not held up by thousands of unread updates: subscriptions, calls, other clients", () =>
    Effect.gen(function* () {
      const { client, publisher } = yield* setUp
      const other = yield* Client.make(News)
      let answered = 0
      yield* Server.make(Service.pick(News, "hello"), {
        hello: (name) => Effect.sync(() => `hello ${name} ${++answered}`)
      })
      // one that nobody reads, one whose reader is stuck, of all kinds
      const unread = [
        yield* client.told(),
        yield* client.told({ overflow: "sliding" }),
        yield* client.told({ overflow: "fail" })
      ]
      const stuck = yield* readSlowly(yield* client.told())
      const [beside, same, elsewhere] = [
        yield* read(yield* client.quiet()),
        yield* read(yield* client.told()),
        yield* read(yield* other.told())
      ]
      for (let round = 0; round < 5; round++) {
        yield* all(publisher.told, between(round * 1000 + 1, (round + 1) * 1000))
        yield* publisher.quiet(round)
        // no time passes: what had to wait for anything would not be there
        const calls = [yield* start(client.hello("a")), yield* start(other.hello("b"))]
        yield* settle
        for (const call of calls) assert.isTrue(Exit.isSuccess(exitOf(call)))
        assert.deepStrictEqual(beside.seen, between(0, round))
      }
      assert.deepStrictEqual(same.seen, between(1, 5000))
      assert.deepStrictEqual(elsewhere.seen, between(1, 5000))
      assert.deepStrictEqual(stuck.seen, [])
      const kept = yield* Effect.forEach(unread, (updates) => Effect.map(read(updates), ({ seen }) => seen))
      assert.deepStrictEqual(kept, [between(1, 100), between(4901, 5000), between(1, 100)])
      yield* stuck.open
      yield* settle
      assert.deepStrictEqual(stuck.seen, between(1, 101))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* client.hello("still"), "hello still 11")
    }).pipe(onBus)
  )

  it.effect("hear everything in order, though one leaves while it is told", () =>
    Effect.gen(function* () {
      const { client, publisher } = yield* setUp
      const heads = yield* Effect.forEach([1, 2], () =>
        start(Effect.scoped(Effect.flatMap(client.told(), (updates) => Stream.runHead(updates))))
      )
      const { seen } = yield* read(yield* client.told())
      yield* inTurn(publisher.told, between(1, 10))
      yield* settle
      assert.deepStrictEqual(seen, between(1, 10))
      for (const head of heads) assert.deepStrictEqual(yield* Fiber.join(head), Option.some(1))
    }).pipe(onBus)
  )
})
