import { create, toBinary } from "@bufbuild/protobuf"
import { BytesValueSchema } from "@bufbuild/protobuf/wkt"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Channels from "../../src/internal/wire/channel.ts"
import { encodeMsg } from "../../src/internal/wire/msg.ts"
import { MessageBus } from "../../src/MessageBus.ts"
import * as Payload from "../../src/Payload.ts"
import * as Publisher from "../../src/Publisher.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Service from "../../src/Service.ts"
import { between, inTurn, read, readSlowly, steps, stepwise, strides } from "../helpers/readers.ts"
import { broken } from "../helpers/steeredBus.ts"
import { dropped, isRunning, json, Logs, onBus, publish, settle, start } from "../helpers/harness.ts"

class News extends Service.make("News", {
  job: Rpc.subscription({ message: Schema.Finite }),
  told: Rpc.subscription({ message: Schema.Finite, routing: "multi" }),
  tick: Rpc.subscription({ routing: "multi" }),
  raw: Rpc.subscription({ message: Payload.bytes, routing: "multi" }),
  inRoom: Rpc.subscription({ message: Schema.String, topic: ["building", "room"], routing: "multi" }),
  inRegion: Rpc.subscription({
    message: Schema.String,
    topic: { region: Schema.Literals(["eu", "us"]), shard: Schema.FiniteFromString }
  })
}) {}

const setUp = Effect.all({ client: Client.make(News), publisher: Publisher.make(News) })

