import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Metadata from "../../src/Metadata.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { fakeClient, onBus, settle } from "../helpers/harness.ts"

class Echo extends Service.make("Echo", {
  header: Rpc.unary({ singleServer: true }),
  relay: Rpc.unary({ response: Schema.Record(Schema.String, Schema.String) }),
  metadata: Rpc.unary({ response: Schema.Record(Schema.String, Schema.String) })
}) {}

const metadata = (_: void, call: Server.Call<unknown>) => Effect.succeed({ ...call.header.metadata })
const header = () => Effect.void
const relay = () => Effect.succeed({})

describe("metadata", () => {
  it.effect("of the call goes over that of the fiber, which goes over the client's", () =>
    Effect.gen(function* () {
      yield* Server.make(Echo, { header, relay, metadata })
      const client = yield* Client.make(Echo, { metadata: { client: "c", fiber: "c", call: "c", all: "c" } })
      const call = client.metadata({ metadata: { call: "m", all: "m" } })
      assert.deepStrictEqual(yield* call.pipe(Metadata.with({ fiber: "f", all: "f", call: "f" })), {
        client: "c",
        fiber: "f",
        call: "m",
        all: "m"
      })
      assert.deepStrictEqual(yield* call, { client: "c", fiber: "c", call: "m", all: "m" })
      const bare = yield* Client.make(Echo)
      assert.deepStrictEqual(yield* bare.metadata(), {})
      assert.deepStrictEqual(yield* bare.metadata({ metadata: {} }), {})
    }).pipe(onBus)
  )

  it.effect("of the fiber: the inner goes over the outer, and reaches forked fibers", () =>
    Effect.gen(function* () {
      yield* Server.make(Echo, { header, relay, metadata })
      const client = yield* Client.make(Echo)
      const inner = client.metadata().pipe(Metadata.with({ a: "inner", b: "inner" }))
      const nested = Metadata.with(Effect.all([inner, client.metadata()], { concurrency: 2 }), {
        a: "outer",
        c: "outer"
      })
      assert.deepStrictEqual(yield* nested, [
        { a: "inner", b: "inner", c: "outer" },
        { a: "outer", c: "outer" }
      ])
      assert.deepStrictEqual(yield* client.metadata(), {})
    }).pipe(onBus)
  )

  it.effect("that came in does not go out again", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Echo)
      const seen: Array<Metadata.Metadata> = []
      yield* Server.make(Echo, {
        header,
        relay: (_, call) => Effect.sync(() => seen.push(call.header.metadata)).pipe(Effect.andThen(client.metadata())),
        metadata
      })
      assert.deepStrictEqual(yield* client.relay({ metadata: { secret: "s" } }), {})
      assert.deepStrictEqual(seen.map(Object.entries), [[["secret", "s"]]])
    }).pipe(onBus)
  )

  it.effect("of whoever makes a server is not that of its handlers' calls", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Echo)
      yield* Server.make(Echo, { header, relay: () => client.metadata(), metadata }).pipe(
        Metadata.with({ boot: "yes" })
      )
      assert.deepStrictEqual(yield* client.relay(), {})
    }).pipe(onBus)
  )

  it.effect("a handler may pass on what it likes", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Echo)
      const relay = (_: void, call: Server.Call<unknown>) => client.metadata().pipe(Metadata.with(call.header.metadata))
      yield* Server.make(Echo, { header, relay, metadata })
      assert.deepStrictEqual(yield* client.relay({ metadata: { trace: "1" } }), { trace: "1" })
    }).pipe(onBus)
  )

  it.effect("keys are any text without white space and control characters, values any without U+0000", () =>
    Effect.gen(function* () {
      const keys = ["!", "ä🚀", "__proto__", "constructor", "toString", "x".repeat(1000), "traceparent", "~"]
      const values = ["", " ", "\n\t\u0001\u007f", "ä🚀\uffff", "\ufeff", "__proto__", "x".repeat(1000), "~"]
      const given = Object.fromEntries(keys.map((key, i) => [key, values[i]!]))
      const seen: Array<Metadata.Metadata> = []
      yield* Server.make(Echo, {
        header: (_, call) => Effect.sync(() => void seen.push(call.header.metadata)),
        relay,
        metadata
      })
      const client = yield* Client.make(Echo)
      yield* client.header({ metadata: given })
      assert.deepStrictEqual(Object.entries(seen[0]!).sort(), Object.entries(given).sort())
      yield* client.header()
      // nothing is inherited
      assert.isUndefined(seen[1]!["constructor"])
    }).pipe(onBus)
  )

  it.effect("keys of the language are merged like others", () =>
    Effect.gen(function* () {
      const key = "__proto__"
      const seen: Array<Metadata.Metadata> = []
      yield* Server.make(Echo, {
        header: (_, call) => Effect.sync(() => void seen.push(call.header.metadata)),
        relay,
        metadata
      })
      const client = yield* Client.make(Echo, { metadata: { [key]: "client", other: "client" } })
      yield* client.header({ metadata: { [key]: "call", constructor: "call" } })
      assert.deepStrictEqual(Object.entries(seen[0]!).sort(), [
        ["__proto__", "call"],
        ["constructor", "call"],
        ["other", "client"]
      ])
    }).pipe(onBus)
  )
})

describe("the header that a handler sees", () => {
  it.effect("has who asks, when, and until when", () =>
    Effect.gen(function* () {
      const calls: Array<Server.Call<unknown>> = []
      yield* Server.make(Echo, { header: (_, call) => Effect.sync(() => void calls.push(call)), relay, metadata })
      const client = yield* Client.make(Echo, { clientId: "CLI_1" })
      yield* TestClock.setTime(1_700_000_000_123)
      yield* client.header({ timeout: "250 millis", metadata: { a: "b" } })
      const [call] = calls
      assert.strictEqual(call?.service, "Echo")
      assert.strictEqual(call?.method, "Header")
      assert.strictEqual(call?.header.remoteId, "CLI_1")
      assert.strictEqual(call?.header.sentAt, 1_700_000_000_123)
      assert.strictEqual(call?.header.expiry, 1_700_000_000_373)
      assert.strictEqual(call?.deadline, 1_700_000_000_373)
      assert.deepStrictEqual(call?.topic, {})
    }).pipe(onBus)
  )

  it.effect("of a peer that says nothing is empty, not missing", () =>
    Effect.gen(function* () {
      const calls: Array<Server.Call<unknown>> = []
      yield* Server.make(Echo, { header: (_, call) => Effect.sync(() => void calls.push(call)), relay, metadata })
      const client = yield* fakeClient("Echo")
      client.request("Header", { id: "r1", expiry: 1000 })
      yield* settle
      assert.strictEqual(calls[0]?.header.sentAt, 0)
      assert.deepStrictEqual(Object.keys(calls[0]?.header.metadata ?? { x: "" }), [])
      assert.strictEqual(client.responses.length, 1)
    }).pipe(onBus)
  )

  it.effect("is in the service CurrentCall, for code below the handler", () =>
    Effect.gen(function* () {
      const below = Effect.map(Server.CurrentCall, (call) => ({ [call.method]: call.header.remoteId }))
      yield* Server.make(Echo, {
        header,
        relay: () => below,
        metadata: () => Effect.delay(below, 1).pipe(Effect.scoped)
      })
      const client = yield* Client.make(Echo, { clientId: "CLI_7" })
      assert.deepStrictEqual(yield* client.relay(), { Relay: "CLI_7" })
    }).pipe(onBus)
  )
})
