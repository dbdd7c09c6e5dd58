import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import { unary } from "../../src/internal/client/unaryCall.ts"
import { type CallMethod, methodOf } from "../../src/internal/definition/method.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Selection from "../../src/Selection.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { openClient } from "../helpers/openClient.ts"
import { countingClock } from "../helpers/clocks.ts"
import { exitOf, fakeServers, isRunning, json, onBus, settle, start } from "../helpers/harness.ts"

class Jobs extends Service.make("Jobs", {
  queue: Rpc.unary({ request: Schema.Finite, response: Schema.String }),
  alone: Rpc.unary({ request: Schema.Finite, response: Schema.String, singleServer: true }),
  render: Rpc.unary({ request: Schema.Finite, response: Schema.String, routing: "affinity" }),
  stubborn: Rpc.unary({ request: Schema.Finite, response: Schema.String, runToCompletion: true })
}) {}

/** Handlers that take the requested time, and their outcomes. */
const recorded = () => {
  const ends: Array<string> = []
  const handle = (millis: number, call: Server.Call<unknown>) =>
    Effect.delay(Effect.succeed("done"), millis).pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => ends.push(`${call.method} ${Exit.isSuccess(exit) ? "done" : "interrupted"}`))
      )
    )
  const handlers = Jobs.of({ queue: handle, alone: handle, render: { affinity: 0.5, handle }, stubborn: handle })
  return { ends, handlers }
}

describe("interrupting a call", () => {
  for (const method of ["queue", "alone", "render"] as const) {
    it.effect(`${method}: interrupts its handler, and leaves nothing for the server to wait for`, () =>
      Effect.gen(function* () {
        const { ends, handlers } = recorded()
        const server = yield* Server.make(Jobs, handlers)
        const client = yield* Client.make(Jobs)
        const call = yield* start(client[method](1e6, { timeout: "1 hour" }))
        yield* TestClock.adjust(300)
        assert.deepStrictEqual(ends, [])
        yield* Fiber.interrupt(call)
        yield* settle
        assert.deepStrictEqual(ends, [`${{ queue: "Queue", alone: "Alone", render: "Render" }[method]} interrupted`])
        assert.isTrue(Exit.hasInterrupts(exitOf(call)))
        const draining = yield* start(server.drain)
        yield* settle
        assert.isFalse(isRunning(draining))
      }).pipe(onBus)
    )
  }

  it.effect("frees the servers that wait with their claims", () =>
    Effect.gen(function* () {
      const { ends, handlers } = recorded()
      const servers = [yield* Server.make(Jobs, handlers), yield* Server.make(Jobs, handlers)]
      const client = yield* Client.make(Jobs)
      const selection = Selection.make({ affinityTimeout: 1000 })
      const call = yield* start(client.render(1, { timeout: "1 hour", selection }))
      yield* settle
      yield* Fiber.interrupt(call)
      yield* settle
      const draining = yield* start(Effect.all(servers.map(({ drain }) => drain)))
      yield* settle
      assert.isFalse(isRunning(draining))
      assert.deepStrictEqual(ends, [])
    }).pipe(onBus)
  )

  it.effect("frees a server that still weighs its affinity", () =>
    Effect.gen(function* () {
      let weighing = 0
      const affinity = Effect.acquireUseRelease(
        Effect.sync(() => weighing++),
        () => Effect.as(Effect.sleep("1 hour"), 1),
        () => Effect.sync(() => weighing--)
      )
      const { handlers } = recorded()
      const server = yield* Server.make(Jobs, { ...handlers, render: { affinity, handle: handlers.queue } })
      const client = yield* Client.make(Jobs)
      const call = yield* start(client.render(1))
      yield* settle
      assert.strictEqual(weighing, 1)
      yield* Fiber.interrupt(call)
      yield* settle
      assert.strictEqual(weighing, 0)
      const draining = yield* start(server.drain)
      yield* settle
      assert.isFalse(isRunning(draining))
    }).pipe(onBus)
  )

  it.effect("tells the servers by a claim response without a server", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Jobs)
      const servers = yield* fakeServers("Jobs", "Queue", { queue: true })
      const call = yield* start(client.queue(1))
      yield* settle
      yield* Fiber.interrupt(call)
      yield* settle
      assert.deepStrictEqual(servers.chosen, [{ id: servers.requests[0]!.id, serverId: "", affinity: 0 }])
      // what comes now is nobody's
      servers.claim("a")
      servers.answer("a", { raw: json("late") })
      yield* settle
      assert.strictEqual(servers.chosen.length, 1)
    }).pipe(onBus)
  )

  it.effect("a call that timed out or was answered tells nobody anything more", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Jobs)
      const servers = yield* fakeServers("Jobs", "Queue", { queue: true })
      const call = yield* start(client.queue(1))
      yield* settle
      servers.claim("a")
      yield* settle
      servers.answer("a", { raw: json("done") })
      yield* settle
      assert.isFalse(isRunning(call))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(
        servers.chosen.map(({ serverId }) => serverId),
        ["a"]
      )
    }).pipe(onBus)
  )

  it.effect("does not interrupt a handler that runs to completion", () =>
    Effect.gen(function* () {
      const { ends, handlers } = recorded()
      yield* Server.make(Jobs, handlers)
      const client = yield* Client.make(Jobs)
      const call = yield* start(client.stubborn(100))
      yield* TestClock.adjust(50)
      yield* Fiber.interrupt(call)
      yield* TestClock.adjust(49)
      assert.deepStrictEqual(ends, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(ends, ["Stubborn done"])
    }).pipe(onBus)
  )

  it.effect("goes on through nested calls to the last handler", () =>
    Effect.gen(function* () {
      const { ends, handlers } = recorded()
      const inner = yield* Client.make(Jobs)
      yield* Server.make(Jobs, { ...handlers, queue: (millis) => inner.alone(millis) })
      const client = yield* Client.make(Jobs)
      const call = yield* start(client.queue(1e6, { timeout: "1 hour" }))
      yield* settle
      yield* Fiber.interrupt(call)
      yield* settle
      assert.deepStrictEqual(ends, ["Alone interrupted"])
    }).pipe(onBus)
  )

  it.effect("by a timeout of Effect's is the same, and other calls go on", () =>
    Effect.gen(function* () {
      const { ends, handlers } = recorded()
      yield* Server.make(Jobs, handlers)
      const client = yield* Client.make(Jobs)
      const other = yield* start(client.queue(200))
      const call = yield* start(Effect.timeoutOption(client.queue(1000), 100))
      yield* TestClock.adjust(100)
      assert.strictEqual((yield* Fiber.join(call))._tag, "None")
      assert.deepStrictEqual(ends, ["Queue interrupted"])
      yield* TestClock.adjust(100)
      assert.strictEqual(yield* Fiber.join(other), "done")
    }).pipe(onBus)
  )
})

