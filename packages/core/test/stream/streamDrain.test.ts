import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import { timed } from "../server/closableServer.ts"
import { dropped, errorOf, isRunning, onBus, settle, start } from "../helpers/harness.ts"
import { Chat, fakeStreamClient, keeping, reading, serve, type ServerEnd } from "./streamPairs.ts"

/** A handler that works on after its stream has ended, and notes how that ends. */
const working = (millis: number) => {
  const notes: Array<string> = []
  const handle = (stream: ServerEnd) =>
    Effect.exit(Stream.runDrain(stream.messages)).pipe(
      Effect.tap((exit) => Effect.sync(() => notes.push(Exit.isSuccess(exit) ? "end" : "cause"))),
      Effect.andThen(Effect.sleep(millis)),
      Effect.onExit((exit) => Effect.sync(() => notes.push(Exit.isSuccess(exit) ? "finished" : "interrupted")))
    )
  return { handle, notes }
}

const assertEof = (error: { readonly code: string; readonly message: string }) =>
  assert.deepStrictEqual([error.code, error.message], ["unavailable", "EOF"])

describe("a server that drains", () => {
  it.effect("closes its streams at once, and gives their handlers the drain timeout to finish", () =>
    Effect.gen(function* () {
      const { handle, notes } = working(1000)
      const server = yield* serve({ talk: handle })
      const client = yield* Client.make(Chat)
      const here = yield* client.talk()
      const { fiber } = yield* reading(here.messages)
      const draining = yield* timed(server.drain)
      yield* settle
      assertEof(errorOf(fiber))
      assertEof(yield* Effect.flip(here.send("late")))
      assert.deepStrictEqual(notes, ["cause"])
      assert.strictEqual((yield* Effect.flip(Effect.scoped(client.talk()))).reason, "no_listeners")
      yield* TestClock.adjust(1000)
      assert.strictEqual(yield* Fiber.join(draining), 1000)
      assert.deepStrictEqual(notes, ["cause", "finished"])
    }).pipe(onBus)
  )

  it.effect("interrupts handlers that take longer", () =>
    Effect.gen(function* () {
      const { handle, notes } = working(1e6)
      const server = yield* serve({ talk: handle }, { drainTimeout: 500 })
      const client = yield* Client.make(Chat)
      yield* client.talk()
      const draining = yield* timed(server.drain)
      yield* TestClock.adjust(499)
      assert.isTrue(isRunning(draining))
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(draining), 500)
      assert.deepStrictEqual(notes, ["cause", "interrupted"])
    }).pipe(onBus)
  )

  it.effect("waits for no hijacked stream, and closes it", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* Scope.provide(serve({ talk: ({ hijack }) => hijack }), scope)
      const client = yield* Client.make(Chat)
      const here = yield* client.talk()
      const closing = yield* start(Scope.close(scope, Exit.void))
      yield* settle
      assert.isFalse(isRunning(closing))
      assertEof(yield* Effect.flip(here.closed))
    }).pipe(onBus)
  )

  it.effect("killed: closes its streams with the same, and interrupts their handlers at once", () =>
    Effect.gen(function* () {
      const { handle, notes } = working(1e6)
      const server = yield* serve({ talk: handle })
      const client = yield* Client.make(Chat)
      const here = yield* client.talk()
      const killing = yield* timed(server.kill)
      yield* settle
      assert.strictEqual(yield* Fiber.join(killing), 0)
      assertEof(yield* Effect.flip(here.closed))
      assert.strictEqual(notes.at(-1), "interrupted")
    }).pipe(onBus)
  )

  it.effect("a stream that opens as it leaves is refused with EOF, where no other server can have it", () =>
    Effect.gen(function* () {
      const { ends, handle } = keeping()
      const server = yield* serve({ alone: handle })
      const client = yield* fakeStreamClient("Alone")
      const caller = yield* Client.make(Chat)
      // in one turn: what was published before is still the server's
      client.open()
      const opening = yield* start(caller.alone({ timeout: "1 hour" }))
      const draining = yield* start(server.drain)
      yield* settle
      assert.isFalse(isRunning(draining))
      assert.deepStrictEqual(client.closes(), [["unavailable", "EOF"]])
      assert.strictEqual(client.count("ack"), 0)
      assertEof(errorOf(opening))
      assert.strictEqual(ends.length, 0)
    }).pipe(onBus)
  )

  it.effect("one that others may claim is left to them, and counted", () =>
    Effect.gen(function* () {
      const { ends, handle } = keeping()
      const other = keeping()
      const server = yield* serve({ talk: handle })
      yield* serve({ talk: other.handle })
      const caller = yield* Client.make(Chat)
      const opening = yield* start(caller.talk())
      const draining = yield* start(server.drain)
      yield* settle
      assert.isFalse(isRunning(draining))
      yield* Fiber.join(opening)
      assert.deepStrictEqual([ends.length, other.ends.length], [0, 1])
      assert.strictEqual(yield* dropped("leaving", "server"), 1)
    }).pipe(onBus)
  )

  it.effect("a stream whose claim is chosen only now is refused with EOF, and not kept", () =>
    Effect.gen(function* () {
      const { ends, handle } = keeping()
      const server = yield* serve({ talk: handle })
      const client = yield* fakeStreamClient("Talk")
      client.open()
      yield* settle
      assert.strictEqual(client.claims.length, 1)
      const draining = yield* start(server.drain)
      yield* settle
      assert.isTrue(isRunning(draining))
      client.choose(server.serverId)
      yield* settle
      assert.isFalse(isRunning(draining))
      assert.deepStrictEqual(client.closes(), [["unavailable", "EOF"]])
      assert.strictEqual(client.count("ack"), 0)
      assert.strictEqual(ends.length, 0)
    }).pipe(onBus)
  )

  it.effect("a client of ours sees that as the failure of its opening", () =>
    Effect.gen(function* () {
      const { handle } = keeping()
      const server = yield* serve({ best: { affinity: 0.5, handle } })
      const client = yield* Client.make(Chat)
      const opening = yield* start(client.best())
      yield* settle
      const draining = yield* start(server.drain)
      yield* TestClock.adjust(200)
      assertEof(errorOf(opening))
      assert.isFalse(isRunning(draining))
    }).pipe(onBus)
  )

  for (const how of ["drain", "kill"] as const) {
    it.effect(`a handler of a stream may ${how} its own server`, () =>
      Effect.gen(function* () {
        let stop: Effect.Effect<void> = Effect.void
        const server = yield* serve({ talk: () => stop }, { drainTimeout: 100 })
        stop = server[how]
        const client = yield* Client.make(Chat)
        const opening = yield* start(client.talk())
        yield* TestClock.adjust(100)
        const here = yield* Fiber.join(opening)
        assertEof(yield* Effect.flip(here.closed))
        const again = yield* start(server.drain)
        yield* settle
        assert.isFalse(isRunning(again))
      }).pipe(onBus)
    )
  }
})

