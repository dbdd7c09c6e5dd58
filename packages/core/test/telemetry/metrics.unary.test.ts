// What is counted of calls with one answer, on either side, however they end.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Selection from "../../src/Selection.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { errorOf, fakeClient, fakeServers, isRunning, json, onBus, settle, start } from "../helpers/harness.ts"
import { endings, numbers, only } from "./metering.ts"

class Full extends Schema.TaggedError<Full>()(
  "Full",
  { message: Schema.String },
  { psrpcCode: "resource_exhausted" }
) {}

const codec = { request: Schema.String, response: Schema.String }

class Work extends Service.make("Work", {
  echo: Rpc.unary(codec),
  alone: Rpc.unary({ ...codec, singleServer: true }),
  best: Rpc.unary({ ...codec, routing: "affinity" }),
  fails: Rpc.unary({ ...codec, error: Full }),
  stubborn: Rpc.unary({ ...codec, runToCompletion: true })
}) {}

/** Says what to do by the request: a number is a time in milliseconds. */
const act = (request: string): Effect.Effect<string> => Effect.delay(Effect.succeed("done"), Number(request))

const failing = (request: string): Effect.Effect<string, Full | PsrpcError.PsrpcError> => {
  switch (request) {
    case "own":
      return Effect.fail(new Full({ message: "full" }))
    case "not_found":
      return Effect.fail(PsrpcError.fromCode("not_found", { message: "no such thing" }))
    case "defect":
      return Effect.die(new Error("a defect"))
    case "odd":
      return Effect.succeed(1 as unknown as string)
    default:
      return Effect.interrupt
  }
}

const handlers = Work.of({
  echo: act,
  alone: act,
  best: { affinity: 0.5, handle: act },
  fails: failing,
  stubborn: act
})

const bytes = (...values: ReadonlyArray<unknown>): number =>
  values.reduce<number>((sum, value) => sum + json(value).length, 0)

describe("a call that is answered", () => {
  it.effect("is counted with its time, its claim and its bytes, by both sides", () =>
    Effect.gen(function* () {
      yield* Server.make(Work, handlers)
      const client = yield* Client.make(Work)
      const call = yield* start(client.echo("40"))
      yield* TestClock.adjust(39)
      assert.deepStrictEqual(only(yield* numbers("client", "Echo"), "calls"), {
        calls_started: 1,
        calls_in_flight: 1
      })
      assert.deepStrictEqual(only(yield* numbers("server", "Echo"), "calls"), {
        calls_started: 1,
        calls_in_flight: 1
      })
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(call), "done")
      const both = {
        calls_started: 1,
        "calls_finished ok": 1,
        call_duration_seconds: [1, 0.04],
        claims: 1,
        messages_sent: 1,
        messages_received: 1
      }
      assert.deepStrictEqual<unknown>(yield* numbers("client", "Echo"), {
        ...both,
        claim_wait_seconds: [1, 0],
        sent_bytes: bytes("40"),
        received_bytes: bytes("done")
      })
      assert.deepStrictEqual<unknown>(yield* numbers("server", "Echo"), {
        ...both,
        "claims_settled chosen": 1,
        sent_bytes: bytes("done"),
        received_bytes: bytes("40")
      })
    }).pipe(onBus)
  )

  it.effect("without a claim has none to count, and no time to wait for one", () =>
    Effect.gen(function* () {
      yield* Server.make(Work, handlers)
      const client = yield* Client.make(Work)
      for (const millis of ["10", "20", "0"]) {
        const call = yield* start(client.alone(millis))
        yield* TestClock.adjust(Number(millis))
        assert.strictEqual(yield* Fiber.join(call), "done")
      }
      for (const side of ["client", "server"]) {
        const all = yield* numbers(side, "Alone")
        assert.deepStrictEqual<unknown>(only(all, "call", "claim"), {
          calls_started: 3,
          "calls_finished ok": 3,
          call_duration_seconds: [3, 0.03]
        })
      }
    }).pipe(onBus)
  )

  it.effect("by the best of several servers: the wait, and the outcome of each claim", () =>
    Effect.gen(function* () {
      for (let i = 0; i < 3; i++) yield* Server.make(Work, handlers)
      const client = yield* Client.make(Work)
      const call = yield* start(client.best("30"))
      yield* TestClock.adjust(200)
      yield* TestClock.adjust(30)
      assert.strictEqual(yield* Fiber.join(call), "done")
      // the short circuit, and then the work
      assert.deepStrictEqual<unknown>(only(yield* numbers("client", "Best"), "call", "claim"), {
        calls_started: 1,
        "calls_finished ok": 1,
        call_duration_seconds: [1, 0.23],
        claims: 3,
        claim_wait_seconds: [1, 0.2]
      })
      assert.deepStrictEqual<unknown>(only(yield* numbers("server", "Best"), "call", "claim", "messages"), {
        calls_started: 1,
        "calls_finished ok": 1,
        call_duration_seconds: [1, 0.03],
        claims: 3,
        "claims_settled chosen": 1,
        "claims_settled other": 2,
        messages_received: 3,
        messages_sent: 1
      })
    }).pipe(onBus)
  )
})

