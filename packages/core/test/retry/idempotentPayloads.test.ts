import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema, SchemaGetter } from "effect"
import * as Client from "../../src/Client.ts"
import * as Payload from "../../src/Payload.ts"
import type * as PsrpcError from "../../src/PsrpcError.ts"
import * as Idempotency from "../../src/Idempotency.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { Logs, onBus } from "../helpers/harness.ts"
import { key } from "./idempotentOrders.ts"

/** What is sent is a date, and what comes is a number: it cannot be sent on as it is. */
const instant = Payload.make<Date, number>({
  encode: (date) => new TextEncoder().encode(date.toISOString()),
  decode: (bytes) => new Date(new TextDecoder().decode(bytes)).getTime()
})

/** A request that can be read and not written. */
const readOnly = Schema.String.pipe(
  Schema.decodeTo(Schema.Struct({ text: Schema.String }), {
    decode: SchemaGetter.transform((text: string) => ({ text })),
    encode: SchemaGetter.forbidden(() => "not to be written")
  })
)

const Odd = (request: Payload.Any) =>
  Service.make("Odd", {
    nothing: Rpc.unary(),
    now: Rpc.unary({ response: instant }),
    bytes: Rpc.unary({ request: Payload.bytes, response: Payload.bytes }),
    small: Rpc.unary({ response: Schema.Int.check(Schema.isLessThan(10)) }),
    read: Rpc.unary({ request, response: Schema.String })
  })

/** A server whose handlers count their runs. */
const setUp = Effect.gen(function* () {
  const runs = { nothing: 0, now: 0, bytes: 0, small: 0, read: 0 }
  const answer = new Uint8Array([0])
  const handlers = {
    nothing: () => Effect.sync(() => void runs.nothing++),
    now: () => Effect.sync(() => new Date(++runs.now)),
    bytes: () =>
      Effect.sync(() => {
        // the same bytes each time, as a handler with a buffer of its own may have it
        answer[0] = ++runs.bytes
        return answer
      }),
    small: () => Effect.sync(() => ++runs.small + 9),
    read: (request: unknown) => Effect.sync(() => `${(request as { readonly text: string }).text} ${++runs.read}`)
  }
  yield* Server.make(Odd(readOnly), handlers, { interceptors: [Idempotency.interceptor()] })
  return { runs, client: yield* Client.make(Odd(Schema.String)) }
})

const codeOf = <A>(call: Effect.Effect<A, PsrpcError.PsrpcError>) => Effect.map(Effect.flip(call), ({ code }) => code)

describe("a window", () => {
  it.effect("gives nothing again where that is the answer", () =>
    Effect.gen(function* () {
      const { client, runs } = yield* setUp
      for (let i = 0; i < 3; i++) assert.isUndefined(yield* client.nothing(key("a")))
      assert.strictEqual(runs.nothing, 1)
    }).pipe(onBus)
  )

  it.effect("gives an answer again that cannot be sent on as it is read", () =>
    Effect.gen(function* () {
      const { client, runs } = yield* setUp
      for (let i = 0; i < 3; i++) assert.strictEqual(yield* client.now(key("a")), 1)
      assert.strictEqual(runs.now, 1)
    }).pipe(onBus)
  )

  it.effect("gives bytes again as they were, and tells requests of bytes apart", () =>
    Effect.gen(function* () {
      const { client, runs } = yield* setUp
      const ask = (byte: number, name: string) =>
        Effect.map(client.bytes(new Uint8Array([byte]), key(name)), Array.from)
      assert.deepStrictEqual(yield* ask(1, "a"), [1])
      assert.deepStrictEqual(yield* ask(1, "b"), [2])
      assert.deepStrictEqual(yield* ask(1, "a"), [1])
      assert.strictEqual(yield* codeOf(ask(2, "a")), "invalid_argument")
      assert.strictEqual(runs.bytes, 2)
    }).pipe(onBus)
  )

  it.effect("tells each caller of an answer that cannot be encoded, and runs it once", () =>
    Effect.gen(function* () {
      const { client, runs } = yield* setUp
      for (let i = 0; i < 3; i++) assert.strictEqual(yield* codeOf(client.small(key("a"))), "malformed_result")
      assert.strictEqual(runs.small, 1)
      const lines = (yield* Logs).filter(({ level }) => level === "Error")
      assert.deepStrictEqual(
        lines.map(({ text }) => text),
        Array(3).fill("psrpc: the response of Odd.Small cannot be encoded")
      )
    }).pipe(onBus)
  )

  it.effect("reads requests, and writes none", () =>
    Effect.gen(function* () {
      const { client, runs } = yield* setUp
      for (let i = 0; i < 3; i++) assert.strictEqual(yield* client.read("tea" as never, key("a")), "tea 1")
      assert.strictEqual(yield* codeOf(client.read("coffee" as never, key("a"))), "invalid_argument")
      assert.strictEqual(runs.read, 1)
    }).pipe(onBus)
  )
})
