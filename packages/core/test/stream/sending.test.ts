import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Payload from "../../src/Payload.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { errorOf, isRunning, onBus, settle, start } from "../helpers/harness.ts"
import { numbered, pair, reading, sending, withFakeClient, withFakeServer } from "./streamPairs.ts"

/** The next message; fails the test where there is none. */
const firstOf = <A>(messages: Stream.Stream<A, PsrpcError.PsrpcError>) =>
  Effect.map(Stream.runCollect(Stream.take(messages, 1)), (all) => {
    assert.strictEqual(all.length, 1)
    return all[0]!
  })

describe("a send", () => {
  it.effect("completes on its ack, and not before", () =>
    Effect.gen(function* () {
      const { here, server } = yield* withFakeServer()
      const first = yield* start(here.send("one"))
      const second = yield* start(here.send("two"))
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual([isRunning(first), isRunning(second)], [true, true])
      const [one, two] = server.heard.filter(({ kind }) => kind === "message")
      server.ack(two!)
      yield* settle
      assert.deepStrictEqual([isRunning(first), isRunning(second)], [true, false])
      server.ack(one!)
      yield* Fiber.join(first)
      // a second ack, or one of something else, is nothing
      server.ack(one!)
      server.ack({ ...one!, requestId: "REQ_other" })
      yield* Effect.all([settle, here.close()])
    }).pipe(onBus)
  )

  it.effect("many at a time arrive in the order in which they were started, both ways", () =>
    Effect.gen(function* () {
      const { here, there } = yield* pair()
      const up = yield* reading(there.messages)
      const down = yield* reading(here.messages)
      const all = numbered(500)
      const fibers = [...(yield* sending(here, all)), ...(yield* sending(there, all))]
      yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(up.seen, all)
      assert.deepStrictEqual(down.seen, all)
    }).pipe(onBus)
  )

  it.effect("times out with the timeout that the client opened with; the stream stays usable", () =>
    Effect.gen(function* () {
      const { here, server } = yield* withFakeServer({ stream: { timeout: 2000 } })
      const send = yield* start(here.send("one"))
      yield* TestClock.adjust(1000)
      server.keepalive()
      yield* TestClock.adjust(999)
      assert.isTrue(isRunning(send))
      yield* TestClock.adjust(1)
      const error = errorOf(send)
      assert.strictEqual(error._tag, "DeadlineExceeded")
      assert.strictEqual(error.reason, "timeout")
      assert.strictEqual(error.message, "request timed out after 2000 ms (Chat.Talk)")
      const again = yield* start(here.send("two"))
      yield* settle
      server.ackAll()
      yield* Fiber.join(again)
    }).pipe(onBus)
  )

  it.effect("times out with the server's timeout on the server, 3 seconds by default", () =>
    Effect.gen(function* () {
      for (const [timeout, expected] of [
        [undefined, 3000],
        [700, 700]
      ] as const) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { client, there } = yield* withFakeClient({ server: { sendTimeout: timeout } })
            const send = yield* start(there.send("one"))
            yield* settle
            client.keepalive()
            yield* TestClock.adjust(expected - 1)
            assert.isTrue(isRunning(send))
            yield* TestClock.adjust(1)
            assert.strictEqual(errorOf(send)._tag, "DeadlineExceeded")
            yield* there.close()
          })
        )
      }
    }).pipe(onBus)
  )

  it.effect("has its own timeout where it says so, longer or shorter, and tells it as the expiry", () =>
    Effect.gen(function* () {
      const { here, server } = yield* withFakeServer()
      const short = yield* start(here.send("short", { timeout: 50 }))
      const long = yield* start(here.send("long", { timeout: "1 minute" }))
      const endless = yield* start(here.send("endless", { timeout: "Infinity" }))
      yield* settle
      server.keepalive()
      yield* settle
      const messages = server.heard.filter(({ kind }) => kind === "message")
      assert.deepStrictEqual(
        messages.slice(0, 2).map(({ expiry, sentAt }) => [sentAt, expiry]),
        [
          [0, 50],
          [0, 60_000]
        ]
      )
      assert.isAbove(messages[2]!.expiry, 1e12)
      yield* TestClock.adjust(49)
      assert.isTrue(isRunning(short))
      yield* TestClock.adjust(1)
      assert.strictEqual(errorOf(short)._tag, "DeadlineExceeded")
      yield* TestClock.adjust(59_949)
      assert.isTrue(isRunning(long))
      yield* TestClock.adjust(1)
      assert.strictEqual(errorOf(long)._tag, "DeadlineExceeded")
      yield* TestClock.adjust("30 days")
      server.ack(messages[2]!)
      yield* Fiber.join(endless)
    }).pipe(onBus)
  )

  it.effect("with a timeout that is none is refused, and nothing is sent", () =>
    Effect.gen(function* () {
      const { here, server } = yield* withFakeServer()
      const before = server.heard.length
      for (const timeout of [-1, NaN, "soon" as never]) {
        const error = yield* Effect.flip(here.send("x", { timeout }))
        assert.strictEqual(error._tag, "InvalidArgument")
        assert.isFalse(error.mayHaveRun)
      }
      yield* settle
      assert.strictEqual(server.heard.length, before)
    }).pipe(onBus)
  )

  it.effect("of what cannot be encoded fails, and the stream stays usable", () =>
    Effect.gen(function* () {
      const { here, there } = yield* pair()
      const { seen } = yield* reading(there.messages)
      for (const end of [here, there]) {
        const error = yield* Effect.flip(end.send(1 as never))
        assert.strictEqual(error._tag, "MalformedRequest")
        assert.strictEqual(error.reason, "not_sent")
        assert.isFalse(error.mayHaveRun)
      }
      yield* here.send("fine")
      assert.deepStrictEqual(seen, ["fine"])
    }).pipe(onBus)
  )

  it.effect("after the stream is closed fails with its end: canceled, or the cause", () =>
    Effect.gen(function* () {
      const normal = yield* pair()
      yield* normal.here.close()
      yield* settle
      for (const end of [normal.here, normal.there]) {
        const error = yield* Effect.flip(end.send("late"))
        assert.strictEqual(error._tag, "Canceled")
        assert.strictEqual(error.reason, "stream_closed")
        assert.strictEqual(error.message, "stream closed (Chat.Talk)")
      }
    }).pipe(onBus)
  )

  it.effect("that waits for its ack fails with the cause of a close, whoever closes", () =>
    Effect.gen(function* () {
      for (const side of ["here", "there"] as const) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { here, server } = yield* withFakeServer()
            const sends = yield* sending(here, ["a", "b", "c"])
            yield* settle
            if (side === "there") server.close("aborted", "enough")
            else yield* here.close(PsrpcError.fromCode("aborted", { message: "enough" }))
            yield* settle
            for (const send of sends) {
              assert.strictEqual(errorOf(send)._tag, "Aborted")
              assert.strictEqual(errorOf(send).message, "enough")
            }
          })
        )
      }
    }).pipe(onBus)
  )

  it.effect("that is read by who closes the stream then has arrived", () =>
    Effect.gen(function* () {
      const { here, there } = yield* pair()
      yield* start(Effect.andThen(firstOf(there.messages), there.close()))
      yield* here.send("read, then closed")
      yield* here.closed
    }).pipe(onBus)
  )

  it.effect("can be interrupted; its message is not taken back", () =>
    Effect.gen(function* () {
      const { here, there } = yield* pair()
      const send = yield* start(here.send("on its way"))
      yield* Fiber.interrupt(send)
      const { seen } = yield* reading(there.messages)
      yield* here.send("next")
      assert.deepStrictEqual(seen, ["on its way", "next"])
    }).pipe(onBus)
  )
})

