import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Selection from "../../src/Selection.ts"
import * as Server from "../../src/Server.ts"
import { closable, handlers, Jobs, timed, work } from "./closableServer.ts"
import { errorOf, fakeClient, isRunning, json, onBus, settle, start } from "../helpers/harness.ts"

describe("closing a server's scope", () => {
  it.effect("with nothing in hand takes no time", () =>
    Effect.gen(function* () {
      const { close } = yield* closable()
      const client = yield* Client.make(Jobs)
      yield* client.work(0)
      const closing = yield* close
      yield* settle
      assert.strictEqual(yield* Fiber.join(closing), 0)
    }).pipe(onBus)
  )

  for (const method of ["work", "alone", "stubborn"] as const) {
    it.effect(`${method}: takes no new requests, and lets those in hand finish and answer`, () =>
      Effect.gen(function* () {
        const { close } = yield* closable()
        const client = yield* Client.make(Jobs)
        const call = yield* start(client[method](1000))
        yield* settle
        const closing = yield* close
        yield* settle
        assert.strictEqual((yield* Effect.flip(client[method](0))).reason, "no_listeners")
        yield* TestClock.adjust(999)
        assert.isTrue(isRunning(closing))
        assert.isTrue(isRunning(call))
        yield* TestClock.adjust(1)
        assert.strictEqual(yield* Fiber.join(call), "done")
        assert.strictEqual(yield* Fiber.join(closing), 1000)
      }).pipe(onBus)
    )
  }

  it.effect("serves requests that wait for their claim meanwhile", () =>
    Effect.gen(function* () {
      const { close } = yield* closable()
      const client = yield* Client.make(Jobs)
      const call = yield* start(client.render(100))
      yield* TestClock.adjust(150)
      const closing = yield* close
      yield* TestClock.adjust(50)
      assert.isTrue(isRunning(closing))
      yield* TestClock.adjust(100)
      assert.strictEqual(yield* Fiber.join(call), "done")
      assert.strictEqual(yield* Fiber.join(closing), 150)
    }).pipe(onBus)
  )

  it.effect("after the drain timeout the rest is interrupted, and answered unavailable", () =>
    Effect.gen(function* () {
      const { close } = yield* closable({ drainTimeout: 500 })
      const client = yield* Client.make(Jobs, { timeout: "1 hour" })
      const calls = [
        yield* start(client.work(1e6)),
        yield* start(client.alone(1e6)),
        yield* start(client.stubborn(1e6))
      ]
      const short = yield* start(client.work(400))
      yield* settle
      const closing = yield* close
      yield* TestClock.adjust(499)
      assert.strictEqual(yield* Fiber.join(short), "done")
      assert.isTrue(calls.every(isRunning))
      yield* TestClock.adjust(1)
      yield* settle
      assert.strictEqual(yield* Fiber.join(closing), 500)
      for (const call of calls) {
        const error = errorOf(call)
        assert.strictEqual(error._tag, "Unavailable")
        assert.isTrue(error.mayHaveRun)
      }
    }).pipe(onBus)
  )

  it.effect("waits for 3 seconds at the most where nobody says", () =>
    Effect.gen(function* () {
      const { close } = yield* closable()
      const client = yield* Client.make(Jobs, { timeout: "1 hour" })
      const call = yield* start(client.work(1e6))
      yield* settle
      const closing = yield* close
      yield* TestClock.adjust(2999)
      assert.isTrue(isRunning(closing))
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(closing), 3000)
      assert.strictEqual(errorOf(call)._tag, "Unavailable")
    }).pipe(onBus)
  )

  it.effect("a drain timeout of 0 interrupts at once", () =>
    Effect.gen(function* () {
      const { close } = yield* closable({ drainTimeout: 0 })
      const client = yield* Client.make(Jobs)
      const call = yield* start(client.work(1000))
      yield* settle
      const closing = yield* close
      yield* settle
      assert.strictEqual(yield* Fiber.join(closing), 0)
      assert.strictEqual(errorOf(call)._tag, "Unavailable")
    }).pipe(onBus)
  )

  it.effect("forgets a claim that nobody answers at the drain timeout, not later", () =>
    Effect.gen(function* () {
      const { close } = yield* closable({ drainTimeout: 200 })
      const client = yield* fakeClient("Jobs")
      client.request("Work", { id: "r1", expiry: 1e6, raw: json(1) })
      yield* settle
      const closing = yield* close
      yield* TestClock.adjust(200)
      assert.strictEqual(yield* Fiber.join(closing), 200)
    }).pipe(onBus)
  )

  it.effect("waits for what is not to be interrupted, also past the drain timeout", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const events: Array<string> = []
      const saving = Effect.delay(
        Effect.sync(() => events.push("saved")),
        700
      )
      const stubborn = () => Effect.never.pipe(Effect.onExit(() => saving))
      yield* Scope.provide(Server.make(Jobs, { ...handlers, work: stubborn }, { drainTimeout: 100 }), scope)
      const client = yield* Client.make(Jobs, { timeout: "1 hour" })
      const call = yield* start(client.work(0))
      yield* settle
      const closing = yield* timed(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(799)
      assert.isTrue(isRunning(closing))
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(closing), 800)
      assert.deepStrictEqual(events, ["saved"])
      yield* settle
      assert.strictEqual(errorOf(call)._tag, "Unavailable")
    }).pipe(onBus)
  )

  it.effect("requests that were deregistered while they ran are waited for, too", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const topical = () => work(300)
      const made = Server.make(Jobs, { ...handlers, topical }, { topics: { topical: [{ node: "n1" }] } })
      const server = yield* Scope.provide(made, scope)
      const client = yield* Client.make(Jobs)
      const call = yield* start(client.topical({ topic: { node: "n1" } }))
      yield* settle
      yield* server.deregister("topical", { node: "n1" })
      const closing = yield* timed(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(300)
      assert.strictEqual(yield* Fiber.join(call), "done")
      assert.strictEqual(yield* Fiber.join(closing), 300)
    }).pipe(onBus)
  )
})

