// The counts as values, for programs without a metrics backend.
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Channels from "../../src/internal/wire/channel.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Publisher from "../../src/Publisher.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import * as Telemetry from "../../src/Telemetry.ts"
import { onBus, publish, settle, start } from "../helpers/harness.ts"

const codec = { request: Schema.String, response: Schema.String }

class Work extends Service.make("Work", {
  wait: Rpc.unary(codec),
  fail: Rpc.unary(codec),
  talk: Rpc.stream({ send: Schema.String, receive: Schema.String }),
  told: Rpc.subscription({ message: Schema.String, routing: "multi" })
}) {}

const handlers = Work.of({
  wait: (request) => Effect.delay(Effect.succeed("done"), Number(request)),
  fail: () => Effect.fail(PsrpcError.fromCode("not_found", { message: "none" })),
  talk: (stream) => Effect.exit(stream.closed)
})

/** Calls that took 20 and 60 ms, one that is there still, one that failed; a stream, a subscription, two updates. */
const work = Effect.gen(function* () {
  yield* Server.make(Work, handlers)
  const client = yield* Client.make(Work, { clientId: "CLI_stats" })
  const publisher = yield* Publisher.make(Work)
  for (const millis of ["20", "60"]) {
    const call = yield* start(client.wait(millis))
    yield* TestClock.adjust(Number(millis))
    yield* Fiber.join(call)
  }
  yield* start(client.wait("1000"))
  yield* Effect.exit(client.fail("x"))
  const stream = yield* client.talk()
  yield* stream.send("one")
  yield* client.told({ subscriptionBufferSize: 1 })
  yield* publisher.told("a")
  yield* publisher.told("b")
  yield* publish(Channels.response("Work", "CLI_stats"), new Uint8Array([0xff]))
  yield* settle
})

const none: Telemetry.Counts = {
  calls: 0,
  inFlight: 0,
  errors: 0,
  codes: {},
  averageCallTime: Duration.zero,
  sent: { messages: 0, bytes: 0 },
  received: { messages: 0, bytes: 0 },
  dropped: {},
  retries: 0,
  openStreams: 0,
  subscriptions: 0
}

const readable = <A extends Telemetry.Counts>(counts: A) => ({
  ...counts,
  averageCallTime: Duration.toMillis(counts.averageCallTime)
})

describe("stats", () => {
  it.effect("are the numbers of each method on each side, and those of a side in all", () =>
    Effect.gen(function* () {
      yield* work
      const { methods, totals } = yield* Telemetry.stats
      const of = (side: string, method: string | undefined) => {
        const found = methods.filter((row) => row.side === side && row.method === method)
        assert.strictEqual(found.length, 1)
        return readable(found[0]!)
      }
      const wait = { service: "Work", method: "Wait", kind: "unary", attributes: {} }
      assert.deepStrictEqual<unknown>(of("client", "Wait"), {
        ...none,
        ...wait,
        side: "client",
        calls: 3,
        inFlight: 1,
        codes: { ok: 2 },
        averageCallTime: 40,
        sent: { messages: 3, bytes: 14 },
        received: { messages: 2, bytes: 12 }
      })
      assert.deepStrictEqual<unknown>(of("server", "Wait"), {
        ...none,
        ...wait,
        side: "server",
        calls: 3,
        inFlight: 1,
        codes: { ok: 2 },
        averageCallTime: 40,
        sent: { messages: 2, bytes: 12 },
        received: { messages: 3, bytes: 14 }
      })
      assert.deepStrictEqual<unknown>(of("client", "Fail").codes, { not_found: 1 })
      assert.strictEqual(of("server", "Fail").errors, 1)
      assert.strictEqual(of("client", "Talk").openStreams, 1)
      assert.deepStrictEqual(of("client", "Told").dropped, { overflow: 1 })
      assert.deepStrictEqual(of("publisher", "Told").codes, { ok: 2 })
      assert.deepStrictEqual<unknown>(of("client", undefined), {
        ...none,
        side: "client",
        service: "Work",
        method: undefined,
        kind: undefined,
        attributes: {},
        averageCallTime: 0,
        dropped: { malformed: 1 }
      })
      assert.deepStrictEqual<unknown>(readable(totals.client), {
        calls: 5,
        inFlight: 2,
        errors: 1,
        codes: { ok: 2, not_found: 1 },
        averageCallTime: 26.666667,
        sent: { messages: 5, bytes: 22 },
        received: { messages: 4, bytes: 17 },
        dropped: { overflow: 1, malformed: 1 },
        retries: 0,
        openStreams: 1,
        subscriptions: 1
      })
      assert.strictEqual(totals.server.calls, 5)
      assert.deepStrictEqual(totals.publisher.sent, { messages: 2, bytes: 10 })
    }).pipe(onBus)
  )

  it.effect("of nothing are nothing", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Telemetry.stats, {
        totals: { client: none, server: none, publisher: none },
        methods: []
      })
    }).pipe(onBus)
  )

  it.effect("average calls and not, in the sum of a side, how long streams last", () =>
    Effect.gen(function* () {
      yield* Server.make(Work, handlers)
      const client = yield* Client.make(Work)
      const stream = yield* client.talk()
      const call = yield* start(client.wait("30"))
      yield* TestClock.adjust("1 hour")
      yield* Fiber.join(call)
      yield* stream.close()
      yield* settle
      const { methods, totals } = yield* Telemetry.stats
      const talks = methods.filter(({ method }) => method === "Talk")
      assert.deepStrictEqual(
        talks.map((talk) => Duration.toMillis(talk.averageCallTime)),
        [3_600_000, 3_600_000]
      )
      assert.strictEqual(Duration.toMillis(totals.client.averageCallTime), 30)
      assert.strictEqual(Duration.toMillis(totals.server.averageCallTime), 30)
    }).pipe(onBus)
  )

  it.effect("are values: what is counted later does not change them", () =>
    Effect.gen(function* () {
      yield* Server.make(Work, handlers)
      const client = yield* Client.make(Work)
      yield* client.wait("0")
      const before = yield* Telemetry.stats
      yield* Effect.exit(client.fail("x"))
      assert.strictEqual(before.totals.client.calls, 1)
      assert.deepStrictEqual(before.totals.client.codes, { ok: 1 })
    }).pipe(onBus)
  )
})