describe("a subscription", () => {
  it.effect("is there when the broker has acknowledged it, and not before", () =>
    Effect.gen(function* () {
      const beneath = yield* MessageBus
      const slow = MessageBus.of({
        ...beneath,
        subscribe: (...args) => Effect.delay(beneath.subscribe(...args), 100)
      })
      const { publisher } = yield* setUp
      const late = yield* start(Effect.provideService(Client.make(News), MessageBus, slow))
      yield* TestClock.adjust(100)
      const subscribing = yield* start((yield* Fiber.join(late)).told())
      yield* publisher.told(1)
      yield* TestClock.adjust(99)
      assert.isTrue(isRunning(subscribing))
      yield* TestClock.adjust(1)
      const updates = yield* Fiber.join(subscribing)
      yield* publisher.told(2)
      const { seen } = yield* read(updates)
      yield* settle
      assert.deepStrictEqual(seen, [2])
    }).pipe(onBus)
  )

  it.effect("misses nothing from then on, though nobody reads yet, and gives it in order", () =>
    Effect.gen(function* () {
      const { client, publisher } = yield* setUp
      const [told, jobs] = [yield* client.told(), yield* client.job()]
      yield* inTurn(publisher.told, between(1, 50))
      yield* inTurn(publisher.job, between(1, 50))
      yield* settle
      const readers = [yield* read(told), yield* read(jobs)]
      yield* inTurn(publisher.told, [51, 52])
      yield* inTurn(publisher.job, [51, 52])
      yield* settle
      for (const { seen } of readers) assert.deepStrictEqual(seen, between(1, 52))
    }).pipe(onBus)
  )

  it.effect("of a queue: each update reaches one, within one client and across several, and all take part", () =>
    Effect.gen(function* () {
      const { client, publisher } = yield* setUp
      const other = yield* Client.make(News)
      const readers = [
        yield* read(yield* client.job()),
        yield* read(yield* client.job()),
        yield* read(yield* other.job())
      ]
      yield* inTurn(publisher.job, between(1, 60))
      yield* settle
      for (const { seen } of readers) assert.strictEqual(seen.length, 20)
      assert.deepStrictEqual(
        readers.flatMap(({ seen }) => seen).sort((a, b) => a - b),
        between(1, 60)
      )
    }).pipe(onBus)
  )

  it.effect("of all: each update reaches everyone, within one client and across several", () =>
    Effect.gen(function* () {
      const { client, publisher } = yield* setUp
      const other = yield* Client.make(News)
      const readers = [
        yield* read(yield* client.told()),
        yield* read(yield* client.told()),
        yield* read(yield* other.told())
      ]
      yield* inTurn(publisher.told, between(1, 60))
      yield* settle
      for (const { seen } of readers) assert.deepStrictEqual(seen, between(1, 60))
    }).pipe(onBus)
  )

  it.effect("gives updates that are alike as many times as they were published", () =>
    Effect.gen(function* () {
      const { client, publisher } = yield* setUp
      const readers = [yield* read(yield* client.told()), yield* read(yield* client.job())]
      yield* Effect.all([publisher.told(7), publisher.told(7), publisher.told(7)], { concurrency: "unbounded" })
      yield* Effect.all([publisher.job(7), publisher.job(7), publisher.job(7)], { concurrency: "unbounded" })
      yield* settle
      for (const { seen } of readers) assert.deepStrictEqual(seen, [7, 7, 7])
    }).pipe(onBus)
  )

  it.effect("is to a topic, and hears of no other", () =>
    Effect.gen(function* () {
      const { client, publisher } = yield* setUp
      const b12 = yield* read(yield* client.inRoom({ topic: { building: "b", room: "1-2" } }))
      const b1 = yield* read(yield* client.inRoom({ topic: { building: "b", room: "1" } }))
      yield* publisher.inRoom("for 1-2", { topic: { building: "b", room: "1-2" } })
      yield* publisher.inRoom("for 1", { topic: { building: "b", room: "1" } })
      yield* publisher.inRoom("for nobody", { topic: { building: "c", room: "1" } })
      const eu = yield* read(yield* client.inRegion({ topic: { region: "eu", shard: 1 } }))
      const us = yield* read(yield* client.inRegion({ topic: { region: "us", shard: 1 } }))
      yield* publisher.inRegion("for eu", { topic: { region: "eu", shard: 1 } })
      yield* publisher.inRegion("for us", { topic: { region: "us", shard: 1 } })
      yield* publisher.inRegion("for nobody", { topic: { region: "us", shard: 2 } })
      yield* settle
      assert.deepStrictEqual(
        [b12, b1, eu, us].map(({ seen }) => seen),
        [["for 1-2"], ["for 1"], ["for eu"], ["for us"]]
      )
    }).pipe(onBus)
  )

  it.effect("is refused for options that cannot be", () =>
    Effect.gen(function* () {
      const { client } = yield* setUp
      for (const [subscribing, text] of [
        [client.job({ subscriptionBufferSize: 0 }), "subscriptionBufferSize"],
        [client.job({ subscriptionBufferSize: 1.5 }), "subscriptionBufferSize"],
        [client.job({ overflow: "suspend" as never }), "overflow"],
        [client.inRegion(undefined as never), "region"],
        [client.inRegion({ topic: { region: "eu" } as never }), "shard"],
        [client.inRegion({ topic: { region: "mars" as never, shard: 1 } }), "region"]
      ] as const) {
        const error = yield* Effect.flip(subscribing as Effect.Effect<unknown, unknown, Scope.Scope>)
        assert.propertyVal(error, "_tag", "InvalidArgument")
        assert.match((error as Error).message, /^News\./)
        assert.include((error as Error).message, text)
      }
    }).pipe(onBus)
  )

  it.effect("fails as the bus does, and leaves nothing then", () =>
    Effect.gen(function* () {
      const beneath = yield* MessageBus
      let refuses = false
      let listening = 0
      const refusing = MessageBus.of({
        ...beneath,
        subscribe: (...args) =>
          Effect.suspend(() => {
            if (refuses) return Effect.fail(broken(false))
            listening++
            return Effect.andThen(
              Effect.addFinalizer(() => Effect.sync(() => listening--)),
              beneath.subscribe(...args)
            )
          })
      })
      const client = yield* Effect.provideService(Client.make(News), MessageBus, refusing)
      const before = listening
      refuses = true
      const error = yield* Effect.flip(client.told())
      assert.strictEqual(error.reason, "connection")
      refuses = false
      const again = yield* Scope.make()
      yield* Scope.provide(client.told(), again)
      assert.strictEqual(listening, before + 1)
      yield* Scope.close(again, Exit.void)
      assert.strictEqual(listening, before)
    }).pipe(onBus)
  )

  it.effect("that is given up before the broker has acknowledged it leaves nothing", () =>
    Effect.gen(function* () {
      const beneath = yield* MessageBus
      let listening = 0
      const silent = MessageBus.of({
        ...beneath,
        subscribe: ({ name }, ...rest) => {
          if (!name.includes("|Told|")) return beneath.subscribe({ name, subject: "", route: "" }, ...rest)
          const asked = Effect.acquireRelease(
            Effect.sync(() => listening++),
            () => Effect.sync(() => listening--)
          )
          return Effect.andThen(asked, Effect.never)
        }
      })
      const client = yield* Effect.provideService(Client.make(News), MessageBus, silent)
      const subscribing = yield* start(client.told())
      assert.strictEqual(listening, 1)
      yield* Fiber.interrupt(subscribing)
      assert.strictEqual(listening, 0)
    }).pipe(onBus)
  )
})