describe("several servers", () => {
  const busy = Effect.fnUntraced(function* (count: number) {
    const client = yield* Client.make(Jobs, { timeout: "1 hour" })
    const calls = []
    for (let i = 0; i < count; i++) calls.push(yield* start(client.work(1e6)))
    yield* settle
    return calls
  })

  it.effect("in one scope drain together, under one deadline", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      for (let i = 0; i < 3; i++) yield* Scope.provide(Server.make(Jobs, handlers, { drainTimeout: 1000 }), scope)
      const calls = yield* busy(3)
      const closing = yield* timed(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(999)
      assert.isTrue(calls.every(isRunning))
      yield* TestClock.adjust(1)
      yield* settle
      assert.strictEqual(yield* Fiber.join(closing), 1000)
      for (const call of calls) assert.strictEqual(errorOf(call)._tag, "Unavailable")
    }).pipe(onBus)
  )

  it.effect("in merged Layers drain together, under one deadline", () =>
    Effect.gen(function* () {
      const layer = () => Server.layer(Jobs, handlers, { drainTimeout: 1000 })
      const live = Layer.mergeAll(layer(), layer(), Layer.mergeAll(layer(), layer()))
      const scope = yield* Scope.make()
      yield* Layer.buildWithScope(live, scope)
      const calls = yield* busy(4)
      const closing = yield* timed(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(999)
      assert.isTrue(calls.every(isRunning))
      yield* TestClock.adjust(1)
      yield* settle
      assert.strictEqual(yield* Fiber.join(closing), 1000)
      for (const call of calls) assert.strictEqual(errorOf(call)._tag, "Unavailable")
    }).pipe(onBus)
  )

  it.effect("in one scope: one that has drained before does not hold up, or hurry, the others", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const first = yield* Scope.provide(Server.make(Jobs, handlers, { drainTimeout: 1000 }), scope)
      yield* first.drain
      yield* Scope.provide(Server.make(Jobs, handlers, { drainTimeout: 1000 }), scope)
      const client = yield* Client.make(Jobs)
      const call = yield* start(client.work(400))
      yield* settle
      const closing = yield* timed(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(400)
      assert.strictEqual(yield* Fiber.join(call), "done")
      assert.strictEqual(yield* Fiber.join(closing), 400)
    }).pipe(onBus)
  )

  it.effect("a new one takes over while the old one drains, and no call is lost", () =>
    Effect.gen(function* () {
      const old = yield* closable({ drainTimeout: "1 minute" })
      const client = yield* Client.make(Jobs)
      const calls: Array<Fiber.Fiber<string, unknown>> = []
      const load = Effect.gen(function* () {
        for (let i = 0; i < 20; i++) {
          calls.push(yield* start(client.work(70)))
          calls.push(yield* start(client.render(70, { selection: Selection.best({ affinityTimeout: 30 }) })))
          calls.push(yield* start(client.alone(70)))
          yield* TestClock.adjust(10)
        }
      })
      yield* load
      yield* Server.make(Jobs, handlers)
      const closing = yield* old.close
      yield* load
      yield* TestClock.adjust("1 second")
      assert.isFalse(isRunning(closing))
      assert.strictEqual(calls.length, 120)
      for (const call of calls) assert.strictEqual(yield* Fiber.join(call), "done")
    }).pipe(onBus)
  )
})