describe("a call that fails", () => {
  for (const [request, code] of [
    ["own", "resource_exhausted"],
    ["not_found", "not_found"],
    ["defect", "internal"],
    ["odd", "malformed_result"],
    ["interrupt", "canceled"]
  ] as const) {
    it.effect(`${request}: ${code}`, () =>
      Effect.gen(function* () {
        yield* Server.make(Work, handlers)
        const client = yield* Client.make(Work)
        assert.isTrue(Exit.isFailure(yield* Effect.exit(client.fails(request))))
        for (const side of ["client", "server"]) {
          assert.deepStrictEqual(yield* endings(side, "Fails"), { [`calls_finished ${code}`]: 1 })
        }
      }).pipe(onBus)
    )
  }

  it.effect("with a code that nobody knows is unknown: a peer cannot make series", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Work)
      const servers = yield* fakeServers("Work", "Alone", { queue: true })
      for (const code of ["made_up", "another", "constructor"]) {
        const call = yield* start(client.alone("0"))
        yield* settle
        servers.answer("a", { error: "odd", code })
        yield* settle
        assert.strictEqual(errorOf(call)._tag, "Unknown")
      }
      assert.deepStrictEqual(yield* endings("client", "Alone"), { "calls_finished unknown": 3 })
    }).pipe(onBus)
  )

  it.effect("whose answer cannot be read is a malformed_result", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Work)
      const servers = yield* fakeServers("Work", "Alone", { queue: true })
      const call = yield* start(client.alone("0"))
      yield* settle
      servers.answer("a", { raw: new Uint8Array([0xff, 0xff]) })
      yield* settle
      assert.strictEqual(errorOf(call)._tag, "MalformedResult")
      assert.deepStrictEqual(yield* endings("client", "Alone"), { "calls_finished malformed_result": 1 })
      assert.strictEqual((yield* numbers("client", "Alone"))["received_bytes"], 2)
    }).pipe(onBus)
  )

  it.effect("whose request nobody can read is one of the client's, and a drop of the server's", () =>
    Effect.gen(function* () {
      yield* Server.make(Work, handlers)
      const other = yield* fakeClient("Work")
      other.request("Echo", { id: "r1", expiry: 1000, raw: new Uint8Array([0xff]) })
      yield* settle
      assert.strictEqual(other.responses[0]?.code, "malformed_request")
      assert.deepStrictEqual(yield* numbers("server", "Echo"), { "messages_dropped malformed": 1, messages_sent: 1 })
    }).pipe(onBus)
  )

  it.effect("because nobody listens, or nobody answers, is unavailable; a bad one was never sent", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Work)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(client.echo("0"))))
      yield* fakeServers("Work", "Echo", { queue: true })
      const call = yield* start(client.echo("0"))
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(errorOf(call)._tag, "Unavailable")
      assert.strictEqual(
        (yield* Effect.flip(client.echo("0", { timeout: "nonsense" as never })))._tag,
        "InvalidArgument"
      )
      const all = yield* numbers("client", "Echo")
      assert.deepStrictEqual(only(all, "calls"), { calls_started: 2, "calls_finished unavailable": 2 })
      assert.deepStrictEqual<unknown>(all["call_duration_seconds"], [2, 1])
    }).pipe(onBus)
  )

  it.effect("because its time is over", () =>
    Effect.gen(function* () {
      yield* Server.make(Work, handlers)
      const client = yield* Client.make(Work)
      const call = yield* start(client.echo("5000", { timeout: 250 }))
      yield* TestClock.adjust(250)
      assert.strictEqual(errorOf(call)._tag, "DeadlineExceeded")
      for (const side of ["client", "server"]) {
        const all = yield* numbers(side, "Echo")
        assert.deepStrictEqual<unknown>(only(all, "call"), {
          calls_started: 1,
          "calls_finished deadline_exceeded": 1,
          call_duration_seconds: [1, 0.25]
        })
      }
    }).pipe(onBus)
  )

  it.effect("a server that runs to completion counts what it came to", () =>
    Effect.gen(function* () {
      yield* Server.make(Work, handlers)
      const client = yield* Client.make(Work)
      const call = yield* start(client.stubborn("400", { timeout: 250 }))
      yield* TestClock.adjust(250)
      assert.strictEqual(errorOf(call)._tag, "DeadlineExceeded")
      assert.deepStrictEqual(yield* endings("server", "Stubborn"), { calls_in_flight: 1 })
      yield* TestClock.adjust(150)
      assert.deepStrictEqual(yield* endings("server", "Stubborn"), { "calls_finished ok": 1 })
      assert.deepStrictEqual<unknown>((yield* numbers("server", "Stubborn"))["call_duration_seconds"], [1, 0.4])
    }).pipe(onBus)
  )

  it.effect("because it is interrupted: canceled, on both sides", () =>
    Effect.gen(function* () {
      yield* Server.make(Work, handlers)
      const client = yield* Client.make(Work)
      const call = yield* start(client.echo("1000"))
      yield* TestClock.adjust(100)
      yield* Fiber.interrupt(call)
      yield* settle
      for (const side of ["client", "server"]) {
        const all = yield* numbers(side, "Echo")
        assert.deepStrictEqual<unknown>(only(all, "call"), {
          calls_started: 1,
          "calls_finished canceled": 1,
          call_duration_seconds: [1, 0.1]
        })
      }
    }).pipe(onBus)
  )

  it.effect("while claims are compared: interrupted, without a server that counts, by a function that fails", () =>
    Effect.gen(function* () {
      yield* Server.make(Work, handlers)
      const client = yield* Client.make(Work)
      const call = yield* start(client.best("0"))
      yield* TestClock.adjust(10)
      yield* Fiber.interrupt(call)
      yield* settle
      assert.deepStrictEqual(yield* endings("client", "Best"), { "calls_finished canceled": 1 })

      const selection = Selection.make({ minimumAffinity: 0.9, affinityTimeout: "1 second" })
      const none = yield* start(client.best("0", { selection }))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(errorOf(none)._tag, "Unavailable")

      const odd = Selection.make({ selectionFunc: () => "nobody", affinityTimeout: "1 second" })
      const chosen = yield* start(client.best("0", { selection: odd }))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(errorOf(chosen)._tag, "InvalidArgument")
      assert.deepStrictEqual(yield* endings("client", "Best"), {
        "calls_finished canceled": 1,
        "calls_finished unavailable": 1,
        "calls_finished invalid_argument": 1
      })
      yield* settle
      assert.deepStrictEqual(only(yield* numbers("server", "Best"), "claims", "calls"), {
        claims: 3,
        "claims_settled canceled": 3
      })
    }).pipe(onBus)
  )

  it.effect("because its client is closed", () =>
    Effect.gen(function* () {
      yield* Server.make(Work, handlers)
      const scope = yield* Scope.make()
      const client = yield* Client.make(Work).pipe(Scope.provide(scope))
      const calls = [yield* start(client.echo("1000")), yield* start(client.best("1000"))]
      yield* settle
      yield* Scope.close(scope, Exit.void)
      yield* settle
      for (const call of calls) assert.isFalse(isRunning(call))
      assert.deepStrictEqual(yield* endings("client", "Echo"), { "calls_finished canceled": 1 })
      assert.deepStrictEqual(yield* endings("client", "Best"), { "calls_finished canceled": 1 })
      assert.deepStrictEqual(yield* endings("server", "Echo"), { "calls_finished canceled": 1 })
    }).pipe(onBus)
  )

  it.effect("because its server is killed", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(Work, handlers)
      const client = yield* Client.make(Work)
      const call = yield* start(client.echo("1000"))
      const waiting = yield* start(client.best("1000"))
      yield* settle
      yield* server.kill
      yield* settle
      assert.strictEqual(errorOf(call)._tag, "Unavailable")
      for (const side of ["client", "server"]) {
        assert.deepStrictEqual(yield* endings(side, "Echo"), { "calls_finished unavailable": 1 })
      }
      // what was claimed and not chosen yet
      assert.deepStrictEqual(only(yield* numbers("server", "Best"), "claims"), {
        claims: 1,
        "claims_settled closing": 1
      })
      yield* Fiber.interrupt(waiting)
    }).pipe(onBus)
  )

  it.effect("because its server has too many in-flight requests", () =>
    Effect.gen(function* () {
      yield* Server.make(Work, handlers, { maxInFlight: 1 })
      const client = yield* Client.make(Work)
      const first = yield* start(client.alone("100"))
      assert.strictEqual((yield* Effect.flip(client.alone("0")))._tag, "ResourceExhausted")
      yield* TestClock.adjust(100)
      assert.strictEqual(yield* Fiber.join(first), "done")
      for (const side of ["client", "server"]) {
        assert.deepStrictEqual(yield* endings(side, "Alone"), {
          "calls_finished ok": 1,
          "calls_finished resource_exhausted": 1
        })
      }
      assert.strictEqual((yield* numbers("server", "Alone"))["messages_dropped overflow"], 1)
    }).pipe(onBus)
  )
})

describe("a claim that nobody takes", () => {
  it.effect("is settled when the request's time is over, and the request a drop of its own", () =>
    Effect.gen(function* () {
      yield* Server.make(Work, handlers)
      const other = yield* fakeClient("Work")
      other.request("Echo", { id: "r1", expiry: 500, raw: json("0") })
      yield* settle
      assert.strictEqual(other.claims.length, 1)
      yield* TestClock.adjust(499)
      assert.deepStrictEqual(only(yield* numbers("server", "Echo"), "claims", "messages_dropped"), { claims: 1 })
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(only(yield* numbers("server", "Echo"), "claims", "messages_dropped", "calls"), {
        claims: 1,
        "claims_settled expired": 1,
        "messages_dropped unclaimed": 1
      })
    }).pipe(onBus)
  )
})