describe("closeSend", () => {
  it.effect("ends the messages of the peer normally, whose sends still arrive", () =>
    Effect.gen(function* () {
      const { here, there } = yield* pair()
      const up = yield* reading(there.messages)
      const down = yield* reading(here.messages)
      yield* here.send("last")
      assert.isTrue(yield* here.closeSend)
      yield* Fiber.join(up.fiber)
      assert.deepStrictEqual(up.seen, ["last"])
      yield* there.send("still here")
      assert.deepStrictEqual(down.seen, ["still here"])
      const error = yield* Effect.flip(here.send("one more"))
      assert.strictEqual(error._tag, "FailedPrecondition")
      assert.isFalse(error.mayHaveRun)
      assert.isTrue(yield* here.closeSend)
      assert.isTrue(yield* there.closeSend)
      yield* Fiber.join(down.fiber)
      yield* here.close()
      assert.strictEqual((yield* Effect.flip(here.closeSend)).reason, "stream_closed")
    }).pipe(onBus)
  )

  it.effect("succeeds with false if the server does not support it", () =>
    Effect.gen(function* () {
      const go = yield* withFakeServer()
      assert.isFalse(yield* go.here.closeSend)
      const send = yield* start(go.here.send("and sends go on"))
      yield* settle
      go.server.ackAll()
      yield* Fiber.join(send)
      assert.strictEqual(go.server.count("end"), 0)
    }).pipe(onBus)
  )

  it.effect("succeeds with false if the client does not support it", () =>
    Effect.gen(function* () {
      const { client, there } = yield* withFakeClient()
      assert.isFalse(yield* there.closeSend)
      yield* settle
      assert.strictEqual(client.count("end"), 0)
    }).pipe(onBus)
  )

  it.effect("is sent again if it was not acknowledged", () =>
    Effect.gen(function* () {
      const { here, server } = yield* withFakeServer({ capabilities: { features: 1, keepalive: 0, buffer: 0 } })
      const first = yield* start(here.closeSend)
      yield* settle
      server.keepalive()
      yield* TestClock.adjust(3000)
      assert.strictEqual(errorOf(first)._tag, "DeadlineExceeded")
      const second = yield* start(here.closeSend)
      yield* settle
      assert.isTrue(isRunning(second))
      assert.strictEqual(server.count("end"), 2)
      server.ack(server.heard.findLast(({ kind }) => kind === "end")!)
      assert.isTrue(yield* Fiber.join(second))
    }).pipe(onBus)
  )
})

