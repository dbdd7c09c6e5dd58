import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import { MessageBus } from "../../src/MessageBus.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Retry from "../../src/Retry.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { broken, steeredBus } from "../helpers/steeredBus.ts"
import { errorOf, isRunning, onBus, settle, start } from "../helpers/harness.ts"
import { schedule } from "./countingServer.ts"

const texts = { send: Schema.String, receive: Schema.String }

class Chat extends Service.make("Chat", {
  talk: Rpc.stream({ ...texts, idempotent: true }),
  once: Rpc.stream(texts)
}) {}

/** A client on a bus that is steered, and a server that writes down what comes to it. */
const setUp = Effect.fnUntraced(function* (options: Retry.StreamOptions = {}, client: Client.Options = {}) {
  const seen: Array<string> = []
  const closes: Array<(cause?: PsrpcError.PsrpcError) => Effect.Effect<void>> = []
  const handle: Server.Handlers<typeof Chat.methods>["talk"] = (stream) => {
    closes.push(stream.close)
    return Stream.runForEach(stream.messages, (message) => Effect.sync(() => seen.push(message)))
  }
  yield* Server.make(Chat, { talk: handle, once: handle }, { keepalive: "Infinity" })
  const { bus, steering } = yield* steeredBus
  const interceptors = [Retry.stream({ schedule, attempts: 5, ...options })]
  const own = yield* Effect.provideService(
    Client.make(Chat, { keepalive: "Infinity", ...client, interceptors }),
    MessageBus,
    bus
  )
  return {
    seen,
    closes,
    client: own,
    steering,
    /** Says that what is held was not sent, or may have been. */
    lose: (mayHaveRun: boolean): void => {
      for (const { delivery } of steering.held.splice(0)) delivery.undelivered(broken(mayHaveRun))
    }
  }
})