describe("what is not an update", () => {
  it.effect("is skipped, counted, told of at debug level and warned of once; later updates arrive", () =>
    Effect.gen(function* () {
      const { client, publisher } = yield* setUp
      const logs = yield* Logs
      const { seen } = yield* read(yield* client.told())
      const channel = Channels.request("News", "Told", [], false)
      const bytesValue = (value: unknown) =>
        toBinary(BytesValueSchema, create(BytesValueSchema, { value: json(value) }))
      const typed = (name: string, value: Uint8Array) =>
        publish(channel, encodeMsg({ typeUrl: `type.googleapis.com/${name}`, value }))
      yield* typed("google.protobuf.StringValue", json(1))
      yield* typed("internal.Request", json(1))
      yield* typed("google.protobuf.BytesValue", bytesValue("no number"))
      yield* typed("google.protobuf.BytesValue", new Uint8Array([0xff]))
      yield* publish(channel, new Uint8Array([0x0a, 0x7f]))
      yield* typed("google.protobuf.BytesValue", bytesValue(1))
      yield* publisher.told(2)
      yield* settle
      assert.deepStrictEqual(seen, [1, 2])
      assert.strictEqual(yield* dropped("foreign", "client"), 2)
      assert.strictEqual(yield* dropped("malformed", "client"), 3)
      const told = logs.filter(({ text }) => text.includes("News.Told"))
      const at = (level: string) => told.filter((logged) => logged.level === level)
      assert.deepStrictEqual([at("Debug").length, at("Warn").length, told.length], [5, 1, 6])
    }).pipe(onBus)
  )

  it.effect("takes no place in the buffer", () =>
    Effect.gen(function* () {
      const { client, publisher } = yield* setUp
      const updates = yield* client.told({ subscriptionBufferSize: 2, overflow: "fail" })
      const channel = Channels.request("News", "Told", [], false)
      for (let i = 0; i < 10; i++) yield* publish(channel, new Uint8Array([0x0a, 0x7f]))
      yield* inTurn(publisher.told, [1, 2])
      yield* settle
      assert.deepStrictEqual((yield* read(updates)).seen, [1, 2])
    }).pipe(onBus)
  )
})

describe("reading", () => {
  it.effect("by two: each update is read once", () =>
    Effect.gen(function* () {
      const { client, publisher } = yield* setUp
      const updates = yield* client.told()
      const [one, other] = [yield* read(updates), yield* read(updates)]
      yield* inTurn(publisher.told, between(1, 20))
      yield* settle
      assert.deepStrictEqual(
        [...one.seen, ...other.seen].sort((a, b) => a - b),
        between(1, 20)
      )
      yield* Fiber.interrupt(one.fiber)
      const before = other.seen.length
      yield* inTurn(publisher.told, [21, 22])
      yield* settle
      assert.deepStrictEqual(other.seen.slice(before), [21, 22])
    }).pipe(onBus)
  )

  it.effect("by one after the other: none loses what is there for the next", () =>
    Effect.gen(function* () {
      const { client, publisher } = yield* setUp
      const updates = yield* client.told()
      yield* inTurn(publisher.told, between(1, 5))
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(updates, 1)), [1])
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(updates, 2)), [2, 3])
      const slow = yield* readSlowly(updates) // is at 4
      yield* settle
      yield* Fiber.interrupt(slow.fiber)
      const waiting = yield* read(updates)
      yield* settle
      yield* Fiber.interrupt(waiting.fiber)
      assert.deepStrictEqual(waiting.seen, [5])
      yield* publisher.told(6)
      assert.deepStrictEqual(yield* Stream.runHead(updates), yield* Effect.succeedSome(6))
    }).pipe(onBus)
  )

  it.effect("hears of an update at whatever moment it comes", () =>
    Effect.gen(function* () {
      const { client, publisher } = yield* setUp
      for (const stride of strides) {
        for (let moment = 0; moment < 40; moment++) {
          const updates = yield* client.told()
          const { seen } = yield* stepwise(read(updates), stride)
          yield* steps(moment)
          yield* publisher.told(moment)
          yield* steps(100)
          assert.deepStrictEqual(seen, [moment], `published after ${moment} steps`)
        }
      }
    }).pipe(onBus)
  )
})
