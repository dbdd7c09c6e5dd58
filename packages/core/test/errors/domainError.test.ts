import { create, fromBinary } from "@bufbuild/protobuf"
import { DurationSchema, StringValueSchema } from "@bufbuild/protobuf/wkt"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as DomainError from "../../src/internal/errors/domainError.ts"
import { TypedErrorSchema } from "../../src/internal/gen/effect_psrpc/typed_error_pb.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"

class NameTaken extends Schema.TaggedError<NameTaken>()(
  "NameTaken",
  { name: Schema.String, since: Schema.Date, owner: Schema.optionalKey(Schema.BigInt) },
  { psrpcCode: "already_exists" }
) {}

class TooLong extends Schema.TaggedError<TooLong>()("TooLong", { message: Schema.String, limit: Schema.Int }) {}

class Odd extends Schema.TaggedError<Odd>("app/errors/Odd")(
  "Odd",
  { bytes: Schema.Uint8Array },
  {
    psrpcCode: "failed_precondition"
  }
) {}

const taken = new NameTaken({ name: "Ada", since: new Date(0), owner: 12345678901234567890n })

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

describe("a tagged error as the error of a method", () => {
  const errors = DomainError.make(NameTaken)

  it("goes out with its code, its tag for want of a message, and itself as JSON", () => {
    const wire = errors.encode(taken)!
    assert.strictEqual(wire.code, "already_exists")
    assert.strictEqual(wire.message, "NameTaken")
    assert.strictEqual(wire.details.length, 1)
    assert.strictEqual(wire.details[0]!.typeUrl, "type.googleapis.com/effect_psrpc.TypedError")
    const { json, tag } = fromBinary(TypedErrorSchema, wire.details[0]!.value)
    assert.strictEqual(tag, "NameTaken")
    assert.deepStrictEqual(JSON.parse(text(json)), {
      _tag: "NameTaken",
      name: "Ada",
      since: "1970-01-01T00:00:00.000Z",
      owner: "12345678901234567890"
    })
  })

  it("comes back as an instance of its class", () => {
    const back = errors.decode(errors.encode(taken)!)!
    assert.instanceOf(back, NameTaken)
    assert.strictEqual(back.name, "Ada")
    assert.strictEqual(back.since.getTime(), 0)
    assert.strictEqual(back.owner, 12345678901234567890n)
  })

  it("comes back whatever code, message and other details a peer puts to it", () => {
    const [detail] = errors.encode(taken)!.details
    const back = errors.decode({
      code: "internal",
      message: "m",
      details: [PsrpcError.detail(StringValueSchema, { value: "trace" }), detail!]
    })
    assert.strictEqual(back?.name, "Ada")
  })

  it("has its message on the wire where it has one", () => {
    const wire = DomainError.fromSchema(TooLong).encode(new TooLong({ message: "at most 8", limit: 8 }))!
    assert.strictEqual(wire.message, "at most 8")
  })

  it("is unknown without an annotation, and never sends an empty message", () => {
    const wire = DomainError.fromSchema(TooLong).encode(new TooLong({ message: "", limit: 8 }))!
    assert.strictEqual(wire.code, "unknown")
    assert.strictEqual(wire.message, "TooLong")
  })

  it("may have its code from annotate", () => {
    const wire = DomainError.fromSchema(TooLong.annotate({ psrpcCode: "out_of_range" })).encode(
      new TooLong({ message: "m", limit: 8 })
    )!
    assert.strictEqual(wire.code, "out_of_range")
  })

  it("is unknown with an annotation that is no code", () => {
    const wire = DomainError.fromSchema(TooLong.annotate({ psrpcCode: "nonsense" as never })).encode(
      new TooLong({ message: "m", limit: 8 })
    )!
    assert.strictEqual(wire.code, "unknown")
  })

  it("may be a plain tagged value", () => {
    const Gone = Schema.TaggedStruct("Gone", { at: Schema.Int }).annotate({ psrpcCode: "not_found" })
    const errors = DomainError.make(Gone)
    const wire = errors.encode({ _tag: "Gone", at: 3 })!
    assert.strictEqual(wire.code, "not_found")
    assert.strictEqual(wire.message, "Gone")
    assert.deepStrictEqual(errors.decode(wire), { _tag: "Gone", at: 3 })
  })

  it("leaves alone what the method did not declare", () => {
    const others = [new TooLong({ message: "m", limit: 1 }), new PsrpcError.NotFound({ message: "m" }), new Error("x")]
    for (const other of [...others, { _tag: "NameTaken" }, null, undefined, "x"]) {
      assert.isUndefined(errors.encode(other))
    }
  })

  const detail = (tag: string, json: string | Uint8Array) =>
    PsrpcError.detail(TypedErrorSchema, { tag, json: typeof json === "string" ? new TextEncoder().encode(json) : json })
  const foreign: ReadonlyArray<readonly [string, ReadonlyArray<PsrpcError.Detail>]> = [
    ["nothing", []],
    ["another type", [PsrpcError.detail(StringValueSchema, { value: "x" })]],
    ["another tag", [detail("Other", `{"_tag":"Other"}`)]],
    ["fields that are missing", [detail("NameTaken", `{"_tag":"NameTaken"}`)]],
    ["broken JSON", [detail("NameTaken", `{"_tag":`)]],
    ["broken text", [detail("NameTaken", new Uint8Array([0x22, 0xff, 0x22]))]],
    ["no JSON", [detail("NameTaken", "")]],
    ["broken protobuf", [{ typeUrl: "type.googleapis.com/effect_psrpc.TypedError", value: new Uint8Array([0xff]) }]]
  ]
  for (const [name, details] of foreign) {
    it(`is not read from ${name}`, () => {
      assert.isUndefined(errors.decode({ code: "already_exists", message: "NameTaken", details }))
    })
  }

  it("is found behind a detail that does not decode", () => {
    const details = [detail("NameTaken", "{"), ...errors.encode(taken)!.details]
    assert.strictEqual(errors.decode({ code: "already_exists", message: "m", details })?.name, "Ada")
  })

  it("that does not encode still goes out with its code and message", () => {
    const Positive = Schema.TaggedStruct("Positive", { n: Schema.Unknown }).annotate({ psrpcCode: "aborted" })
    const circular: Record<string, unknown> = {}
    circular["self"] = circular
    const wire = DomainError.fromSchema(Positive).encode({ _tag: "Positive", n: circular })!
    assert.deepStrictEqual(wire, { code: "aborted", message: "Positive", details: [] })
  })
})