describe("sends that are tried again", () => {
  it.effect("are those that have not left, whatever the method", () =>
    Effect.gen(function* () {
      const { client, lose, seen, steering } = yield* setUp()
      const stream = yield* client.once()
      steering.holds = (type) => type === "Stream"
      const send = yield* start(stream.send("hello"))
      lose(false)
      yield* TestClock.adjust(99)
      assert.isTrue(isRunning(send))
      steering.holds = () => false
      yield* TestClock.adjust(1)
      yield* Fiber.join(send)
      assert.deepStrictEqual(seen, ["hello"])
    }).pipe(onBus)
  )

  it.effect("are not those that may have arrived, unless the method is idempotent", () =>
    Effect.gen(function* () {
      const { client, seen, steering } = yield* setUp({ timeout: 200 })
      const [once, talk] = [yield* client.once(), yield* client.talk()]
      steering.holds = (type) => type === "Stream"
      const sends = [yield* start(once.send("once")), yield* start(talk.send("talk"))] as const
      yield* TestClock.adjust(200)
      assert.strictEqual(errorOf(sends[0])._tag, "DeadlineExceeded")
      assert.isTrue(isRunning(sends[1]))
      steering.holds = () => false
      yield* TestClock.adjust(100)
      yield* Fiber.join(sends[1])
      assert.deepStrictEqual(seen, ["talk"])
    }).pipe(onBus)
  )

  it.effect("take no longer than the send may: its own timeout, or the stream's", () =>
    Effect.gen(function* () {
      const { client, lose, steering } = yield* setUp({ attempts: Infinity }, { timeout: 1000 })
      const stream = yield* client.once()
      steering.holds = (type) => {
        if (type === "Stream") queueMicrotask(() => lose(false))
        return type === "Stream"
      }
      for (const [options, time] of [
        [{ timeout: 350 }, 300],
        [undefined, 900]
      ] as const) {
        const send = yield* start(stream.send("hello", options))
        yield* TestClock.adjust(time - 1)
        assert.isTrue(isRunning(send))
        yield* TestClock.adjust(1)
        assert.strictEqual((errorOf(send) as PsrpcError.PsrpcError).reason, "connection")
      }
      const refused = yield* Effect.flip(stream.send("hello", { timeout: "soon" as never }))
      assert.strictEqual(refused._tag, "InvalidArgument")
      steering.holds = () => false
    }).pipe(onBus)
  )

  it.effect("let those that come later go first", () =>
    Effect.gen(function* () {
      const { client, lose, seen, steering } = yield* setUp()
      const stream = yield* client.once()
      steering.holds = (type) => type === "Stream"
      const first = yield* start(stream.send("first"))
      lose(false)
      steering.holds = () => false
      yield* stream.send("second")
      yield* TestClock.adjust(100)
      yield* Fiber.join(first)
      assert.deepStrictEqual(seen, ["second", "first"])
    }).pipe(onBus)
  )

  it.effect("end when the stream is closed, without another attempt", () =>
    Effect.gen(function* () {
      const { client, closes, lose, seen, steering } = yield* setUp({ attempts: Infinity })
      const stream = yield* client.talk()
      steering.holds = (type) => type === "Stream"
      const send = yield* start(stream.send("hello"))
      lose(false)
      yield* TestClock.adjust(50)
      assert.isTrue(isRunning(send))
      yield* closes[0]!(PsrpcError.fromCode("unavailable", { message: "EOF" }))
      yield* settle
      assert.strictEqual(errorOf(send).message, "EOF")
      steering.holds = () => false
      const late = yield* Effect.flip(stream.send("late"))
      assert.strictEqual(late.message, "EOF")
      assert.deepStrictEqual(seen, [])
    }).pipe(onBus)
  )

  it.effect("end at once where it is the close that they fail with, also of an idempotent method", () =>
    Effect.gen(function* () {
      const { client, closes, steering } = yield* setUp({ attempts: Infinity })
      const stream = yield* client.talk()
      steering.holds = (type) => type === "Stream"
      const send = yield* start(stream.send("hello"))
      yield* closes[0]!(PsrpcError.fromCode("unavailable", { message: "EOF" }))
      yield* settle
      assert.strictEqual(errorOf(send).message, "EOF")
      const end = yield* start(stream.send("late"))
      yield* settle
      assert.strictEqual(errorOf(end).message, "EOF")
    }).pipe(onBus)
  )

  it.effect("end when their own client closes the stream", () =>
    Effect.gen(function* () {
      const { client, lose, steering } = yield* setUp({ attempts: Infinity })
      const stream = yield* client.once()
      steering.holds = (type) => type === "Stream"
      const send = yield* start(stream.send("hello"))
      lose(false)
      steering.holds = () => false
      yield* stream.close()
      yield* settle
      assert.strictEqual((errorOf(send) as PsrpcError.PsrpcError).reason, "stream_closed")
    }).pipe(onBus)
  )

  it.effect("are interrupted while they wait, and never made", () =>
    Effect.gen(function* () {
      const { client, lose, seen, steering } = yield* setUp()
      const stream = yield* client.once()
      steering.holds = (type) => type === "Stream"
      const send = yield* start(stream.send("hello"))
      lose(false)
      steering.holds = () => false
      yield* TestClock.adjust(50)
      yield* Fiber.interrupt(send)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(seen, [])
    }).pipe(onBus)
  )

  it.effect("are none with sends: false", () =>
    Effect.gen(function* () {
      const { client, lose, steering } = yield* setUp({ sends: false })
      const stream = yield* client.talk()
      steering.holds = (type) => type === "Stream"
      const send = yield* start(stream.send("hello"))
      lose(false)
      steering.holds = () => false
      assert.strictEqual((errorOf(send) as PsrpcError.PsrpcError).reason, "connection")
    }).pipe(onBus)
  )

  it.effect("are those of through, too", () =>
    Effect.gen(function* () {
      const { client, lose, seen, steering } = yield* setUp()
      let lost = 0
      const messages = Stream.make("one", "two", "three").pipe(
        Stream.tap(() =>
          Effect.sync(() => {
            if (lost++ === 0) steering.holds = (type) => type === "Stream"
          })
        )
      )
      const through = yield* start(client.once.through(messages, { concurrency: 1 }).pipe(Stream.runDrain))
      yield* settle
      lose(false)
      steering.holds = () => false
      yield* TestClock.adjust(100)
      yield* settle
      assert.deepStrictEqual(seen, ["one", "two", "three"])
      yield* Fiber.join(through)
    }).pipe(onBus)
  )
})