describe("a topic that is deregistered", () => {
  it.effect("closes its streams with EOF, and lets their handlers finish, without waiting for them", () =>
    Effect.gen(function* () {
      const { handle, notes } = working(1e6)
      const server = yield* serve({ room: handle }, { topics: { room: [{ room: "a" }, { room: "b" }] } })
      const client = yield* Client.make(Chat)
      const a = yield* client.room({ topic: { room: "a" } })
      const b = yield* client.room({ topic: { room: "b" } })
      yield* server.deregister("room", { room: "a" })
      yield* settle
      assertEof(yield* Effect.flip(a.closed))
      yield* b.send("still open")
      const error = yield* Effect.flip(Effect.scoped(client.room({ topic: { room: "a" } })))
      assert.strictEqual(error.reason, "no_listeners")
      yield* TestClock.adjust(1e6)
      assert.deepStrictEqual(notes, ["cause", "finished"])
    }).pipe(onBus)
  )

  it.effect("by its scope, and can be registered again", () =>
    Effect.gen(function* () {
      const { ends, handle } = keeping()
      const server = yield* serve({ room: handle })
      const client = yield* Client.make(Chat)
      for (let round = 0; round < 3; round++) {
        const scope = yield* Scope.make()
        yield* Scope.provide(server.register("room", { room: "a" }), scope)
        const here = yield* client.room({ topic: { room: "a" } })
        yield* Scope.close(scope, Exit.void)
        yield* settle
        assertEof(yield* Effect.flip(here.closed))
        assert.isTrue(Exit.isFailure(yield* Effect.exit(ends[round]!.closed)))
      }
      const draining = yield* start(server.drain)
      yield* settle
      assert.isFalse(isRunning(draining))
    }).pipe(onBus)
  )
})
