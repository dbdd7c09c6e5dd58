import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Metadata from "../../src/Metadata.ts"
import * as Selection from "../../src/Selection.ts"
import * as Server from "../../src/Server.ts"
import { dropped, errorOf, isRunning, onBus, settle, start } from "../helpers/harness.ts"
import { Chat, fakeStreamServer, keeping, reading, serve } from "./streamPairs.ts"

describe("opening a stream", () => {
  it.effect("both ends are open when it succeeds, and have the same id", () =>
    Effect.gen(function* () {
      const { ends, handle } = keeping()
      yield* serve({ talk: handle, alone: handle })
      const client = yield* Client.make(Chat)
      for (const open of [client.talk(), client.alone()]) {
        const here = yield* open
        const there = ends.pop()!
        assert.match(here.streamId, /^STR_[0-9A-Za-z]{12}$/)
        assert.strictEqual(there.streamId, here.streamId)
      }
    }).pipe(onBus)
  )

  it.effect("the handler knows of the client, its metadata, and has no deadline", () =>
    Effect.gen(function* () {
      const { calls, handle } = keeping()
      const server = yield* serve({ room: handle }, { serverId: "SRV_b", topics: { room: [{ room: "r1" }] } })
      assert.strictEqual(server.serverId, "SRV_b")
      yield* TestClock.adjust(500)
      const client = yield* Client.make(Chat, { clientId: "CLI_me", metadata: { a: "1", b: "1" } })
      yield* client
        .room({ topic: { room: "r1" }, metadata: { c: "3" }, timeout: "2 seconds" })
        .pipe(Metadata.with({ b: "2" }))
      assert.strictEqual(calls.length, 1)
      const { deadline, header, method, service, topic } = calls[0]!
      assert.deepStrictEqual({ method, service, topic }, { method: "Room", service: "Chat", topic: { room: "r1" } })
      assert.strictEqual(deadline, Infinity)
      assert.deepStrictEqual(
        { ...header, metadata: { ...header.metadata } },
        { remoteId: "CLI_me", sentAt: 500, expiry: 2500, metadata: { a: "1", b: "2", c: "3" } }
      )
    }).pipe(onBus)
  )

  it.effect("a call made inside a handler has the default timeout, and the stream may be old by then", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Chat)
      const deadlines: Array<number> = []
      yield* Server.make(Chat, {
        ...Server.unimplemented(Chat),
        talk: (stream) =>
          Effect.gen(function* () {
            const call = yield* Server.CurrentCall
            deadlines.push(call.deadline)
            yield* Effect.sleep("1 hour")
            yield* Effect.exit(client.hello("x"))
            yield* stream.send("failed")
          }),
        hello: (_, call) => Effect.as(Effect.delay(Effect.void, (deadlines.push(call.deadline), "1 day")), "late")
      })
      const here = yield* client.talk()
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(deadlines, [Infinity, 3_603_000])
      yield* TestClock.adjust(2999)
      const closed = yield* start(here.closed)
      assert.isTrue(isRunning(closed))
      yield* TestClock.adjust(1)
      assert.isFalse(isRunning(closed))
    }).pipe(onBus)
  )

  it.effect("nobody listens: fails at once", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Chat)
      for (const open of [client.talk(), client.alone(), client.best()]) {
        const error = yield* Effect.flip(Effect.scoped(open))
        assert.strictEqual(error._tag, "Unavailable")
        assert.strictEqual(error.reason, "no_listeners")
        assert.isFalse(error.mayHaveRun)
      }
    }).pipe(onBus)
  )

  it.effect("nobody claims: unavailable after the affinity timeout", () =>
    Effect.gen(function* () {
      const server = yield* fakeStreamServer("Talk")
      const client = yield* Client.make(Chat)
      const opening = yield* start(client.talk())
      yield* TestClock.adjust(999)
      assert.isTrue(isRunning(opening))
      yield* TestClock.adjust(1)
      const error = errorOf(opening)
      assert.strictEqual(error._tag, "Unavailable")
      assert.strictEqual(error.message, "no response from servers (Chat.Talk)")
      assert.isFalse(error.mayHaveRun)
      // nobody was chosen, so nobody has anything to close
      yield* settle
      assert.strictEqual(server.count("close"), 0)
    }).pipe(onBus)
  )

  it.effect("an unclaimed method: deadline_exceeded at the timeout, and a server that opens it later is told", () =>
    Effect.gen(function* () {
      const server = yield* fakeStreamServer("Alone")
      const client = yield* Client.make(Chat)
      const opening = yield* start(client.alone({ timeout: 2000 }))
      yield* TestClock.adjust(1999)
      assert.isTrue(isRunning(opening))
      yield* TestClock.adjust(1)
      const error = errorOf(opening)
      assert.strictEqual(error._tag, "DeadlineExceeded")
      assert.strictEqual(error.reason, "timeout")
      assert.isTrue(error.mayHaveRun)
      yield* settle
      assert.deepStrictEqual(server.closes(), [["canceled", "request canceled"]])
      server.accept()
      yield* settle
      assert.strictEqual(server.count("close"), 1)
    }).pipe(onBus)
  )

  it.effect("a chosen server that does not answer: deadline_exceeded at the timeout", () =>
    Effect.gen(function* () {
      const server = yield* fakeStreamServer("Talk")
      const client = yield* Client.make(Chat)
      const opening = yield* start(client.talk())
      yield* TestClock.adjust(500)
      server.claim("a")
      yield* settle
      assert.deepStrictEqual(server.chosen.at(-1)?.serverId, "a")
      yield* TestClock.adjust(2499)
      assert.isTrue(isRunning(opening))
      yield* TestClock.adjust(1)
      assert.strictEqual(errorOf(opening)._tag, "DeadlineExceeded")
      assert.isTrue(errorOf(opening).mayHaveRun)
      yield* settle
      assert.deepStrictEqual(server.closes(), [["canceled", "request canceled"]])
    }).pipe(onBus)
  )

  for (const [name, code, error, tag] of [
    ["with a cause", "resource_exhausted", "no room", "ResourceExhausted"],
    ["by a server that drains", "unavailable", "EOF", "Unavailable"],
    ["without a cause", "canceled", "stream closed", "Canceled"]
  ] as const) {
    it.effect(`closed ${name} before it is open: fails with that`, () =>
      Effect.gen(function* () {
        const server = yield* fakeStreamServer("Talk")
        const client = yield* Client.make(Chat)
        const opening = yield* start(client.talk())
        yield* settle
        server.claim("a")
        yield* settle
        server.close(code, error)
        yield* settle
        assert.strictEqual(errorOf(opening)._tag, tag)
        assert.include(errorOf(opening).message, error)
        assert.strictEqual(server.count("close"), 0)
      }).pipe(onBus)
    )
  }

  it.effect("what the server sends is not lost where it comes before the ack", () =>
    Effect.gen(function* () {
      const server = yield* fakeStreamServer("Alone")
      const client = yield* Client.make(Chat)
      const opening = yield* start(client.alone())
      yield* settle
      const first = server.send("early")
      server.accept()
      server.close()
      yield* settle
      const here = yield* Fiber.join(opening)
      const { seen } = yield* reading(here.messages)
      assert.deepStrictEqual(seen, ["early"])
      assert.isTrue(server.acked(first))
    }).pipe(onBus)
  )

  it.effect("what cannot be decoded before the ack ends the opening", () =>
    Effect.gen(function* () {
      const server = yield* fakeStreamServer("Alone")
      const client = yield* Client.make(Chat)
      const opening = yield* start(client.alone())
      yield* settle
      server.sendRaw(new Uint8Array([1]))
      yield* settle
      assert.strictEqual(errorOf(opening)._tag, "MalformedRequest")
      assert.strictEqual(server.closes()[0]?.[0], "malformed_request")
    }).pipe(onBus)
  )

  it.effect("refuses options that are none, before anything is sent", () =>
    Effect.gen(function* () {
      const server = yield* fakeStreamServer("Talk")
      const client = yield* Client.make(Chat)
      const bad = [
        client.talk({ streamBufferSize: 0 }),
        client.talk({ streamBufferSize: 1.5 }),
        client.talk({ timeout: -1 }),
        client.talk({ timeout: "soon" as never }),
        client.talk({ metadata: { a: 1 } as never }),
        client.room({ topic: {} as never })
      ]
      for (const open of bad) {
        const error = yield* Effect.flip(Effect.scoped(open))
        assert.strictEqual(error._tag, "InvalidArgument")
        assert.isFalse(error.mayHaveRun)
      }
      yield* settle
      assert.strictEqual(server.heard.length, 0)
      assert.strictEqual((yield* Effect.flip(Effect.scoped(client.talk({ timeout: 0 }))))._tag, "DeadlineExceeded")
    }).pipe(onBus)
  )

  it.effect("with an endless timeout: waits, sends and closes as any other", () =>
    Effect.gen(function* () {
      const { ends, handle } = keeping()
      const client = yield* Client.make(Chat, { timeout: "Infinity" })
      const server = yield* fakeStreamServer("Alone")
      const opening = yield* start(client.alone())
      yield* TestClock.adjust("30 days")
      assert.isTrue(isRunning(opening))
      server.accept()
      const slow = yield* Fiber.join(opening)
      const send = yield* start(slow.send("a"))
      yield* TestClock.adjust("30 days")
      assert.isTrue(isRunning(send))
      yield* slow.close()
      assert.strictEqual(errorOf(send).reason, "stream_closed")
      yield* serve({ talk: handle })
      const here = yield* client.talk()
      yield* here.send("b")
      yield* here.close()
      yield* settle
      yield* ends[0]!.closed
    }).pipe(onBus)
  )

  it.effect("a server that has as many as it may makes no more offers, until one is closed", () =>
    Effect.gen(function* () {
      yield* serve({ talk: keeping().handle }, { maxInFlight: 2 })
      const client = yield* Client.make(Chat)
      const first = yield* client.talk()
      yield* client.talk()
      const refused = yield* start(client.talk())
      yield* TestClock.adjust(1000)
      assert.strictEqual(errorOf(refused).reason, "no_response")
      assert.strictEqual(yield* dropped("overflow", "server"), 1)
      yield* first.close()
      yield* settle
      yield* client.talk()
    }).pipe(onBus)
  )

  it.effect("on a closed client: canceled, as everything else", () =>
    Effect.gen(function* () {
      yield* serve({ talk: keeping().handle })
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(Client.make(Chat), scope)
      yield* Scope.close(scope, Exit.void)
      const error = yield* Effect.flip(Effect.scoped(client.talk()))
      assert.strictEqual(error.reason, "client_closed")
      assert.isFalse(error.mayHaveRun)
    }).pipe(onBus)
  )
})

