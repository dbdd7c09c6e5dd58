import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Envelope from "../../src/internal/wire/callEnvelope.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import {
  dropped,
  errorOf,
  fakeClient,
  fakeServers,
  isRunning,
  json,
  onBus,
  settle,
  start,
  Traffic
} from "../helpers/harness.ts"

class Slow extends Service.make("Slow", {
  work: Rpc.unary({ request: Schema.Finite, response: Schema.String }),
  alone: Rpc.unary({ request: Schema.Finite, response: Schema.String, singleServer: true }),
  outer: Rpc.unary({ request: Schema.UndefinedOr(Schema.Finite), response: Schema.String, singleServer: true }),
  stubborn: Rpc.unary({ request: Schema.Finite, response: Schema.String, runToCompletion: true })
}) {}

const ended: Array<string> = []

/** Takes as long as it is asked to, and writes down how it ended. */
const work = (millis: number, call: Server.Call<unknown>) =>
  Effect.delay(Effect.succeed("done"), millis).pipe(
    Effect.onExit((exit) => Effect.sync(() => ended.push(`${call.method} ${Exit.isSuccess(exit) ? "done" : "cut"}`)))
  )

const handlers = Slow.of({ work, alone: work, stubborn: work, outer: () => Effect.succeed("none") })

const timesOutAt = Effect.fnUntraced(function* (call: Effect.Effect<unknown, { _tag: string }>, millis: number) {
  const fiber = yield* start(call)
  yield* TestClock.adjust(millis - 1)
  assert.isTrue(isRunning(fiber), `it ended before ${millis} ms`)
  yield* TestClock.adjust(1)
  assert.strictEqual(errorOf(fiber)._tag, "DeadlineExceeded")
})