describe("what is left behind", () => {
  it.effect("30 days pass an idle client and server without a timer", () =>
    Effect.gen(function* () {
      const { handlers } = recorded()
      const { counted, counts } = yield* countingClock
      yield* Server.make(Jobs, handlers).pipe(Effect.provideService(Clock.Clock, counted))
      const client = yield* Client.make(Jobs).pipe(Effect.provideService(Clock.Clock, counted))
      yield* client.queue(0)
      assert.isAbove(counts.started, 0)
      const before = counts.started
      yield* TestClock.adjust("30 days")
      assert.strictEqual(counts.started, before)
      assert.strictEqual(yield* client.alone(0), "done")
    }).pipe(onBus)
  )

  /** A client whose state the test can see, and its methods. */
  const openJobs = Effect.gen(function* () {
    const state = yield* openClient("Jobs")
    const call = (key: "queue" | "alone" | "render") => unary(state, methodOf(Jobs, key) as CallMethod)
    return { state, queue: call("queue"), alone: call("alone"), render: call("render") }
  })

  it.effect("10,000 calls leave no entry on the client, however they end", () =>
    Effect.gen(function* () {
      const { handlers } = recorded()
      const fails = () => Effect.die("a bug")
      const server = yield* Server.make(Jobs, { ...handlers, alone: fails })
      const { alone, queue, render, state } = yield* openJobs
      const many = (count: number, call: Effect.Effect<unknown, unknown>) =>
        Effect.forEach(Array.from({ length: count }), () => Effect.exit(call), { concurrency: 500, discard: true })

      yield* many(4000, queue(0))
      yield* many(1000, alone(0))
      const comparing = yield* start(many(500, render(0)))
      yield* settle
      yield* TestClock.adjust(200)
      yield* Fiber.join(comparing)
      assert.strictEqual(state.calls.size, 0)

      const timed = yield* start(many(500, queue(1e6, { timeout: 10 })))
      yield* TestClock.adjust(10)
      yield* Fiber.join(timed)
      const slow = yield* start(Effect.all([many(500, queue(1e6)), many(500, render(1e6))], { concurrency: 2 }))
      yield* TestClock.adjust(100)
      assert.strictEqual(state.calls.size, 1000)
      assert.strictEqual(state.deadlines.size, 1000)
      yield* Fiber.interrupt(slow)
      yield* settle
      assert.strictEqual(state.calls.size, 0)

      const quick = yield* start(many(500, render(0, { timeout: 10 })))
      yield* settle
      yield* TestClock.adjust(10)
      yield* Fiber.join(quick)
      yield* server.drain
      yield* many(3000, queue(0)) // nobody listens
      const refused = many(500, queue("x"))
      yield* refused
      assert.strictEqual(state.calls.size, 0)
      assert.strictEqual(state.deadlines.size, 0)
    }).pipe(onBus)
  )

  it.effect("and nothing that the server would wait for", () =>
    Effect.gen(function* () {
      const { ends, handlers } = recorded()
      const server = yield* Server.make(Jobs, handlers)
      const client = yield* Client.make(Jobs)
      const calls = Effect.all(
        [client.queue(0), client.alone(5), client.render(5, { selection: Selection.first }), client.queue(5)],
        { concurrency: "unbounded" }
      )
      const all = yield* start(
        Effect.forEach(Array.from({ length: 2500 }), () => calls, { concurrency: 100, discard: true })
      )
      yield* TestClock.adjust("10 seconds")
      assert.isFalse(isRunning(all))
      assert.strictEqual(ends.length, 10_000)
      const draining = yield* start(server.drain)
      yield* settle
      assert.isFalse(isRunning(draining))
    }).pipe(onBus)
  )
})
