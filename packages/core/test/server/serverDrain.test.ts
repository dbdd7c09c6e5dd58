import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Selection from "../../src/Selection.ts"
import * as Server from "../../src/Server.ts"
import { closable, handlers, Jobs, timed, work } from "./closableServer.ts"
import { errorOf, isRunning, onBus, settle, start } from "../helpers/harness.ts"

describe("drain and kill", () => {
  it.effect("drain does by hand what the scope's closing does, and the scope has nothing to wait for then", () =>
    Effect.gen(function* () {
      const { close, server } = yield* closable()
      const client = yield* Client.make(Jobs)
      const call = yield* start(client.work(100))
      yield* settle
      const draining = yield* start(server.drain)
      yield* settle
      assert.strictEqual((yield* Effect.flip(client.work(0))).reason, "no_listeners")
      const again = yield* start(server.drain)
      yield* TestClock.adjust(100)
      assert.strictEqual(yield* Fiber.join(call), "done")
      yield* Fiber.join(draining)
      yield* Fiber.join(again)
      const closing = yield* close
      yield* settle
      assert.strictEqual(yield* Fiber.join(closing), 0)
    }).pipe(onBus)
  )

  it.effect("interrupting a drain does not end it half-way", () =>
    Effect.gen(function* () {
      const { close, server } = yield* closable()
      const client = yield* Client.make(Jobs)
      const call = yield* start(client.work(100))
      yield* settle
      const draining = yield* start(server.drain)
      yield* settle
      yield* Fiber.interrupt(draining)
      const closing = yield* close
      yield* TestClock.adjust(100)
      assert.strictEqual(yield* Fiber.join(call), "done")
      assert.strictEqual(yield* Fiber.join(closing), 100)
    }).pipe(onBus)
  )

  for (const [name, first] of [
    ["kill interrupts at once", false],
    ["kill cuts a drain short", true]
  ] as const) {
    it.effect(`${name}, and answers unavailable`, () =>
      Effect.gen(function* () {
        const { server } = yield* closable()
        const client = yield* Client.make(Jobs, { timeout: "1 hour" })
        const calls = [
          yield* start(client.work(1e6)),
          yield* start(client.alone(1e6)),
          yield* start(client.stubborn(1e6))
        ]
        yield* settle
        if (first) yield* start(server.drain)
        yield* settle
        const killing = yield* start(server.kill)
        yield* settle
        assert.isFalse(isRunning(killing))
        for (const call of calls) assert.strictEqual(errorOf(call)._tag, "Unavailable")
        assert.strictEqual((yield* Effect.flip(client.work(0))).reason, "no_listeners")
      }).pipe(onBus)
    )
  }

  for (const how of ["drain", "kill"] as const) {
    it.effect(`a handler may ${how} its own server`, () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        let stop: Effect.Effect<void> = Effect.void
        const handler = () => Effect.as(stop, "stopped")
        const made = Server.make(Jobs, { ...handlers, work: handler, alone: handler }, { drainTimeout: 100 })
        const server = yield* Scope.provide(made, scope)
        stop = server[how]
        const client = yield* Client.make(Jobs)
        const calls = [yield* start(client.work(0)), yield* start(client.alone(0))]
        yield* settle
        yield* TestClock.adjust(100)
        yield* settle
        assert.isFalse(calls.some(isRunning))
        const closing = yield* timed(Scope.close(scope, Exit.void))
        yield* settle
        assert.strictEqual(yield* Fiber.join(closing), 0)
      }).pipe(onBus)
    )
  }

  it.effect("a server that is closed, or about to be, registers nothing any more", () =>
    Effect.gen(function* () {
      const { close, server } = yield* closable()
      const client = yield* Client.make(Jobs)
      const call = yield* start(client.work(100))
      yield* settle
      const closing = yield* close
      for (const millis of [0, 100]) {
        yield* TestClock.adjust(millis)
        const error = yield* Effect.flip(server.register("topical", { node: "n1" }))
        assert.strictEqual(error._tag, "Canceled")
        assert.match(error.message, /^server is closed/)
        assert.strictEqual(error.reason, "server_closed")
        assert.isTrue(PsrpcError.isClosed(error))
        assert.isFalse(error.mayHaveRun)
        yield* server.deregister("topical", { node: "n1" })
      }
      assert.strictEqual(yield* Fiber.join(call), "done")
      yield* Fiber.join(closing)
      yield* server.drain
      yield* server.kill
    }).pipe(onBus)
  )

  it.effect("a caller is told at the drain timeout, also where its handler cannot be interrupted", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(
        Jobs,
        { ...handlers, work: (millis) => Effect.uninterruptible(work(millis)) },
        { drainTimeout: "1 second" }
      )
      const client = yield* Client.make(Jobs)
      const call = yield* start(client.work(10_000, { timeout: "1 minute" }))
      yield* settle
      const draining = yield* start(server.drain)
      yield* TestClock.adjust("1 second")
      yield* settle
      assert.strictEqual(errorOf(call)._tag, "Unavailable")
      assert.isTrue(isRunning(draining)) // what the handler uses must outlive it
      yield* TestClock.adjust("9 seconds")
      yield* settle
      assert.isFalse(isRunning(draining))
    }).pipe(onBus)
  )
})

describe("closing a client's scope", () => {
  it.effect("makes waiting and later calls fail with canceled", () =>
    Effect.gen(function* () {
      yield* Server.make(Jobs, handlers)
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(Client.make(Jobs), scope)
      const other = yield* Client.make(Jobs)
      const running = [yield* start(client.work(1000)), yield* start(client.alone(1000))]
      const choosing = yield* start(client.render(1000))
      const others = yield* start(other.work(1000))
      yield* settle
      yield* Scope.close(scope, Exit.void)
      yield* settle
      const later = yield* start(client.work(0))
      for (const call of [...running, choosing, later]) {
        const error = errorOf(call)
        assert.strictEqual(error._tag, "Canceled")
        assert.match(error.message, /^client is closed/)
        assert.strictEqual(error.reason, "client_closed")
        assert.isTrue(PsrpcError.isClosed(error))
        assert.isFalse(PsrpcError.isCanceled(error))
        assert.strictEqual(error.mayHaveRun, running.includes(call))
      }
      yield* TestClock.adjust(1000)
      assert.strictEqual(yield* Fiber.join(others), "done")
    }).pipe(onBus)
  )

  it.effect("interrupts the handlers of its calls, and frees the servers that wait", () =>
    Effect.gen(function* () {
      const { server } = yield* closable()
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(Client.make(Jobs, { timeout: "1 hour" }), scope)
      const selection = Selection.make({ affinityTimeout: "1 hour" })
      yield* start(Effect.exit(client.work(1e6)))
      yield* start(Effect.exit(client.render(1e6, { selection })))
      yield* settle
      yield* Scope.close(scope, Exit.void)
      yield* settle
      const draining = yield* start(server.drain)
      yield* settle
      assert.isFalse(isRunning(draining))
    }).pipe(onBus)
  )
})
