import { assert, describe, it } from "@effect/vitest"
import { type Cause, Deferred, Effect, Exit, Fiber, Queue, Semaphore, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { BidiStream } from "../../src/BidiStream.ts"
import * as Client from "../../src/Client.ts"
import * as Interceptor from "../../src/Interceptor.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Server from "../../src/Server.ts"
import { errorOf, exitOf, isRunning, onBus, settle, start } from "../helpers/harness.ts"
import { echo, echoes, Kinds, note, seenThrough } from "./everyKind.ts"

const numbers = Array.from({ length: 100 }, (_, i) => String(i))

/** Sends by another function. */
const sendingBy = (
  send: (message: string, stream: BidiStream<string, string>) => Effect.Effect<void, PsrpcError.PsrpcError>
) =>
  Interceptor.method(Kinds, "talk", {
    client: (_, next) => Effect.map(next(), (stream) => ({ ...stream, send: (message) => send(message, stream) }))
  })

const passing = sendingBy((message, stream) => Effect.andThen(Effect.void, stream.send(message)))

/** What the server has when all of it has been sent. */
const sent = Effect.fnUntraced(function* (interceptor: Interceptor.NoRequirements, concurrency?: number) {
  const received: Array<string> = []
  yield* Server.make(Kinds, {
    ...echoes,
    talk: (stream) => Stream.runForEach(stream.messages, (message) => note(received, message))
  })
  const client = yield* Client.make(Kinds, { timeout: "1 minute" })
  const options = { interceptors: [interceptor], ...(concurrency !== undefined && { concurrency }) }
  const fiber = yield* start(Stream.runDrain(client.talk.through(Stream.fromIterable(numbers), options)))
  while (isRunning(fiber)) yield* TestClock.adjust("10 millis")
  yield* Fiber.join(fiber)
  return received
})

describe("through, behind interceptors", () => {
  it.effect("keeps the order of messages", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* sent(passing), numbers)
    }).pipe(onBus)
  )

  it.effect("keeps it where some of them take their time before they are sent", () =>
    Effect.gen(function* () {
      const delaying = sendingBy((message, stream) =>
        Number(message) % 3 === 0 ? Effect.delay(stream.send(message), "5 millis") : stream.send(message)
      )
      assert.deepStrictEqual(yield* sent(delaying), numbers)
    }).pipe(onBus)
  )

  it.effect("keeps it where one message is sent as two, and they are kept together", () =>
    Effect.gen(function* () {
      const one = Semaphore.makeUnsafe(1)
      const doubling = sendingBy((message, stream) =>
        one.withPermits(1)(Effect.andThen(stream.send(`head of ${message}`), stream.send(message)))
      )
      assert.deepStrictEqual(
        yield* sent(doubling),
        numbers.flatMap((number) => [`head of ${number}`, number])
      )
    }).pipe(onBus)
  )

  it.effect("goes on with the next where a message is not sent at all", () =>
    Effect.gen(function* () {
      const sampling = sendingBy((message, stream) =>
        Number(message) % 2 === 0 ? Effect.void : Effect.delay(stream.send(message), "1 millis")
      )
      assert.deepStrictEqual(
        yield* sent(sampling),
        numbers.filter((number) => Number(number) % 2 === 1)
      )
    }).pipe(onBus)
  )

  it.effect("has so many sends under way as it is told, and no more", () =>
    Effect.gen(function* () {
      let underWay = 0
      let most = 0
      const counting = sendingBy((message, stream) =>
        Effect.suspend(() => {
          most = Math.max(most, ++underWay)
          return Effect.ensuring(
            stream.send(message),
            Effect.sync(() => underWay--)
          )
        })
      )
      yield* sent(counting, 4)
      assert.strictEqual(most, 4)
    }).pipe(onBus)
  )

  it.effect("waits for a reader that falls behind", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      yield* Server.make(
        Kinds,
        {
          ...echoes,
          talk: (stream) => Effect.andThen(Deferred.await(gate), Stream.runDrain(stream.messages))
        },
        { streamBufferSize: 8 }
      )
      let taken = 0
      const client = yield* Client.make(Kinds, { timeout: "1 minute", interceptors: [passing] })
      const outgoing = Stream.tap(Stream.fromIterable(numbers).pipe(Stream.rechunk(1)), () =>
        Effect.sync(() => taken++)
      )
      const fiber = yield* start(Stream.runDrain(client.talk.through(outgoing)))
      yield* settle
      // in the peer's buffer, sent, and at the reader
      assert.isAtMost(taken, 8 + 8 + 1)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(fiber)
      assert.strictEqual(taken, numbers.length)
    }).pipe(onBus)
  )

  it.effect("fails with what a send fails with, and closes the stream with it", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      yield* Server.make(Kinds, {
        ...echoes,
        talk: (stream) =>
          Stream.runDrain(stream.messages).pipe(
            Effect.tapError((error) => note(events, `${error._tag}: ${error.message}`))
          )
      })
      const client = yield* Client.make(Kinds, {
        interceptors: [
          sendingBy((message, stream) =>
            message === "3"
              ? Effect.fail(new PsrpcError.OutOfRange({ message: "3 is too much" }))
              : stream.send(message)
          )
        ]
      })
      const exit = yield* Effect.exit(Stream.runDrain(client.talk.through(Stream.fromIterable(numbers))))
      assert.isTrue(Exit.isFailure(exit))
      yield* settle
      assert.deepStrictEqual(events, ["OutOfRange: 3 is too much"])
    }).pipe(onBus)
  )

  it.effect("ends what is under way when its reader has had enough, or is interrupted", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      yield* Server.make(Kinds, {
        ...echoes,
        talk: (stream) => Effect.andThen(Effect.delay(stream.send("enough"), "1 second"), Effect.never)
      })
      const stuck = sendingBy(() => Effect.onInterrupt(Effect.never, () => note(events, "interrupted")))
      const { client, state } = yield* seenThrough([stuck])
      const first = yield* start(client.talk.through(Stream.make("a", "b")).pipe(Stream.take(1), Stream.runCollect))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(first), ["enough"])
      assert.deepStrictEqual(events, ["interrupted"])
      const fiber = yield* start(Stream.runDrain(client.talk.through(Stream.make("a", "b"))))
      yield* settle
      yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.isFailure(exitOf(fiber)))
      assert.deepStrictEqual(events, ["interrupted", "interrupted"])
      assert.strictEqual(state.streams.size, 0)
    }).pipe(onBus)
  )

  it.effect("ends when the other end closes, also while a message waits to be sent", () =>
    Effect.gen(function* () {
      yield* Server.make(Kinds, {
        ...echoes,
        talk: () => Effect.fail(new PsrpcError.Aborted({ message: "no" }))
      })
      const client = yield* Client.make(Kinds, { interceptors: [sendingBy(() => Effect.never)] })
      const fiber = yield* start(Stream.runDrain(client.talk.through(Stream.make("a"))))
      yield* settle
      assert.strictEqual(errorOf(fiber)._tag, "Aborted")
    }).pipe(onBus)
  )
})