describe("the timeout of a call", () => {
  for (const method of ["work", "alone"] as const) {
    it.effect(`${method}: 3 seconds by default`, () =>
      Effect.gen(function* () {
        yield* Server.make(Slow, handlers)
        const client = yield* Client.make(Slow)
        assert.strictEqual(Duration.toMillis(Client.defaultTimeout), 3000)
        yield* timesOutAt(client[method](1e6), 3000)
      }).pipe(onBus)
    )

    it.effect(`${method}: 30 ms end at 30 ms and not at 29, the client's and the call's`, () =>
      Effect.gen(function* () {
        yield* Server.make(Slow, handlers)
        yield* timesOutAt((yield* Client.make(Slow, { timeout: 30 }))[method](1e6), 30)
        const client = yield* Client.make(Slow, { timeout: "1 hour" })
        yield* timesOutAt(client[method](1e6, { timeout: 30 }), 30)
        yield* timesOutAt(client[method](1e6, { timeout: "30 millis" }), 30)
        yield* timesOutAt(client[method](1e6, { timeout: Duration.minutes(2) }), 120_000)
      }).pipe(onBus)
    )

    it.effect(`${method}: the handler is interrupted at its deadline, not before`, () =>
      Effect.gen(function* () {
        ended.length = 0
        yield* Server.make(Slow, handlers)
        const client = yield* Client.make(Slow)
        const call = yield* start(client[method](1e6, { timeout: 30 }))
        yield* TestClock.adjust(29)
        assert.deepStrictEqual(ended, [])
        yield* TestClock.adjust(1)
        assert.strictEqual(ended.length, 1)
        assert.match(ended[0]!, /cut$/)
        assert.strictEqual(errorOf(call)._tag, "DeadlineExceeded")
      }).pipe(onBus)
    )
  }

  it.effect("counts from the start of the call, not from the choice of the server", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Slow)
      const servers = yield* fakeServers("Slow", "Work", { queue: true })
      const call = yield* start(client.work(1, { timeout: 500 }))
      yield* TestClock.adjust(400)
      servers.claim("a")
      yield* TestClock.adjust(99)
      assert.isTrue(isRunning(call))
      yield* TestClock.adjust(1)
      assert.strictEqual(errorOf(call)._tag, "DeadlineExceeded")
      assert.isTrue(errorOf(call).mayHaveRun)
    }).pipe(onBus)
  )

  it.effect("longer than the affinity timeout: a call that was claimed waits for all of it", () =>
    Effect.gen(function* () {
      yield* Server.make(Slow, handlers)
      const client = yield* Client.make(Slow)
      const call = yield* start(client.work(59_999, { timeout: "1 minute" }))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(call), "done")
    }).pipe(onBus)
  )

  it.effect("may be endless", () =>
    Effect.gen(function* () {
      yield* Server.make(Slow, handlers)
      for (const client of [yield* Client.make(Slow, { timeout: Duration.infinity }), yield* Client.make(Slow)]) {
        for (const method of ["work", "alone"] as const) {
          const call = yield* start(client[method](Duration.toMillis("90 days"), { timeout: Duration.infinity }))
          yield* TestClock.adjust("90 days")
          assert.strictEqual(yield* Fiber.join(call), "done")
        }
      }
    }).pipe(onBus)
  )

  it.effect("of nothing left is a timeout, and sends nothing", () =>
    Effect.gen(function* () {
      const traffic = yield* Traffic
      yield* Server.make(Slow, handlers)
      const client = yield* Client.make(Slow)
      for (const timeout of [0, "0 millis"] as const) {
        const error = yield* Effect.flip(client.work(1, { timeout }))
        assert.strictEqual(error._tag, "DeadlineExceeded")
        assert.isFalse(error.mayHaveRun)
      }
      for (const timeout of [-5, NaN, "soon" as never, null as never]) {
        const error = yield* Effect.flip(client.work(1, { timeout }))
        assert.strictEqual(error._tag, "InvalidArgument")
        assert.include(error.message, "timeout")
      }
      assert.strictEqual(traffic.length, 0)
    }).pipe(onBus)
  )

  it.effect("is in the request as its expiry", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_700_000_000_000)
      const traffic = yield* Traffic
      yield* Server.make(Slow, handlers)
      const client = yield* Client.make(Slow)
      yield* client.alone(0, { timeout: 1234 })
      const request = Envelope.decodeRequest(traffic[0]!.message) as Envelope.Request
      assert.strictEqual(request.expiry - request.sentAt, 1234)
      assert.strictEqual(request.sentAt, 1_700_000_000_000)
    }).pipe(onBus)
  )
})

describe("a call made in a handler", () => {
  /** Calls `alone` in the handler of `outer`, 100 ms after its start, and asks until when it may run. */
  const nested = Effect.fnUntraced(function* (
    outer: Client.CallOptions,
    inner: { readonly client?: Client.Options; readonly call?: Client.CallOptions }
  ) {
    const deadlines: Array<number> = []
    const client = yield* Client.make(Slow, inner.client)
    const handlers = {
      work,
      stubborn: work,
      alone: (_: number, call: Server.Call<unknown>) =>
        Effect.sync(() => (deadlines.push(call.header.expiry), "inner")),
      outer: () => Effect.delay(client.alone(1, inner.call), 100)
    }
    yield* Server.make(Slow, handlers)
    const caller = yield* Client.make(Slow)
    const call = yield* start(caller.outer(undefined, outer))
    yield* TestClock.adjust(100)
    assert.strictEqual(yield* Fiber.join(call), "inner")
    return deadlines[0]
  })

  it.effect("has the time left to the handler, by default", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* nested({ timeout: 1000 }, {}), 1000)
    }).pipe(onBus)
  )

  it.effect("has it also where that is more than 3 seconds", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* nested({ timeout: "1 minute" }, {}), 60_000)
    }).pipe(onBus)
  )

  it.effect("never goes past the handler's deadline, whatever the client or the call says", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* nested({ timeout: 1000 }, { client: { timeout: "1 hour" } }), 1000)
    }).pipe(onBus)
  )

  it.effect("a longer timeout of the call is clamped, too", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* nested({ timeout: 1000 }, { call: { timeout: Duration.infinity } }), 1000)
    }).pipe(onBus)
  )

  it.effect("has the shorter time of the client or of the call", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* nested({ timeout: 1000 }, { client: { timeout: 300 } }), 400)
    }).pipe(onBus)
  )

  it.effect("a call's timeout replaces its client's, also where it is longer", () =>
    Effect.gen(function* () {
      const inner = { client: { timeout: 300 }, call: { timeout: 600 } }
      assert.strictEqual(yield* nested({ timeout: 1000 }, inner), 700)
    }).pipe(onBus)
  )

  it.effect("past the deadline of a handler that runs to completion fails at once", () =>
    Effect.gen(function* () {
      const errors: Array<string> = []
      const client = yield* Client.make(Slow)
      const stubborn = () =>
        Effect.delay(client.alone(1), 100).pipe(
          Effect.tapError((error) => Effect.sync(() => errors.push(`${error._tag} ${error.mayHaveRun}`)))
        )
      yield* Server.make(Slow, { ...handlers, stubborn })
      const call = yield* start(client.stubborn(1, { timeout: 50 }))
      yield* TestClock.adjust(100)
      assert.strictEqual(errorOf(call)._tag, "DeadlineExceeded")
      assert.deepStrictEqual(errors, ["DeadlineExceeded false"])
    }).pipe(onBus)
  )
})

