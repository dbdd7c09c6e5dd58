import { create, fromBinary, toBinary } from "@bufbuild/protobuf"
import { BytesValueSchema, StringValueSchema } from "@bufbuild/protobuf/wkt"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { updateOf } from "../../src/internal/wire/update.ts"
import { toCodec } from "../../src/internal/wire/payload.ts"
import * as Payload from "../../src/Payload.ts"

type AnyCodec = Payload.Codec<unknown, unknown>

const of = (payload: Payload.Any): AnyCodec => updateOf(toCodec(payload) as AnyCodec).message

const bytesValue = (value: Uint8Array): Uint8Array => toBinary(BytesValueSchema, create(BytesValueSchema, { value }))

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))

describe("an update", () => {
  it("of a Schema is a BytesValue with the JSON in it", () => {
    const codec = of(Schema.Struct({ at: Schema.Date }))
    const message = codec.encode({ at: new Date(0) })
    assert.deepStrictEqual(fromBinary(BytesValueSchema, message).value, json({ at: new Date(0) }))
    assert.deepStrictEqual(codec.decode(message), { at: new Date(0) })
  })

  it("of bytes is a BytesValue of any size, none included", () => {
    const codec = of(Payload.bytes)
    for (const size of [0, 1, 127, 128, 16_383, 16_384, 3_000_000]) {
      const bytes = new Uint8Array(size).fill(7)
      const message = codec.encode(bytes)
      assert.deepStrictEqual(Buffer.compare(message, bytesValue(bytes)), 0, `${size} bytes`)
      assert.deepStrictEqual(Buffer.compare(codec.decode(message) as Uint8Array, bytes), 0, `${size} bytes`)
    }
  })

  it("of a protobuf message is that message, of a BytesValue too", () => {
    for (const payload of [StringValueSchema, BytesValueSchema]) {
      const codec = toCodec(payload) as AnyCodec
      assert.strictEqual(updateOf(codec).message, codec)
    }
  })

  it("may have fields that nobody knows, and the last value counts", () => {
    const message = Buffer.concat([bytesValue(json("first")), new Uint8Array([0x78, 1]), bytesValue(json("last"))])
    assert.strictEqual(of(Schema.String).decode(new Uint8Array(message)), "last")
  })

  it("that is no BytesValue does not decode", () => {
    for (const bytes of [[0x0a], [0x0a, 5, 1], [0xff], [0x08, 1, 0x0a], [0x0b]]) {
      assert.throws(() => of(Payload.bytes).decode(new Uint8Array(bytes)), "expected a google.protobuf.BytesValue")
    }
  })
})
