import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Interceptor from "../../src/Interceptor.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Retry from "../../src/Retry.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Selection from "../../src/Selection.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { errorOf, isRunning, onBus, settle, start } from "../helpers/harness.ts"
import { retries, schedule } from "./countingServer.ts"

const texts = { send: Schema.String, receive: Schema.String }

class Chat extends Service.make("Chat", {
  talk: Rpc.stream({ ...texts, idempotent: true }),
  once: Rpc.stream(texts)
}) {}

type Handle = Server.Handlers<typeof Chat.methods>["talk"]

const echo: Handle = (stream) => Stream.runForEach(stream.messages, (message) => stream.send(`${message}!`))

const serve = (handle: Handle = echo) => Server.make(Chat, { talk: handle, once: handle })

const again = Retry.stream({ schedule, attempts: 5 })

describe("Retry.stream", () => {
  it.effect("waits for a server that takes the stream, whatever the method", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Chat, { interceptors: [again] })
      const opening = yield* start(client.once())
      yield* TestClock.adjust(250)
      assert.isTrue(isRunning(opening))
      yield* serve()
      yield* TestClock.adjust(50)
      const stream = yield* Fiber.join(opening)
      yield* stream.send("hello")
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(stream.messages, 1)), ["hello!"])
      assert.deepStrictEqual(yield* retries, [
        { side: "client", service: "Chat", method: "Once", kind: "stream", count: 3 }
      ])
    }).pipe(onBus)
  )

  it.effect("opens in the call's time, and fails with the last failure", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Chat, { interceptors: [Retry.stream({ schedule, attempts: Infinity })] })
      const opening = yield* start(client.once({ timeout: 1000 }))
      yield* TestClock.adjust(899)
      assert.isTrue(isRunning(opening))
      yield* TestClock.adjust(1)
      assert.strictEqual((errorOf(opening) as PsrpcError.PsrpcError).reason, "no_listeners")
    }).pipe(onBus)
  )

  it.effect("opens again after a time out where the method is idempotent", () =>
    Effect.gen(function* () {
      const acknowledged: Array<string> = []
      const slow = (name: string, first: number) => {
        let count = 0
        return Effect.suspend(() => (++count > first ? Effect.succeed(1) : Effect.never)).pipe(
          Effect.tap(() => Effect.sync(() => acknowledged.push(name)))
        )
      }
      class Rooms extends Service.make("Rooms", {
        enter: Rpc.stream({ ...texts, idempotent: true, routing: "affinity" })
      }) {}
      yield* Server.make(Rooms, {
        enter: { affinity: slow("enter", 2), handle: (stream) => Effect.exit(stream.closed) }
      })
      const client = yield* Client.make(Rooms, {
        interceptors: [Retry.stream({ schedule, attempts: 5, timeout: 200, timeoutGrowth: 2 })],
        selection: Selection.make({ acceptFirstAvailable: true, affinityTimeout: 5000 })
      })
      const opening = yield* start(client.enter())
      // 200 + 100, 400 + 100
      yield* TestClock.adjust(799)
      assert.isTrue(isRunning(opening))
      yield* TestClock.adjust(1)
      yield* Fiber.join(opening)
      assert.deepStrictEqual(acknowledged, ["enter"])
    }).pipe(onBus)
  )

  it.effect("leaves the stream its own timeout, however little its opening had", () =>
    Effect.gen(function* () {
      const interceptors = [Retry.stream({ schedule, timeout: 50, sends: false })]
      const client = yield* Client.make(Chat, { interceptors, timeout: 2000, keepalive: "Infinity" })
      yield* serve((stream) => Effect.exit(stream.closed))
      const [plain, own] = [yield* client.talk(), yield* client.talk({ sendTimeout: 700 })]
      for (const [stream, time] of [
        [plain, 2000],
        [own, 700]
      ] as const) {
        // the server's buffer is full then: what follows waits for room
        for (let i = 0; i < 100; i++) yield* stream.send("full")
        const send = yield* start(stream.send("more"))
        yield* TestClock.adjust(time - 1)
        assert.isTrue(isRunning(send))
        yield* TestClock.adjust(1)
        assert.strictEqual(errorOf(send)._tag, "DeadlineExceeded")
      }
    }).pipe(onBus)
  )

  it.effect("leaves nothing of the openings that have failed", () =>
    Effect.gen(function* () {
      let held = 0
      const holding = Interceptor.clientStream((_, next) =>
        Effect.andThen(
          Effect.acquireRelease(
            Effect.sync(() => held++),
            () => Effect.sync(() => held--)
          ),
          next()
        )
      )
      const client = yield* Client.make(Chat, { interceptors: [again, holding] })
      const scope = yield* Scope.make()
      const opening = yield* start(Scope.provide(client.once(), scope))
      yield* TestClock.adjust(50)
      assert.strictEqual(held, 0)
      yield* serve()
      yield* TestClock.adjust(50)
      const stream = yield* Fiber.join(opening)
      assert.strictEqual(held, 1)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(held, 0)
      yield* stream.closed
    }).pipe(onBus)
  )

  it.effect("closes the stream by how its scope ends", () =>
    Effect.gen(function* () {
      const ends: Array<string> = []
      yield* serve((stream) =>
        Effect.flatMap(Effect.exit(stream.closed), (exit) =>
          Effect.sync(() => ends.push(exit._tag === "Success" ? "closed" : String(errorOfExit(exit))))
        )
      )
      const client = yield* Client.make(Chat, { interceptors: [again] })
      yield* Effect.scoped(client.once())
      yield* settle
      const failure = PsrpcError.fromCode("aborted", { message: "enough" })
      yield* Effect.exit(Effect.scoped(Effect.andThen(client.once(), Effect.fail(failure))))
      yield* settle
      assert.deepStrictEqual(ends, ["closed", "enough"])
    }).pipe(onBus)
  )

  it.effect("fails at once where the client is closed while it waits", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(Client.make(Chat, { interceptors: [again] }), scope)
      const opening = yield* start(client.once())
      yield* TestClock.adjust(50)
      assert.isTrue(isRunning(opening))
      yield* Scope.close(scope, Exit.void)
      yield* settle
      assert.strictEqual((errorOf(opening) as PsrpcError.PsrpcError).reason, "client_closed")
    }).pipe(onBus)
  )

  it.effect("is interrupted while it waits", () =>
    Effect.gen(function* () {
      let opened = 0
      const client = yield* Client.make(Chat, { interceptors: [again] })
      const opening = yield* start(client.once())
      yield* TestClock.adjust(50)
      yield* Fiber.interrupt(opening)
      yield* serve(() => Effect.sync(() => opened++))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(opened, 0)
    }).pipe(onBus)
  )

  it.effect("runs around one opening, and around through", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Chat)
      const numbers = Array.from({ length: 50 }, (_, i) => `${i}`)
      const answers = yield* start(
        client.once
          .through(Stream.fromIterable(numbers), { interceptors: [again] })
          .pipe(Stream.take(50), Stream.runCollect)
      )
      yield* TestClock.adjust(150)
      yield* serve()
      yield* TestClock.adjust(50)
      assert.deepStrictEqual(
        yield* Fiber.join(answers),
        numbers.map((n) => `${n}!`)
      )
    }).pipe(onBus)
  )
})

const errorOfExit = (exit: Exit.Failure<void, PsrpcError.PsrpcError>): string =>
  exit.cause.reasons.flatMap((reason) => (reason._tag === "Fail" ? [reason.error.message] : [])).join()