describe("a server and deadlines", () => {
  it.effect("a request at or past its expiry is dropped, and counted", () =>
    Effect.gen(function* () {
      ended.length = 0
      yield* Server.make(Slow, handlers)
      yield* TestClock.setTime(10_000)
      const client = yield* fakeClient("Slow")
      for (const expiry of [0, 1, 9999, 10_000]) {
        for (const method of ["Work", "Alone"])
          client.request(method, { id: `${method} ${expiry}`, expiry, raw: json(0) })
      }
      yield* settle
      assert.strictEqual(yield* dropped("expired", "server"), 8)
      client.request("Alone", { id: "in time", expiry: 10_001, raw: json(0) })
      yield* settle
      assert.deepStrictEqual(client.claims, [])
      assert.deepStrictEqual(
        client.responses.map(({ id }) => id),
        ["in time"]
      )
      assert.deepStrictEqual(ended, ["Alone done"])
    }).pipe(onBus)
  )

  it.effect("a server whose claim nobody answers forgets the request at its expiry", () =>
    Effect.gen(function* () {
      ended.length = 0
      const server = yield* Server.make(Slow, handlers, { serverId: "SRV_1" })
      const client = yield* fakeClient("Slow")
      client.request("Work", { id: "r1", expiry: 500, raw: json(1) })
      yield* TestClock.adjust(499)
      const draining = yield* start(server.drain)
      assert.isTrue(isRunning(draining))
      yield* TestClock.adjust(1)
      assert.isFalse(isRunning(draining))
      client.choose("Work", "r1", "SRV_1")
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(ended, [])
    }).pipe(onBus)
  )

  it.effect("a handler that is cut at its deadline is answered for, in case the caller's clock is behind", () =>
    Effect.gen(function* () {
      yield* Server.make(Slow, handlers)
      const client = yield* fakeClient("Slow")
      client.request("Alone", { id: "r1", expiry: 500, raw: json(1e6) })
      yield* TestClock.adjust(500)
      assert.strictEqual(client.responses[0]?.code, "deadline_exceeded")
    }).pipe(onBus)
  )

  it.effect("runToCompletion: the handler goes on past its deadline, its caller does not", () =>
    Effect.gen(function* () {
      ended.length = 0
      yield* Server.make(Slow, handlers)
      const client = yield* Client.make(Slow)
      const call = yield* start(client.stubborn(200, { timeout: 100 }))
      yield* TestClock.adjust(100)
      assert.strictEqual(errorOf(call)._tag, "DeadlineExceeded")
      assert.deepStrictEqual(ended, [])
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(ended, ["Stubborn done"])
    }).pipe(onBus)
  )
})
