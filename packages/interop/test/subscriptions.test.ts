import { fromBinary } from "@bufbuild/protobuf"
import { BytesValueSchema } from "@bufbuild/protobuf/wkt"
import { Client, Payload, Publisher, PsrpcError, Rpc, Service } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Effect, Logger, Schema, Stream } from "effect"
import type { GoPeer } from "../src/index.ts"
import { eventually, goPeer, interop, large, malformed, newServiceName, numbers, onBus } from "./support.ts"
import { dropped, newUpdates, reading, subscribeGo, together } from "./subscriptionSupport.ts"

interop("updates to all", (it) => {
  it.effect("reach every subscriber of the topic, Go's and ours, from either publisher, in order", () =>
    Effect.gen(function* () {
      const service = newUpdates()
      const [one, two] = yield* Effect.all([goPeer(service), goPeer(service)])
      const a = yield* onBus(Client.make(service))
      const b = yield* onBus(Client.make(service))
      const eu = { topic: { region: "eu" } }
      const inEu = [
        yield* subscribeGo(one, "RegionChanged", "eu"),
        yield* subscribeGo(two, "RegionChanged", "eu"),
        yield* reading(yield* a.regionChanged(eu)),
        yield* reading(yield* a.regionChanged(eu)),
        yield* reading(yield* b.regionChanged(eu))
      ]
      const inUs = [
        yield* subscribeGo(two, "RegionChanged", "us"),
        yield* reading(yield* b.regionChanged({ topic: { region: "us" } }))
      ]
      const publisher = yield* onBus(Publisher.make(service))
      const texts = numbers(50, "ours ")
      for (const value of texts) yield* publisher.regionChanged({ value }, eu)
      for (const reader of inEu) assert.deepStrictEqual(yield* together([reader], 50), texts)
      const theirs = numbers(50, "go's ")
      for (const text of theirs) yield* one.command("publish", { method: "RegionChanged", topic: "eu", message: text })
      for (const reader of inEu) {
        assert.deepStrictEqual(yield* together([reader], 100), [...texts, ...theirs])
      }
      yield* publisher.regionChanged({ value: "last" }, { topic: { region: "us" } })
      for (const reader of inUs) assert.deepStrictEqual(yield* together([reader], 1), ["last"])
    })
  )

  it.effect("that are alike are as many as they are, from either publisher", () =>
    Effect.gen(function* () {
      const service = newUpdates()
      const go = yield* goPeer(service)
      const client = yield* onBus(Client.make(service))
      const eu = { topic: { region: "eu" } }
      const readers = [yield* subscribeGo(go, "RegionChanged", "eu"), yield* reading(yield* client.regionChanged(eu))]
      const publisher = yield* onBus(Publisher.make(service))
      for (let times = 0; times < 3; times++) yield* publisher.regionChanged({ value: "same" }, eu)
      yield* go.command("publish", { method: "RegionChanged", topic: "eu", message: "same", times: 3 })
      for (const reader of readers) {
        assert.deepStrictEqual(yield* together([reader], 6), ["same", "same", "same", "same", "same", "same"])
      }
    })
  )

  it.effect("of nearly a mebibyte arrive, from either publisher", () =>
    Effect.gen(function* () {
      const service = newUpdates()
      const go = yield* goPeer(service)
      const client = yield* onBus(Client.make(service))
      const eu = { topic: { region: "eu" } }
      const readers = [yield* subscribeGo(go, "RegionChanged", "eu"), yield* reading(yield* client.regionChanged(eu))]
      const publisher = yield* onBus(Publisher.make(service))
      yield* publisher.regionChanged({ value: large }, eu)
      yield* go.command("publish", { method: "RegionChanged", topic: "eu", message: large })
      for (const reader of readers) {
        assert.deepStrictEqual(
          (yield* together([reader], 2)).map((text) => text === large),
          [true, true]
        )
      }
    })
  )

  it.effect("have the payload's type: JSON in a BytesValue for a Schema, Empty for nothing", () =>
    Effect.gen(function* () {
      const name = newServiceName()
      const of = <P extends Payload.Any>(payload: P) =>
        Service.make(name, {
          regionChanged: Rpc.subscription({ message: payload, topic: ["region"], routing: "multi" })
        })
      const go = yield* goPeer({ serviceName: name })
      yield* go.command("subscribe", { method: "RegionChanged", topic: "eu" })
      const topic = { region: "eu" }
      const schema = yield* onBus(Publisher.make(of(Schema.Struct({ load: Schema.Finite, since: Schema.Date }))))
      yield* schema.regionChanged({ load: 0.5, since: new Date(0) }, { topic })
      const json = yield* go.event("update")
      assert.strictEqual(json.typeUrl, "type.googleapis.com/google.protobuf.BytesValue")
      assert.deepStrictEqual(
        JSON.parse(Buffer.from(fromBinary(BytesValueSchema, Buffer.from(json.value!, "base64")).value).toString()),
        {
          load: 0.5,
          since: "1970-01-01T00:00:00.000Z"
        }
      )
      const nothing = yield* onBus(
        Publisher.make(Service.make(name, { regionChanged: Rpc.subscription({ topic: ["region"], routing: "multi" }) }))
      )
      yield* nothing.regionChanged({ topic })
      assert.strictEqual((yield* go.event("update")).typeUrl, "type.googleapis.com/google.protobuf.Empty")
    })
  )

  it.effect("that do not decode are skipped, by Go and by us, where they are counted", () =>
    Effect.gen(function* () {
      const service = newUpdates()
      const go = yield* goPeer(service)
      const topic = { region: "eu" }
      const theirs = yield* subscribeGo(go, "RegionChanged", "eu")
      const client = yield* onBus(Client.make(service))
      const ours = yield* reading(yield* client.regionChanged({ topic }))
      const bytes = Service.make(service.serviceName, {
        regionChanged: Rpc.subscription({ message: BytesValueSchema, topic: ["region"], routing: "multi" })
      })
      const other = yield* onBus(Client.make(bytes))
      const otherType = yield* other.regionChanged({ topic })
      const publisher = yield* onBus(
        Publisher.make(
          Service.make(service.serviceName, {
            regionChanged: Rpc.subscription({
              // what says that it is a StringValue, and may be anything
              message: { ...Payload.bytes, typeName: "google.protobuf.StringValue" },
              topic: ["region"],
              routing: "multi"
            })
          })
        )
      )
      const base64 = Buffer.from(malformed).toString("base64")
      yield* go.command("publish", { method: "RegionChanged", topic: "eu", base64 })
      yield* publisher.regionChanged(malformed, { topic })
      yield* go.command("publish", { method: "RegionChanged", topic: "eu", message: "good" })
      assert.deepStrictEqual([yield* together([theirs], 1), yield* together([ours], 1)], [["good"], ["good"]])
      assert.strictEqual(yield* dropped("malformed", service.serviceName), 2)
      // of another type than the definition's: none of the three is for it
      const typed = yield* onBus(Publisher.make(bytes))
      yield* eventually(dropped("foreign", service.serviceName), (count) => count === 3)
      yield* typed.regionChanged({ value: new Uint8Array([1]) }, { topic })
      assert.deepStrictEqual(
        (yield* Stream.runCollect(Stream.take(otherType, 1))).map(({ value }) => Array.from(value)),
        [[1]]
      )
    })
  )

  it.effect("are lost without subscribers, and that is no error", () =>
    Effect.gen(function* () {
      const service = newUpdates()
      yield* goPeer(service)
      const publisher = yield* onBus(Publisher.make(service))
      yield* publisher.regionChanged({ value: "anybody?" }, { topic: { region: "eu" } })
      yield* publisher.jobDone({ value: "anybody?" })
    })
  )
})