describe("through, on a stream that an interceptor has made", () => {
  /** Gives back what it gets, and has nothing behind it. */
  const double = Interceptor.method(Kinds, "talk", {
    client: () =>
      Effect.gen(function* () {
        const queue = yield* Queue.unbounded<string, Cause.Done>()
        const over = yield* Deferred.make<void, PsrpcError.PsrpcError>()
        return {
          streamId: "double",
          send: (message) => Effect.asVoid(Effect.andThen(Effect.yieldNow, Queue.offer(queue, message))),
          messages: Stream.fromQueue(queue),
          closeSend: Effect.andThen(Queue.end(queue), Effect.as(Deferred.succeed(over, undefined), true)),
          close: () => Effect.asVoid(Effect.andThen(Queue.end(queue), Deferred.succeed(over, undefined))),
          closed: Deferred.await(over)
        }
      })
  })

  it.effect("works without a server", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Kinds, { interceptors: [double] })
      const answers = yield* Stream.runCollect(client.talk.through(Stream.fromIterable(numbers)))
      assert.deepStrictEqual(answers, numbers)
    }).pipe(onBus)
  )

  it.effect("behind other interceptors, too, and with a reader that stops", () =>
    Effect.gen(function* () {
      yield* echo()
      const client = yield* Client.make(Kinds, { interceptors: [passing, double] })
      const answers = yield* client.talk
        .through(Stream.never)
        .pipe(Stream.merge(Stream.make("mine")), Stream.take(1), Stream.runCollect)
      assert.deepStrictEqual(answers, ["mine"])
    }).pipe(onBus)
  )
})
