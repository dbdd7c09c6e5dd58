import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Client, PsrpcError, Rpc, Selection, Server, Service } from "../../src/index.ts"
import type { ServerStream } from "../../src/BidiStream.ts"
import * as Envelope from "../../src/internal/wire/callEnvelope.ts"
import { dropped, errorOf, fakeServers, isRunning, onBus, settle, start } from "../helpers/harness.ts"

class Jobs extends Service.make("Jobs", {
  run: Rpc.unary({ request: Schema.Int, response: Schema.Int }),
  best: Rpc.unary({ request: Schema.Int, response: Schema.Int, routing: "affinity" }),
  alone: Rpc.unary({ request: Schema.Int, response: Schema.Int, singleServer: true }),
  all: Rpc.multi({ request: Schema.Int, response: Schema.Int }),
  feed: Rpc.stream({ send: Schema.Int, receive: Schema.Int, singleServer: true })
}) {}

const { unimplemented } = Server

describe("what somebody else can make this process keep", () => {
  it.effect("a server with maxInFlight requests in hand makes no more offers, and says so in its count", () =>
    Effect.gen(function* () {
      yield* Server.make(Jobs, { ...unimplemented(Jobs), run: () => Effect.never }, { maxInFlight: 2 })
      const client = yield* Client.make(Jobs)
      const calls = yield* Effect.forEach([1, 2, 3], (n) => start(client.run(n, { timeout: "1 hour" })))
      yield* settle
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(calls.map(isRunning), [true, true, false])
      assert.strictEqual(errorOf(calls[2]!)._tag, "Unavailable")
      assert.strictEqual(yield* dropped("overflow", "server"), 1)
    }).pipe(onBus)
  )

  for (const method of ["alone", "all"] as const) {
    it.effect(`where nothing is claimed it answers, and takes more when it has room again: ${method}`, () =>
      Effect.gen(function* () {
        const handle = (millis: number) => Effect.as(Effect.sleep(millis), millis)
        yield* Server.make(Jobs, { ...unimplemented(Jobs), alone: handle, all: handle }, { maxInFlight: 2 })
        const client = yield* Client.make(Jobs)
        const call = (millis: number) =>
          method === "alone"
            ? client.alone(millis)
            : Effect.flatMap(Stream.runCollect(client.all(millis, { expect: 1 })), ([answer]) =>
                Effect.fromResult(answer!.result)
              )
        const calls = yield* Effect.forEach([100, 200, 300, 0], (millis) => start(call(millis)))
        yield* settle
        // whatever its handler would have taken
        assert.deepStrictEqual(calls.map(isRunning), [true, true, false, false])
        for (const refused of calls.slice(2)) {
          const error = errorOf(refused)
          assert.strictEqual(error._tag, "ResourceExhausted")
          assert.match(
            error.message,
            /^the server has 2 in-flight requests of Jobs\.(Alone|All), the maximum \(maxInFlight\)$/
          )
          // what the server saw does not travel
          assert.isUndefined(error.reason)
        }
        assert.strictEqual(yield* dropped("overflow", "server"), 2)
        yield* TestClock.adjust(100)
        const next = yield* start(call(50))
        yield* TestClock.adjust(50)
        assert.strictEqual(yield* Fiber.join(next), 50)
        yield* TestClock.adjust(50)
        assert.strictEqual(yield* Fiber.join(calls[1]!), 200)
        assert.strictEqual(yield* dropped("overflow", "server"), 2)
      }).pipe(onBus)
    )
  }

  it.effect("streams that are too many are closed, and a place is free when one of the others ends", () =>
    Effect.gen(function* () {
      let handled = 0
      const feed = (stream: ServerStream<number, number>) => {
        handled++
        return Effect.exit(stream.closed)
      }
      const server = yield* Server.make(Jobs, { ...unimplemented(Jobs), feed }, { maxInFlight: 2 })
      const client = yield* Client.make(Jobs)
      const open = [yield* client.feed(), yield* client.feed()]
      for (let i = 0; i < 3; i++) {
        const error = yield* Effect.flip(Effect.scoped(client.feed()))
        assert.strictEqual(error._tag, "ResourceExhausted")
        assert.strictEqual(error.message, "the server has 2 in-flight requests of Jobs.Feed, the maximum (maxInFlight)")
      }
      assert.strictEqual(handled, 2)
      assert.strictEqual(yield* dropped("overflow", "server"), 3)
      yield* open[0]!.close()
      yield* settle
      yield* client.feed()
      assert.strictEqual(handled, 3)
      // those that were refused are nothing to wait for
      const draining = yield* start(server.drain)
      yield* settle
      assert.isFalse(isRunning(draining))
    }).pipe(onBus)
  )

  it("a message with thousands of details or entries of metadata is malformed", () => {
    const detail = { typeUrl: "", value: new Uint8Array(0) }
    const response = { id: "REQ_1", serverId: "", sentAt: 0, raw: new Uint8Array(0), error: "e", code: "internal" }
    const answer = (count: number) =>
      Envelope.encodeResponse(Envelope.noFrame, { ...response, details: Array.from({ length: count }, () => detail) })
    assert.isObject(Envelope.decodeResponse(answer(1000)))
    assert.strictEqual(Envelope.decodeResponse(answer(1001)), "malformed")
    const request = { id: "REQ_1", clientId: "CLI_1", sentAt: 0, expiry: 1, multi: false, raw: new Uint8Array(0) }
    const asked = (count: number) =>
      Envelope.encodeRequest(Envelope.noFrame, {
        ...request,
        metadata: Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, "v"]))
      })
    // as many as a user may send, and a trace
    assert.isObject(Envelope.decodeRequest(asked(1002)))
    assert.strictEqual(Envelope.decodeRequest(asked(1003)), "malformed")
  })
})

describe("what takes long", () => {
  it.effect("a caller is told at the drain timeout, also where its handler cannot be interrupted", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(
        Jobs,
        { ...unimplemented(Jobs), run: (n) => Effect.uninterruptible(Effect.as(Effect.sleep("10 seconds"), n)) },
        { drainTimeout: "1 second" }
      )
      const client = yield* Client.make(Jobs)
      const call = yield* start(client.run(1, { timeout: "1 minute" }))
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

  it.effect("limits of a selection are float32, as claims are", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Jobs)
      const servers = yield* fakeServers("Jobs", "Best")
      const selection = Selection.best({ affinityTimeout: 100, minimumAffinity: 0.7 })
      yield* start(client.best(1, { selection }))
      yield* settle
      servers.claim("a", 0.7)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(
        servers.chosen.map(({ serverId }) => serverId),
        ["a"]
      )
    }).pipe(onBus)
  )

  it.effect("a refusal of a request says where and why it does not fit, and never what it was", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Jobs)
      const error = yield* Effect.flip(client.run("secret" as never))
      assert.isTrue(PsrpcError.is(error))
      assert.match(error.message, /Jobs\.Run\): Expected/)
      assert.notInclude(error.message, "secret")
    }).pipe(onBus)
  )
})
