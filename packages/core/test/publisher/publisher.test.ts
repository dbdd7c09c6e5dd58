import { create, toBinary } from "@bufbuild/protobuf"
import { BytesValueSchema, type Duration, DurationSchema } from "@bufbuild/protobuf/wkt"
import { assert, describe, it } from "@effect/vitest"
import { Duration as Durations, Effect, Exit, Fiber, Layer, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import type * as Channels from "../../src/internal/wire/channel.ts"
import { decodeMsg } from "../../src/internal/wire/msg.ts"
import { MessageBus } from "../../src/MessageBus.ts"
import * as Payload from "../../src/Payload.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Publisher from "../../src/Publisher.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Service from "../../src/Service.ts"
import { read, steps, stepwise, strides } from "../helpers/readers.ts"
import { broken, steeredBus } from "../helpers/steeredBus.ts"
import { errorOf, exitOf, isRunning, json, onBus, settle, start, Traffic } from "../helpers/harness.ts"

class News extends Service.make("News", {
  proto: Rpc.subscription({ message: DurationSchema }),
  schema: Rpc.subscription({ message: Schema.Struct({ at: Schema.Date }) }),
  bytes: Rpc.subscription({ message: Payload.bytes }),
  nothing: Rpc.subscription(),
  everyone: Rpc.subscription({ message: Schema.String, routing: "multi" }),
  inRoom: Rpc.subscription({ message: Schema.String, topic: ["room"] }),
  silent: Rpc.subscription({ topic: { shard: Schema.FiniteFromString }, routing: "multi" }),
  hello: Rpc.unary({ request: Schema.String })
}) {}

class NewsPublisher extends Publisher.Service<NewsPublisher>()("test/NewsPublisher", News) {}

describe("a publisher", () => {
  it.effect("has the subscriptions of its service, and needs the bus alone", () =>
    Effect.gen(function* () {
      const publisher = yield* Publisher.make(News)
      assert.deepStrictEqual(Object.keys(publisher), [
        "proto",
        "schema",
        "bytes",
        "nothing",
        "everyone",
        "inRoom",
        "silent"
      ])
      // nothing was subscribed or sent for it
      assert.strictEqual((yield* Traffic).length, 0)
    }).pipe(onBus)
  )

  it.effect("is a service of the program, with options or without", () =>
    Effect.gen(function* () {
      const { bus, steering } = yield* steeredBus
      const updates = yield* (yield* Client.make(News)).nothing()
      const publish = Effect.flatMap(NewsPublisher, (publisher) => publisher.nothing())
      yield* Effect.provide(publish, NewsPublisher.layer)
      assert.strictEqual((yield* Stream.runCollect(Stream.take(updates, 1))).length, 1)
      steering.holds = () => true
      const slow = NewsPublisher.layerWith({ timeout: 20 }).pipe(Layer.provide(Layer.succeed(MessageBus, bus)))
      yield* start(Effect.provide(publish, slow))
      yield* settle
      assert.strictEqual(steering.held[0]?.expiry, 20)
      steering.release()
      yield* settle
      const refused = yield* Effect.flip(Effect.provide(publish, NewsPublisher.layerWith({ timeout: -1 })))
      assert.strictEqual(refused._tag, "InvalidArgument")
    }).pipe(onBus)
  )
})

describe("an update", () => {
  it.effect("that nobody listens to is published all the same", () =>
    Effect.gen(function* () {
      const publisher = yield* Publisher.make(News)
      assert.deepStrictEqual(yield* Effect.exit(publisher.everyone("anybody?")), Exit.void)
      assert.strictEqual((yield* Traffic).length, 1)
    }).pipe(onBus)
  )

  it.effect("travels as the message itself, by the name of its type, on the method's requests", () =>
    Effect.gen(function* () {
      const publisher = yield* Publisher.make(News)
      yield* publisher.proto({ seconds: 5n })
      yield* publisher.schema({ at: new Date(0) })
      yield* publisher.bytes(new Uint8Array([1, 2]))
      yield* publisher.nothing()
      yield* publisher.everyone("all")
      yield* publisher.inRoom("here", { topic: { room: "n-1" } })
      yield* publisher.silent({ topic: { shard: 41 } })
      const sent = (yield* Traffic).map(({ channel, message }) => {
        const msg = decodeMsg(message)
        return msg === "malformed" ? msg : [channel, msg.typeUrl, Array.from(msg.value)]
      })
      const bytesValue = (value: Uint8Array) =>
        Array.from(toBinary(BytesValueSchema, create(BytesValueSchema, { value })))
      const bytes = (value: unknown) => bytesValue(json(value))
      assert.deepStrictEqual(sent, [
        ["News|Proto|REQ", "type.googleapis.com/google.protobuf.Duration", [0x08, 5]],
        ["News|Schema|REQ", "type.googleapis.com/google.protobuf.BytesValue", bytes({ at: new Date(0) })],
        ["News|Bytes|REQ", "type.googleapis.com/google.protobuf.BytesValue", bytesValue(new Uint8Array([1, 2]))],
        ["News|Nothing|REQ", "type.googleapis.com/google.protobuf.Empty", []],
        ["News|Everyone|REQ", "type.googleapis.com/google.protobuf.BytesValue", bytes("all")],
        ["News|InRoom|nu+002d1|REQ", "type.googleapis.com/google.protobuf.BytesValue", bytes("here")],
        ["News|Silent|41|REQ", "type.googleapis.com/google.protobuf.Empty", []]
      ])
    }).pipe(onBus)
  )

  it.effect("arrives as what was given, whatever its kind", () =>
    Effect.gen(function* () {
      const publisher = yield* Publisher.make(News)
      const client = yield* Client.make(News)
      const proto = yield* read(yield* client.proto())
      const schema = yield* read(yield* client.schema())
      const bytes = yield* read(yield* client.bytes())
      const nothing = yield* read(yield* client.nothing())
      const silent = yield* read(yield* client.silent({ topic: { shard: 41 } }))
      const given = new Uint8Array([1, 2])
      yield* publisher.proto({ seconds: 5n, nanos: 1 })
      yield* publisher.schema({ at: new Date(1) })
      yield* publisher.bytes(given)
      yield* publisher.nothing()
      yield* publisher.silent({ topic: { shard: 41 } })
      yield* publisher.silent({ topic: { shard: 42 } })
      yield* settle
      assert.deepStrictEqual(
        proto.seen.map(({ nanos, seconds }: Duration) => [seconds, nanos]),
        [[5n, 1]]
      )
      assert.deepStrictEqual(schema.seen, [{ at: new Date(1) }])
      assert.deepStrictEqual(bytes.seen, [given])
      assert.deepStrictEqual([nothing.seen, silent.seen], [[undefined], [undefined]])
      // a copy of the receiver's own
      bytes.seen[0]![0] = 9
      assert.strictEqual(given[0], 1)
    }).pipe(onBus)
  )

  it.effect("asks the bus for bytes unlike those of any other, and says which queue it is for", () =>
    Effect.gen(function* () {
      const asked: Array<[channel: Channels.Channel, unique: unknown]> = []
      const beneath = yield* MessageBus
      const noting = MessageBus.of({
        ...beneath,
        target(channel, options) {
          asked.push([channel, options?.unique])
          return beneath.target(channel, options)
        }
      })
      const publisher = yield* Effect.provideService(Publisher.make(News), MessageBus, noting)
      yield* publisher.inRoom("here", { topic: { room: "1" } })
      yield* publisher.inRoom("again", { topic: { room: "1" } })
      const subjects = asked.map(([{ route, subject }, unique]) => [subject, route, unique])
      assert.deepStrictEqual(subjects, [
        ["SRV.News.Q", "Proto.REQ", true],
        ["SRV.News.Q", "Schema.REQ", true],
        ["SRV.News.Q", "Bytes.REQ", true],
        ["SRV.News.Q", "Nothing.REQ", true],
        ["SRV.News", "Everyone.REQ", true],
        ["SRV.News.1.Q", "InRoom.REQ", true]
      ])
    }).pipe(onBus)
  )

  it.effect("that cannot be published is refused before anything is sent", () =>
    Effect.gen(function* () {
      const publisher = yield* Publisher.make(News)
      const refused = (publishing: Effect.Effect<void, PsrpcError.PsrpcError>) => Effect.flip(publishing)
      for (const error of [
        yield* refused(publisher.schema({ at: "1970" } as never)),
        yield* refused(publisher.bytes("text" as never)),
        yield* refused(publisher.proto({ seconds: "x" } as never))
      ]) {
        assert.strictEqual(error._tag, "MalformedRequest")
        assert.strictEqual(error.reason, "not_sent")
        assert.isFalse(error.mayHaveRun)
        assert.match(error.message, /the update cannot be encoded \(News\./)
      }
      for (const [error, text] of [
        [yield* refused(publisher.inRoom("x", undefined as never)), "room"],
        [yield* refused(publisher.inRoom("x", { topic: { room: 5 as never } })), "room"],
        [yield* refused(publisher.silent({ topic: { shard: "41" as never } })), "shard"],
        [yield* refused(publisher.nothing({ timeout: -1 })), "timeout"],
        [yield* refused(publisher.nothing({ timeout: "soon" as never })), "timeout"]
      ] as const) {
        assert.strictEqual(error._tag, "InvalidArgument")
        assert.match(error.message, /^News\./)
        assert.include(error.message, text)
      }
      assert.strictEqual((yield* Traffic).length, 0)
    }).pipe(onBus)
  )
})

describe("an update that waits for the connection", () => {
  const setUp = Effect.gen(function* () {
    const { bus, steering } = yield* steeredBus
    steering.holds = () => true
    const publisher = yield* Effect.provideService(Publisher.make(News), MessageBus, bus)
    return { bus, publisher, steering }
  })

  it.effect("may wait for 3 seconds, for the publisher's timeout, or for its own", () =>
    Effect.gen(function* () {
      assert.strictEqual(Durations.toMillis(Publisher.defaultTimeout), 3000)
      yield* TestClock.setTime(1_700_000_000_000)
      const { bus, publisher, steering } = yield* setUp
      yield* start(publisher.nothing())
      const impatient = Publisher.make(News, { timeout: "20 millis" })
      const other = yield* Effect.provideService(impatient, MessageBus, bus)
      yield* start(other.nothing())
      yield* start(other.nothing({ timeout: "1 minute" }))
      yield* start(other.nothing({ timeout: "Infinity" }))
      assert.deepStrictEqual(
        steering.held.map(({ expiry }) => expiry - 1_700_000_000_000),
        [3000, 20, 60_000, Infinity]
      )
      steering.release()
      yield* settle
    }).pipe(onBus)
  )

  it.effect("succeeds when it has been sent, and not before", () =>
    Effect.gen(function* () {
      const { publisher, steering } = yield* setUp
      const client = yield* Client.make(News)
      const { seen } = yield* read(yield* client.everyone())
      const publishing = yield* start(publisher.everyone("late"))
      yield* TestClock.adjust("1 second")
      assert.isTrue(isRunning(publishing))
      steering.release()
      yield* settle
      assert.isTrue(Exit.isSuccess(exitOf(publishing)))
      assert.deepStrictEqual(seen, ["late"])
    }).pipe(onBus)
  )

  it.effect("fails as the bus says", () =>
    Effect.gen(function* () {
      const { publisher, steering } = yield* setUp
      for (const mayHaveRun of [false, true]) {
        const publishing = yield* start(publisher.everyone("lost"))
        steering.held.pop()!.delivery.undelivered(broken(mayHaveRun))
        yield* settle
        const error = errorOf(publishing)
        assert.isTrue(PsrpcError.isConnection(error))
        assert.strictEqual(error.mayHaveRun, mayHaveRun)
      }
    }).pipe(onBus)
  )

  it.effect("is withdrawn where its publisher is interrupted, at whatever moment", () =>
    Effect.gen(function* () {
      const { publisher, steering } = yield* setUp
      const traffic = yield* Traffic
      for (const stride of strides) {
        for (let moment = 0; moment < 30; moment++) {
          const publishing = yield* start(stepwise(publisher.everyone("never"), stride))
          yield* steps(moment)
          yield* Fiber.interrupt(publishing)
          steering.release()
          yield* steps(50)
          assert.strictEqual(traffic.length, 0, `interrupted after ${moment} steps`)
        }
      }
    }).pipe(onBus)
  )
})
