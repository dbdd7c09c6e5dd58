import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Interceptor from "../../src/Interceptor.ts"
import type * as PsrpcError from "../../src/PsrpcError.ts"
import * as Server from "../../src/Server.ts"
import { errorOf, exitOf, isRunning, onBus, settle, start } from "../helpers/harness.ts"
import { echo, echoes, Kinds, note, seenThrough } from "./everyKind.ts"

/** Handlers that never end, and note when they begin and are interrupted. */
const hanging = (events: Array<string>) => {
  const hang = Effect.andThen(note(events, "begins"), Effect.never).pipe(
    Effect.onInterrupt(() => note(events, "interrupted"))
  )
  return Kinds.of({ ...echoes, ask: () => hang, all: () => hang, talk: () => hang })
}

/** Interceptors that only pass on, so that something is between. */
const between = [Interceptor.server((_, next) => next()), Interceptor.serverStream((call, next) => next())] as const

describe("a server's interceptor", () => {
  it.effect("that never runs the rest: the handler does not run, and the answer is its own", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      yield* Server.make(
        Kinds,
        { ...echoes, ask: () => Effect.as(note(events, "runs"), "") },
        { interceptors: [Interceptor.method(Kinds, "ask", { server: () => Effect.succeed("own") })] }
      )
      const client = yield* Client.make(Kinds)
      assert.strictEqual(yield* client.ask("a"), "own")
      assert.deepStrictEqual(events, [])
    }).pipe(onBus)
  )

  it.effect("that runs the rest twice: the handler runs twice, and there is one answer", () =>
    Effect.gen(function* () {
      let runs = 0
      yield* Server.make(
        Kinds,
        { ...echoes, ask: () => Effect.sync(() => `run ${++runs}`), all: () => Effect.sync(() => `run ${++runs}`) },
        { interceptors: [Interceptor.server((_, next) => Effect.andThen(next(), next()))] }
      )
      const client = yield* Client.make(Kinds)
      assert.strictEqual(yield* client.ask("a"), "run 2")
      assert.deepStrictEqual(yield* client.all("a").pipe(Client.successes, Stream.take(1), Stream.runCollect), [
        "run 4"
      ])
    }).pipe(onBus)
  )

  it.effect("that makes the rest and does not run it: nothing of it happens", () =>
    Effect.gen(function* () {
      let runs = 0
      yield* Server.make(
        Kinds,
        { ...echoes, ask: () => (runs++, Effect.succeed("")) },
        {
          interceptors: [
            Interceptor.method(Kinds, "ask", {
              server: (call, next) => {
                next()
                return Effect.succeed("own")
              }
            }),
            Interceptor.server((_, next) => (runs++, next()))
          ]
        }
      )
      const client = yield* Client.make(Kinds)
      assert.strictEqual(yield* client.ask("a"), "own")
      assert.strictEqual(runs, 0)
    }).pipe(onBus)
  )

  it.effect("that answers before the handler ends: the handler ends with the call", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const server = yield* Server.make(Kinds, hanging(events), {
        interceptors: [
          Interceptor.method(Kinds, "ask", {
            server: (call, next) => Effect.as(Effect.forkChild(next(), { startImmediately: true }), "early")
          })
        ]
      })
      const client = yield* Client.make(Kinds)
      assert.strictEqual(yield* client.ask("a"), "early")
      yield* settle
      assert.deepStrictEqual(events, ["begins", "interrupted"])
      // no request is in flight
      const drain = yield* start(server.drain)
      yield* settle
      assert.isFalse(isRunning(drain))
    }).pipe(onBus)
  )

  it.effect("is gone through by the interruption of a caller", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      yield* Server.make(Kinds, hanging(events), { interceptors: between })
      const client = yield* Client.make(Kinds)
      const fiber = yield* start(client.ask("a"))
      yield* settle
      assert.deepStrictEqual(events, ["begins"])
      yield* Fiber.interrupt(fiber)
      yield* settle
      assert.deepStrictEqual(events, ["begins", "interrupted"])
    }).pipe(onBus)
  )

  it.effect("is gone through by the end of a multi call that has had enough", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      yield* Server.make(Kinds, hanging(events), { interceptors: between })
      yield* echo()
      const client = yield* Client.make(Kinds, { interceptors: [Interceptor.clientMulti((_, next) => next())] })
      const answers = yield* client.all("a").pipe(Client.successes, Stream.take(1), Stream.runCollect)
      assert.deepStrictEqual(answers, ["a"])
      yield* settle
      assert.deepStrictEqual(events, ["begins", "interrupted"])
    }).pipe(onBus)
  )

  it.effect("is gone through by a deadline, and may hang itself", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      yield* Server.make(Kinds, hanging(events), {
        interceptors: [
          Interceptor.method(Kinds, "other", {
            server: () => Effect.onInterrupt(Effect.never, () => note(events, "interceptor interrupted"))
          }),
          ...between
        ]
      })
      const client = yield* Client.make(Kinds)
      const ask = yield* start(client.ask("a", { timeout: "1 second" }))
      const other = yield* start(client.other("a", { timeout: "2 seconds" }))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((errorOf(ask) as PsrpcError.PsrpcError).code, "deadline_exceeded")
      assert.deepStrictEqual(events, ["begins", "interrupted"])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(errorOf(other).code, "deadline_exceeded")
      assert.deepStrictEqual(events.slice(2), ["interceptor interrupted"])
    }).pipe(onBus)
  )

  it.effect("that hangs is waited for by a drain, and then interrupted", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const hang = Effect.onInterrupt(Effect.never, () => note(events, "interrupted"))
      const server = yield* Server.make(Kinds, echoes, {
        drainTimeout: "5 seconds",
        interceptors: [Interceptor.server(() => hang), Interceptor.serverStream(() => hang)]
      })
      const client = yield* Client.make(Kinds, { timeout: "1 minute" })
      const ask = yield* start(client.ask("a"))
      const talk = yield* start(Stream.runDrain(client.talk.through(Stream.never)))
      yield* settle
      const drain = yield* start(server.drain)
      yield* TestClock.adjust("4999 millis")
      assert.isTrue(isRunning(drain))
      assert.deepStrictEqual(events, [])
      yield* TestClock.adjust("1 millis")
      assert.isFalse(isRunning(drain))
      assert.strictEqual((errorOf(ask) as PsrpcError.PsrpcError).code, "unavailable")
      assert.strictEqual(errorOf(talk).code, "unavailable")
      assert.deepStrictEqual(events, ["interrupted", "interrupted"])
    }).pipe(onBus)
  )

  it.effect("that hangs is killed, also where it cannot be interrupted: its caller is told at once", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const server = yield* Server.make(Kinds, echoes, {
        interceptors: [
          Interceptor.server((_, next) => Effect.uninterruptible(Effect.andThen(Deferred.await(gate), next())))
        ]
      })
      const client = yield* Client.make(Kinds)
      const ask = yield* start(client.ask("a"))
      yield* settle
      const kill = yield* start(server.kill)
      yield* settle
      assert.strictEqual((errorOf(ask) as PsrpcError.PsrpcError).code, "unavailable")
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      assert.isFalse(isRunning(kill))
    }).pipe(onBus)
  )
})