describe("choosing the server of a stream", () => {
  /** Opens a stream at fake servers that claim at their times, and gives the one that is chosen. */
  const chosenOf = (
    options: Client.AffinityStreamOptions,
    claims: ReadonlyArray<readonly [string, number, number]>,
    until: number
  ) =>
    Effect.gen(function* () {
      const server = yield* fakeStreamServer("Best")
      const client = yield* Client.make(Chat)
      const opening = yield* start(client.best(options))
      let now = 0
      for (const [serverId, affinity, at] of claims) {
        yield* TestClock.adjust(at - now)
        now = at
        server.claim(serverId, affinity)
        yield* settle
      }
      yield* TestClock.adjust(until - now)
      server.accept()
      yield* settle
      assert.isFalse(isRunning(opening))
      return server.chosen.map(({ serverId }) => serverId)
    }).pipe(onBus)

  const claims = [
    ["1", 0.1, 0],
    ["2", 0.5, 100],
    ["3", 0.7, 300],
    ["4", 0.1, 300],
    ["5", 0.9, 500]
  ] as const
  for (const [name, selection, server, until] of [
    ["the first", Selection.first, "1", 0],
    ["the best within a time", Selection.make({ affinityTimeout: 600 }), "5", 600],
    ["a short circuit", Selection.make({ shortCircuitTimeout: 150 }), "2", 150],
    ["a minimum", Selection.make({ minimumAffinity: 0.7, acceptFirstAvailable: true }), "3", 300],
    ["a function", Selection.make({ affinityTimeout: 350, selectionFunc: (all) => all.at(-1)!.serverId }), "4", 350]
  ] as const) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const before = claims.filter(([, , at]) => at <= until)
        assert.deepStrictEqual(yield* chosenOf({ selection }, before, until), [server])
      })
    )
  }

  it.effect("real servers: one has the stream, and the others have forgotten it", () =>
    Effect.gen(function* () {
      const kept = [keeping(), keeping(), keeping()]
      const servers = yield* Effect.forEach(kept, ({ handle }) => serve({ talk: handle }))
      const client = yield* Client.make(Chat)
      const scope = yield* Scope.make()
      for (let i = 0; i < 10; i++) yield* Scope.provide(client.talk(), scope)
      assert.strictEqual(kept.flatMap(({ ends }) => ends).length, 10)
      yield* Scope.close(scope, Exit.void)
      const draining = yield* start(Effect.all(servers.map(({ drain }) => drain)))
      yield* settle
      assert.isFalse(isRunning(draining))
    }).pipe(onBus)
  )
})
