import { create, fromBinary, isMessage, toBinary } from "@bufbuild/protobuf"
import { DurationSchema, StructSchema } from "@bufbuild/protobuf/wkt"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import { toCodec } from "../../src/internal/wire/payload.ts"
import * as Payload from "../../src/Payload.ts"

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const utf8 = (value: string) => new TextEncoder().encode(value)

describe("a protobuf message as a payload", () => {
  const codec = toCodec(DurationSchema)

  it("is its binary form, from an init object or a message", () => {
    const expected = toBinary(DurationSchema, create(DurationSchema, { seconds: 5n, nanos: 7 }))
    assert.deepStrictEqual(codec.encode({ seconds: 5n, nanos: 7 }), expected)
    assert.deepStrictEqual(codec.encode(create(DurationSchema, { seconds: 5n, nanos: 7 })), expected)
    assert.strictEqual(codec.encode({}).length, 0)
    assert.isTrue(isMessage(codec.decode(expected), DurationSchema))
    assert.strictEqual(codec.decode(expected).seconds, 5n)
    assert.strictEqual(codec.typeName, "google.protobuf.Duration")
  })

  it("keeps fields that this side does not know", () => {
    const bytes = new Uint8Array([0x08, 5, 0xf8, 0x06, 1])
    assert.deepStrictEqual(codec.encode(codec.decode(bytes)), bytes)
  })

  it("of any shape, messages within messages", () => {
    const struct = toCodec(StructSchema)
    const bytes = struct.encode({ fields: { a: { kind: { case: "stringValue", value: "x" } } } })
    assert.strictEqual(fromBinary(StructSchema, bytes).fields["a"]?.kind.value, "x")
  })

  it("throws for what does not fit", () => {
    assert.throws(() => codec.encode({ seconds: "x" as never }))
    assert.throws(() => codec.decode(new Uint8Array([0xff])))
    assert.throws(() => codec.decode(new Uint8Array([0x08])))
  })
})

describe("a Schema as a payload", () => {
  class Point extends Schema.Class<Point>("Point")({
    x: Schema.Finite,
    y: Schema.Finite.pipe(Schema.withConstructorDefault(Effect.succeed(0)))
  }) {}

  it("is the JSON of its encoded form", () => {
    const codec = toCodec(Schema.Struct({ at: Schema.Date, big: Schema.BigInt, may: Schema.optionalKey(Schema.Int) }))
    const bytes = codec.encode({ at: new Date(0), big: 2n ** 70n })
    assert.deepStrictEqual(JSON.parse(text(bytes)), { at: "1970-01-01T00:00:00.000Z", big: String(2n ** 70n) })
    assert.deepStrictEqual(codec.decode(bytes), { at: new Date(0), big: 2n ** 70n })
    assert.isUndefined(codec.typeName)
  })

  it("takes what its constructor takes: defaults are filled in, classes made, instances kept", () => {
    const codec = toCodec(Point)
    assert.strictEqual(text(codec.encode({ x: 1 })), `{"x":1,"y":0}`)
    assert.strictEqual(text(codec.encode(new Point({ x: 1, y: 2 }))), `{"x":1,"y":2}`)
    assert.instanceOf(codec.decode(utf8(`{"x":1,"y":0}`)), Point)
  })

  it("may be any value: texts, null, undefined, unions, lists, tuples, maps, options, bytes", () => {
    const both = <A>(schema: Payload.AnySchema & { readonly Type: A }, value: A) => {
      const codec = toCodec(schema) as unknown as Payload.Codec<A, A>
      assert.deepStrictEqual(codec.decode(codec.encode(value)), value)
    }
    both(Schema.String, "")
    both(Schema.String, "ä🚀\0\u2028")
    both(Schema.Null, null)
    both(Schema.Undefined, undefined)
    both(Schema.Void, undefined)
    both(Schema.NullOr(Schema.Boolean), null)
    both(Schema.Union([Schema.Int, Schema.String]), "x")
    both(Schema.Array(Schema.Int), [1, 2])
    both(Schema.Tuple([Schema.Int, Schema.String]), [1, "x"])
    both(Schema.Record(Schema.String, Schema.Int), { a: 1 })
    both(Schema.Option(Schema.Int), Option.some(1))
    both(Schema.Option(Schema.Int), Option.none())
    both(Schema.ReadonlyMap(Schema.String, Schema.Int), new Map([["a", 1]]))
    both(Schema.Uint8Array, new Uint8Array([1, 2, 255]))
    both(Schema.Number, NaN)
    both(Schema.Number, -Infinity)
    both(Schema.Unknown, { any: ["thing", 1, null] })
  })

  it("checks in both directions", () => {
    const codec = toCodec(Schema.Struct({ n: Schema.Int }))
    assert.throws(() => codec.encode({ n: 1.5 }))
    assert.throws(() => codec.encode({} as never))
    for (const bytes of [`{"n":1.5}`, `{}`, `null`, ``, `{"n":1`, `{"n":1}}`]) {
      assert.throws(() => codec.decode(utf8(bytes)))
    }
    assert.throws(() => codec.decode(new Uint8Array([0x7b, 0xff, 0x7d])))
  })

  it("skips properties that this side does not know", () => {
    const codec = toCodec(Schema.Struct({ n: Schema.Int }))
    assert.deepStrictEqual(codec.decode(utf8(`{"n":1,"new":2}`)), { n: 1 })
  })

  it("is not fooled by keys of the language", () => {
    const codec = toCodec(Schema.Record(Schema.String, Schema.Int))
    const value = codec.decode(utf8(`{"__proto__":1,"constructor":2}`))
    assert.strictEqual(Object.getPrototypeOf(value), Object.prototype)
    assert.strictEqual(value["constructor"], 2)
  })
})

describe("bytes, nothing, and codecs of one's own", () => {
  it("bytes are themselves, and nothing else is taken for bytes", () => {
    const bytes = new Uint8Array([1, 2])
    assert.strictEqual(Payload.bytes.encode(bytes), bytes)
    assert.deepStrictEqual(Payload.bytes.decode(bytes), bytes)
    assert.deepStrictEqual(Payload.bytes.encode(Buffer.from("x")), Buffer.from("x"))
    for (const [value, what] of [
      ["x", "string"],
      [null, "null"],
      [[1], "object"],
      [undefined, "undefined"]
    ] as const) {
      assert.throws(() => Payload.bytes.encode(value as never), TypeError, `expected a Uint8Array, got ${what}`)
    }
  })

  it("nothing is no bytes, and reads as nothing whatever comes", () => {
    const codec = toCodec(undefined)
    assert.strictEqual(codec.encode(undefined).length, 0)
    assert.isUndefined(codec.decode(new Uint8Array([1, 2, 3])))
    assert.strictEqual(codec.typeName, "google.protobuf.Empty")
  })

  it("a codec of one's own is used as it is", () => {
    const codec = Payload.make<number>({ encode: (n) => new Uint8Array([n]), decode: (bytes) => bytes[0]! })
    assert.strictEqual(toCodec(codec), codec)
    assert.strictEqual(codec.decode(codec.encode(7)), 7)
    assert.isUndefined(codec.typeName)
  })

  it("anything else is refused at the definition", () => {
    for (const value of [{}, null, 5, "x", () => {}, { kind: "enum" }, Schema]) {
      assert.throws(() => toCodec(value as never), TypeError, "a payload is")
    }
  })
})