describe("a client's interceptor", () => {
  it.effect("is interrupted with its call, before the rest and within it, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      yield* Server.make(Kinds, hanging(events))
      let before = true
      const { client, state } = yield* seenThrough([
        Interceptor.client((_, next) => (before ? Effect.never : next())),
        Interceptor.clientMulti((_, next) => (before ? Stream.never : next())),
        Interceptor.clientStream((_, next) => (before ? Effect.never : next())),
        Interceptor.subscribe((_, next) => (before ? Effect.never : next()))
      ])
      const calls = [
        Effect.asVoid(client.ask("a")),
        Stream.runDrain(client.all("a")),
        Effect.scoped(Effect.andThen(client.talk(), Effect.never)),
        Stream.runDrain(client.talk.through(Stream.never)),
        Effect.scoped(Effect.andThen(client.news(), Effect.never))
      ]
      for (before of [true, false]) {
        const fibers = yield* Effect.forEach(calls, (call) => start(call as Effect.Effect<void, unknown>))
        yield* settle
        assert.deepStrictEqual(
          [state.calls.size, state.streams.size, state.subscriptions.size],
          before ? [0, 0, 0] : [2, 2, 1]
        )
        yield* Fiber.interruptAll(fibers)
        for (const fiber of fibers) assert.isTrue(Exit.isFailure(exitOf(fiber)))
        assert.deepStrictEqual([state.calls.size, state.streams.size, state.subscriptions.size], [0, 0, 0])
      }
    }).pipe(onBus)
  )

  it.effect("that asks again while it waits takes the first answer, and frees the other handler", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      let requests = 0
      const { ask } = hanging(events)
      yield* Server.make(Kinds, { ...echoes, ask: (request) => (++requests === 1 ? ask() : Effect.succeed(request)) })
      const { client, state } = yield* seenThrough([
        Interceptor.client((_, next) => Effect.raceFirst(next(), Effect.delay(next(), "1 second")))
      ])
      const fiber = yield* start(client.ask("a"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fiber), "a")
      yield* settle
      assert.deepStrictEqual(events, ["begins", "interrupted"])
      assert.strictEqual(state.calls.size, 0)
    }).pipe(onBus)
  )

  it.effect("whose time is none of the call's", () =>
    Effect.gen(function* () {
      yield* echo()
      const client = yield* Client.make(Kinds, {
        interceptors: [Interceptor.client((_, next) => Effect.delay(next(), "10 seconds"))]
      })
      const fiber = yield* start(client.ask("a", { timeout: "1 second" }))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "a")
    }).pipe(onBus)
  )
})
