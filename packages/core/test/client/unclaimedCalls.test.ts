import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Selection from "../../src/Selection.ts"
import * as Service from "../../src/Service.ts"
import { dropped, errorOf, exitOf, fakeServers, isRunning, json, onBus, settle, start } from "../helpers/harness.ts"

class Jobs extends Service.make("Jobs", {
  render: Rpc.unary({ response: Schema.String, routing: "affinity" }),
  resize: Rpc.unary({ response: Schema.String })
}) {}

describe("a call that no server is chosen for", () => {
  it.effect("no claim: unavailable after exactly the affinity timeout, though the call could wait for longer", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Jobs)
      yield* fakeServers("Jobs", "Render")
      yield* fakeServers("Jobs", "Resize", { queue: true })
      const calls = [yield* start(client.render()), yield* start(client.resize())]
      yield* TestClock.adjust(999)
      assert.deepStrictEqual(calls.map(isRunning), [true, true])
      yield* TestClock.adjust(1)
      for (const call of calls) {
        const error = errorOf(call)
        assert.strictEqual(error._tag, "Unavailable")
        assert.match(error.message, /^no response from servers/)
        assert.strictEqual(error.reason, "no_response")
        assert.isFalse(error.mayHaveRun)
      }
    }).pipe(onBus)
  )

  it.effect("claims that do not count: says how many came, and lets those servers go", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Jobs)
      const servers = yield* fakeServers("Jobs", "Render")
      for (const acceptFirstAvailable of [true, false]) {
        servers.chosen.length = 0
        const selection = Selection.make({ minimumAffinity: 0.9, affinityTimeout: 70, acceptFirstAvailable })
        const call = yield* start(client.render({ selection }))
        yield* settle
        for (const id of ["a", "b", "c"]) servers.claim(id, 0.5)
        yield* TestClock.adjust(69)
        assert.isTrue(isRunning(call))
        yield* TestClock.adjust(1)
        const error = errorOf(call)
        assert.strictEqual(error._tag, "Unavailable")
        assert.match(error.message, /^no servers available \(received 3 responses\)/)
        assert.strictEqual(error.reason, "no_servers")
        assert.isFalse(error.mayHaveRun)
        assert.deepStrictEqual(
          servers.chosen.map(({ serverId }) => serverId),
          [""]
        )
      }
    }).pipe(onBus)
  )

  it.effect("a claim of 0 never wins by affinity", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Jobs)
      const servers = yield* fakeServers("Jobs", "Render")
      const call = yield* start(client.render())
      yield* settle
      servers.claim("a", 0)
      yield* TestClock.adjust(199)
      assert.isTrue(isRunning(call))
      // yet it counts, and starts the short circuit
      yield* TestClock.adjust(1)
      assert.match(errorOf(call).message, /^no servers available \(received 1 responses\)/)
    }).pipe(onBus)
  )

  it.effect("affinityTimeout 0: claims are waited for as long as the call waits", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Jobs)
      const servers = yield* fakeServers("Jobs", "Render")
      for (const acceptFirstAvailable of [true, false]) {
        const selection = Selection.make({ affinityTimeout: "Infinity", acceptFirstAvailable })
        const silent = yield* start(client.render({ selection, timeout: 5000 }))
        yield* TestClock.adjust(4999)
        assert.isTrue(isRunning(silent))
        yield* TestClock.adjust(1)
        assert.match(errorOf(silent).message, /^no response from servers/)
        assert.isFalse(errorOf(silent).mayHaveRun)
      }
      const late = yield* start(client.render({ selection: Selection.first, timeout: 900 }))
      yield* TestClock.adjust(899)
      assert.isTrue(isRunning(late))
      yield* TestClock.adjust(1)
      assert.match(errorOf(late).message, /^no response from servers/)
      assert.strictEqual(servers.chosen.length, 0)
    }).pipe(onBus)
  )

  it.effect("affinityTimeout 0 with a claim: the best is chosen at the call's deadline, which is too late", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Jobs)
      const servers = yield* fakeServers("Jobs", "Render")
      const call = yield* start(
        client.render({ selection: Selection.make({ affinityTimeout: "Infinity" }), timeout: 500 })
      )
      yield* settle
      servers.claim("a", 0.5)
      yield* TestClock.adjust(499)
      assert.isTrue(isRunning(call))
      yield* TestClock.adjust(1)
      yield* settle
      assert.strictEqual(errorOf(call)._tag, "DeadlineExceeded")
    }).pipe(onBus)
  )

  it.effect("more claims than fit are counted, told of, and dropped", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Jobs, { claimBufferSize: 10 })
      const servers = yield* fakeServers("Jobs", "Render")
      yield* start(client.render({ selection: Selection.make() }))
      yield* settle
      for (let i = 0; i < 25; i++) servers.claim(`s${i}`, 0.5 + i / 100)
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual(
        servers.chosen.map(({ serverId }) => serverId),
        ["s9"]
      )
      assert.strictEqual(yield* dropped("overflow", "client"), 15)
    }).pipe(onBus)
  )
})

describe("an error that comes before any server is chosen", () => {
  const refusal = { error: "no such field", code: "malformed_request" }

  it.effect("ends a queue call at once: nobody else has the request", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Jobs)
      const servers = yield* fakeServers("Jobs", "Resize", { queue: true })
      for (const selection of [undefined, Selection.make({ acceptFirstAvailable: true, affinityTimeout: 70 })]) {
        const call = yield* start(client.resize({ selection }))
        yield* settle
        servers.answer("a", refusal)
        yield* settle
        const error = errorOf(call)
        assert.strictEqual(error._tag, "MalformedRequest")
        assert.strictEqual(error.message, "no such field")
        assert.isFalse(error.mayHaveRun)
      }
    }).pipe(onBus)
  )

  it.effect("is what an affinity call fails with when no claim is taken", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Jobs)
      const servers = yield* fakeServers("Jobs", "Render")
      for (const selection of [undefined, Selection.make({ minimumAffinity: 0.5, acceptFirstAvailable: true })]) {
        const call = yield* start(client.render({ selection }))
        yield* settle
        servers.answer("a", refusal)
        servers.claim("b", 0)
        yield* TestClock.adjust(199)
        assert.isTrue(isRunning(call))
        yield* TestClock.adjust(801)
        assert.strictEqual(errorOf(call)._tag, "MalformedRequest")
      }
    }).pipe(onBus)
  )

  it.effect("does not matter to an affinity call that another server takes", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Jobs)
      const servers = yield* fakeServers("Jobs", "Render")
      const call = yield* start(client.render())
      yield* settle
      servers.answer("a", refusal)
      servers.claim("b", 0.5)
      yield* TestClock.adjust(200)
      servers.answer("b", { raw: json("rendered") })
      yield* settle
      assert.strictEqual(exitOf(call)._tag, "Success")
    }).pipe(onBus)
  )

  it.effect("an answer from a server that was not chosen is not the call's", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Jobs)
      const servers = yield* fakeServers("Jobs", "Resize", { queue: true })
      const call = yield* start(client.resize())
      yield* settle
      servers.answer("b", { raw: json("before") })
      servers.claim("a")
      yield* settle
      servers.answer("b", { raw: json("after") })
      servers.answer("b", { error: "boo", code: "internal" })
      yield* settle
      assert.isTrue(isRunning(call))
      servers.answer("a", { raw: json("right") })
      assert.strictEqual(yield* Fiber.join(call), "right")
    }).pipe(onBus)
  )
})
