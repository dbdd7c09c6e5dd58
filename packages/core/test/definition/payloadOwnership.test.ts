import { BytesValueSchema } from "@bufbuild/protobuf/wkt"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Client, LocalMessageBus, Payload, Rpc, Server, Service } from "../../src/index.ts"

class Bytes extends Service.make("Bytes", {
  raw: Rpc.unary({ request: Payload.bytes, response: Payload.bytes }),
  message: Rpc.unary({ request: BytesValueSchema, response: BytesValueSchema }),
  own: Rpc.unary({
    request: Payload.make<Uint8Array>({ encode: (bytes) => bytes, decode: (bytes) => bytes }),
    response: Payload.bytes
  })
}) {}

/** Gives the bytes away, as to a worker. */
const transfer = (bytes: Uint8Array): Uint8Array => structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] })

describe("the bytes that a handler gets", () => {
  it.effect("are its own: it may transfer them, and the next calls work", () =>
    Effect.gen(function* () {
      yield* Server.make(Bytes, {
        raw: (bytes) => Effect.sync(() => transfer(bytes)),
        message: ({ value }) => Effect.sync(() => ({ value: transfer(value) })),
        own: (bytes) => Effect.sync(() => transfer(bytes))
      })
      const client = yield* Client.make(Bytes)
      const bytes = new Uint8Array([1, 2, 3])
      for (let i = 0; i < 3; i++) {
        assert.deepStrictEqual(yield* client.raw(bytes), bytes)
        assert.deepStrictEqual((yield* client.message({ value: bytes })).value, bytes)
        assert.deepStrictEqual(yield* client.own(bytes), bytes)
      }
    }).pipe(Effect.scoped, Effect.provide(LocalMessageBus.layer))
  )

  it.effect("show nothing of other messages", () =>
    Effect.gen(function* () {
      const sizes: Array<number> = []
      yield* Server.make(Bytes, {
        raw: (bytes) => Effect.sync(() => (sizes.push(bytes.buffer.byteLength), bytes)),
        message: (message) => Effect.sync(() => (sizes.push(message.value.buffer.byteLength), message)),
        own: (bytes) => Effect.sync(() => (sizes.push(bytes.buffer.byteLength), bytes))
      })
      const client = yield* Client.make(Bytes)
      const answer = yield* client.raw(new Uint8Array(5))
      yield* client.message({ value: new Uint8Array(5) })
      yield* client.own(new Uint8Array(5))
      assert.deepStrictEqual(sizes, [5, 7, 5]) // a message's fields share the message's own bytes
      assert.strictEqual(answer.buffer.byteLength, 5)
    }).pipe(Effect.scoped, Effect.provide(LocalMessageBus.layer))
  )
})