class Bytes extends Service.make("Bytes", {
  echo: Rpc.stream({ send: Payload.bytes, receive: Payload.bytes }),
  none: Rpc.stream({ send: undefined, receive: undefined }),
  dates: Rpc.stream({ send: Schema.Date, receive: Schema.Struct({ at: Schema.Date }) })
}) {}

describe("what is sent", () => {
  it.effect(
    "is the reader's own: bytes that are changed after the send, or where they are read, change nothing else",
    () =>
      Effect.gen(function* () {
        const got: Array<Uint8Array> = []
        yield* Server.make(Bytes, {
          ...Server.unimplemented(Bytes),
          echo: (stream) =>
            Stream.runForEach(stream.messages, (message) => {
              got.push(message)
              return stream.send(message)
            })
        })
        const client = yield* Client.make(Bytes)
        const stream = yield* client.echo()
        const bytes = new Uint8Array([1, 2, 3])
        const send = yield* start(stream.send(bytes))
        bytes.fill(9)
        yield* Fiber.join(send)
        const back = yield* firstOf(stream.messages)
        got[0]!.fill(7)
        assert.deepStrictEqual(back, new Uint8Array([1, 2, 3]))
      }).pipe(onBus)
  )

  it.effect("may be nothing, or a Schema's type", () =>
    Effect.gen(function* () {
      yield* Server.make(Bytes, {
        ...Server.unimplemented(Bytes),
        none: (stream) => Stream.runForEach(stream.messages, () => stream.send()),
        dates: (stream) => Stream.runForEach(stream.messages, (at) => stream.send({ at: new Date(at.getTime() + 1) }))
      })
      const client = yield* Client.make(Bytes)
      const none = yield* client.none()
      yield* none.send()
      assert.isUndefined(yield* firstOf(none.messages))
      const dates = yield* client.dates()
      yield* dates.send(new Date(5))
      assert.deepStrictEqual(yield* firstOf(dates.messages), { at: new Date(6) })
    }).pipe(onBus)
  )
})