interop("a Go publisher and a slow subscriber of ours", (it) => {
  const publishAll = (go: GoPeer.GoPeer, texts: ReadonlyArray<string>) =>
    Effect.forEach(texts, (text) => go.command("publish", { method: "RegionChanged", topic: "eu", message: text }), {
      discard: true
    })

  it.effect(
    "which loses what its buffer has no room for, the newest, the oldest or the subscription, and says so",
    () =>
      Effect.gen(function* () {
        const service = newUpdates()
        const go = yield* goPeer(service)
        const log: Array<string> = []
        const client = yield* onBus(Client.make(service)).pipe(
          Effect.provide(Logger.layer([Logger.make(({ message }) => void log.push(String(message)))]))
        )
        const topic = { region: "eu" }
        const dropping = yield* client.regionChanged({ topic, subscriptionBufferSize: 5 })
        const sliding = yield* client.regionChanged({ topic, subscriptionBufferSize: 5, overflow: "sliding" })
        const failing = yield* client.regionChanged({ topic, subscriptionBufferSize: 5, overflow: "fail" })
        const quick = yield* reading(yield* client.regionChanged({ topic, subscriptionBufferSize: 5 }))
        const texts = numbers(20)
        // at the pace of the one that reads
        for (const text of texts) {
          yield* publishAll(go, [text])
          yield* eventually(
            Effect.sync(() => quick.texts),
            (heard) => heard.includes(text)
          )
        }
        assert.deepStrictEqual(quick.texts, texts)
        const kept = (updates: typeof dropping) =>
          Effect.map(Stream.runCollect(Stream.take(updates, 5)), (all) => all.map(({ value }) => value))
        assert.deepStrictEqual(yield* kept(dropping), texts.slice(0, 5))
        assert.deepStrictEqual(yield* kept(sliding), texts.slice(-5))
        assert.deepStrictEqual(yield* kept(failing), texts.slice(0, 5))
        const error = yield* Effect.flip(Stream.runDrain(failing))
        assert.instanceOf(error, PsrpcError.ResourceExhausted)
        assert.isTrue(PsrpcError.isOverflow(error))
        // the one that fails leaves at its first loss; what the broker has given it until then is counted too
        const lost = yield* dropped("overflow", service.serviceName)
        assert.isAtLeast(lost, 15 + 15 + 1)
        assert.isAtMost(lost, 15 + 15 + 15)
        assert.isTrue(
          log.some((line) => line.includes("RegionChanged")),
          log.join("\n")
        )
        yield* publishAll(go, ["and on"])
        assert.deepStrictEqual(
          yield* Effect.map(Stream.runCollect(Stream.take(dropping, 1)), (all) => all[0]?.value),
          "and on"
        )
      })
  )
})