describe("a union as the error of a method", () => {
  const errors = DomainError.make(Schema.Union([NameTaken, Schema.Union([TooLong, Odd])]))
  const odd = new Odd({ bytes: new Uint8Array([1, 2, 255]) })

  it("sends each with its own code", () => {
    assert.strictEqual(errors.encode(taken)?.code, "already_exists")
    assert.strictEqual(errors.encode(new TooLong({ message: "m", limit: 8 }))?.code, "unknown")
    assert.strictEqual(errors.encode(odd)?.code, "failed_precondition")
  })

  it("brings each back as its class", () => {
    assert.instanceOf(errors.decode(errors.encode(taken)!), NameTaken)
    assert.instanceOf(errors.decode(errors.encode(new TooLong({ message: "m", limit: 8 }))!), TooLong)
    const back = errors.decode(errors.encode(odd)!)
    assert.instanceOf(back, Odd)
    assert.deepStrictEqual(back.bytes, odd.bytes)
  })

  it("leaves alone what is in none of them", () => {
    assert.isUndefined(errors.encode(new PsrpcError.Aborted({ message: "m" })))
  })
})

describe("a protobuf message as the error of a method", () => {
  const wait = create(DurationSchema, { seconds: 30n })

  it("goes out as its own detail, with the defaults for code and message", () => {
    for (const errors of [DomainError.make(DurationSchema), DomainError.fromMessage(DurationSchema)]) {
      assert.deepStrictEqual(errors.encode(wait), {
        code: "unknown",
        message: "google.protobuf.Duration",
        details: [{ typeUrl: "type.googleapis.com/google.protobuf.Duration", value: new Uint8Array([8, 30]) }]
      })
    }
  })

  it("goes out with the code and message it was given", () => {
    const errors = DomainError.make(
      PsrpcError.protobuf(DurationSchema, { code: "resource_exhausted", message: (m) => `come back in ${m.seconds} s` })
    )
    const wire = errors.encode(wait)!
    assert.strictEqual(wire.code, "resource_exhausted")
    assert.strictEqual(wire.message, "come back in 30 s")
    const fixed = DomainError.fromMessage(DurationSchema, { code: "aborted", message: "later" }).encode(wait)!
    assert.strictEqual(fixed.code, "aborted")
    assert.strictEqual(fixed.message, "later")
  })

  it("never sends an empty message", () => {
    assert.strictEqual(
      DomainError.fromMessage(DurationSchema, { message: () => "" }).encode(wait)?.message,
      "google.protobuf.Duration"
    )
  })

  it("comes back as the message", () => {
    const errors = DomainError.make(DurationSchema)
    assert.strictEqual(errors.decode(errors.encode(wait)!)?.seconds, 30n)
  })

  it("is not read from other details, nor from what does not decode", () => {
    const errors = DomainError.make(DurationSchema)
    const typeUrl = "type.googleapis.com/google.protobuf.Duration"
    const details = [PsrpcError.detail(StringValueSchema, { value: "x" }), { typeUrl, value: new Uint8Array([0xff]) }]
    assert.isUndefined(errors.decode({ code: "unknown", message: "m", details }))
  })

  it("leaves other messages and errors alone", () => {
    const errors = DomainError.make(DurationSchema)
    for (const other of [create(StringValueSchema), new Error("x"), { seconds: 1n }, undefined]) {
      assert.isUndefined(errors.encode(other))
    }
  })

  it("that does not encode still goes out with its code and message", () => {
    const broken = create(DurationSchema, { seconds: 2n ** 80n })
    assert.deepStrictEqual(DomainError.make(DurationSchema).encode(broken), {
      code: "unknown",
      message: "google.protobuf.Duration",
      details: []
    })
  })
})
