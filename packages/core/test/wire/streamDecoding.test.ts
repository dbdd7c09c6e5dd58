import { create, toBinary } from "@bufbuild/protobuf"
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire"
import { assert, describe, it } from "@effect/vitest"
import * as Envelope from "../../src/internal/wire/callEnvelope.ts"
import * as Streams from "../../src/internal/wire/streamEnvelope.ts"
import { bitsTurned, bytesOf, damaged, empty, generator, msg, openMsg, plain, randomBytes } from "./referenceCodec.ts"
import { StreamMessageSchema, StreamSchema } from "../gen/internal_pb.ts"
import {
  ack,
  type Body,
  check,
  close,
  comparable,
  decode,
  encode,
  es,
  keepalive,
  message,
  noHead,
  open,
  samples
} from "./streamSamples.ts"

describe("what a decoder of streams accepts", () => {
  const part = (body: Body): Uint8Array => toBinary(StreamSchema, create(StreamSchema, { body }))
  const opening = (clientId: string, metadata: Record<string, string> = {}, features = 0, keepalive = 0, buffer = 0) =>
    part({ case: "open", value: { nodeId: clientId, metadata, features, keepalive, buffer } })
  const raw = (...bytes: Array<number>) => part({ case: "message", value: { rawMessage: Uint8Array.from(bytes) } })
  const acked = (features = 0, keepalive = 0, buffer = 0) =>
    part({ case: "ack", value: { features, keepalive, buffer } })
  const closed = (error: string, code: string) => part({ case: "close", value: { error, code } })
  const ended = [0xa0, 0x06, 0x01]
  const notEnded = [0xa0, 0x06, 0x00]
  const probing = [0xa8, 0x06, 0x01]
  const notProbing = [0xa8, 0x06, 0x00]

  it("the last of several bodies", () => {
    const bodies = { open: opening("c"), message: raw(1), ack: acked(1), close: closed("e", "c") }
    for (const [first, one] of Object.entries(bodies)) {
      for (const [second, two] of Object.entries(bodies)) {
        assert.strictEqual(decode(one, two).kind, second)
        assert.deepEqual(decode(one, two, one), decode(first === second ? [] : two, one))
      }
    }
  })

  it("the same body again, its fields over those before", () => {
    assert.deepStrictEqual(
      comparable(decode(opening("c", { a: "1", b: "2" }, 1, 5, 7), opening("", { b: "3", d: "4" }, 2))),
      {
        kind: "open",
        ...noHead,
        clientId: "c",
        metadata: Object.entries({ a: "1", b: "3", d: "4" }),
        features: 2,
        keepalive: 5,
        buffer: 7
      }
    )
    assert.deepStrictEqual(decode(closed("e", ""), closed("", "c")), { ...close("e", "c"), ...noHead })
    assert.deepStrictEqual(decode(acked(1, 0), acked(0, 2)), { ...ack(1, 2), ...noHead })
    assert.deepStrictEqual(decode(acked(1, 2, 3), acked(0, 0, 4)), { ...ack(1, 2, 4), ...noHead })
    assert.deepStrictEqual(decode(acked(0, 0, 3), acked(1, 2)), { ...ack(1, 2, 3), ...noHead })
    assert.deepStrictEqual(decode(raw(1), raw()), { ...message(Uint8Array.of(1)), ...noHead })
    assert.deepStrictEqual(decode(raw(1), raw(2)), { ...message(Uint8Array.of(2)), ...noHead })
    // nothing is left of a body that another has replaced
    assert.deepStrictEqual(decode(raw(1), acked(), raw()), { ...message(empty), ...noHead })
    assert.deepStrictEqual(decode(acked(1, 2, 3), raw(1), acked()), { ...ack(), ...noHead })
    assert.deepStrictEqual(decode(closed("e", "c"), acked(), closed("", "")), { ...close("", ""), ...noHead })
    assert.deepStrictEqual(comparable(decode(opening("c", { a: "1" }, 3, 4, 5), acked(), opening(""))), {
      ...open({ ...noHead, clientId: "" }),
      metadata: []
    })
  })

  it("`end` means something only without a body, and only when it is true", () => {
    assert.strictEqual(decode(ended).kind, "end")
    assert.strictEqual(decode(notEnded).kind, "keepalive")
    assert.strictEqual(decode(ended, notEnded).kind, "keepalive")
    assert.strictEqual(decode([0xa0, 0x06, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]).kind, "end")
    for (const body of [opening("c"), raw(1), acked(), closed("", "")]) {
      assert.deepEqual(decode(ended, body), decode(body))
      assert.deepEqual(decode(body, ended), decode(body))
    }
  })

  it("`probe` means something only without a body and without `end`, and its last value counts", () => {
    const alive = (probe: boolean): Streams.StreamKeepalive => ({ ...keepalive(probe), ...noHead })
    assert.deepStrictEqual(decode([]), alive(false))
    assert.deepStrictEqual(decode(probing), alive(true))
    assert.deepStrictEqual(decode(notProbing), alive(false))
    assert.deepStrictEqual(decode(probing, notProbing), alive(false))
    assert.deepStrictEqual(decode(notProbing, probing), alive(true))
    assert.deepStrictEqual(decode([0xa8, 0x06, 0x02]), alive(true))
    assert.deepStrictEqual(decode([0xa8, 0x06, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]), alive(true))
    assert.deepStrictEqual(decode([0xa8, 0x06, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00]), alive(false))
    for (const both of [
      [ended, probing],
      [probing, ended]
    ]) {
      assert.deepStrictEqual(decode(...both), { kind: "end", ...noHead })
      // an end that is taken back leaves the probe
      assert.deepStrictEqual(decode(...both, notEnded), alive(true))
    }
    for (const body of [opening("c", {}, 1, 2, 3), raw(1), acked(1, 2, 3), closed("e", "c")]) {
      assert.deepEqual(decode(probing, body), decode(body))
      assert.deepEqual(decode(body, probing), decode(body))
      assert.deepEqual(decode(ended, body, probing), decode(body))
    }
  })

  it("fields in any order, the head behind the body", () => {
    const bytes = toBinary(
      StreamSchema,
      create(StreamSchema, { streamId: "S", requestId: "R", sentAt: 1n, expiry: 2n })
    )
    assert.deepEqual(decode(raw(1), bytes), decode(bytes, raw(1)))
    assert.strictEqual(decode(bytes, bytes, [0x0a, 0x01, 0x54]).streamId, "T")
  })

  it("the obsolete Any of a message, and skips it", () => {
    const message = toBinary(
      StreamMessageSchema,
      create(StreamMessageSchema, { message: { typeUrl: "t", value: bytesOf(9) }, rawMessage: bytesOf(4) })
    )
    assert.deepStrictEqual((decode([0x3a, message.length], message) as Streams.StreamMessage).raw, bytesOf(4))
    assert.deepStrictEqual((decode([0x3a, 0x02, 0x0a, 0x00]) as Streams.StreamMessage).raw, empty)
  })

  it("fields it does not know, and known ones with a strange wire type, wherever they are", () => {
    const w = new BinaryWriter()
    w.tag(20, WireType.Varint)
      .uint64(2n ** 64n - 1n)
      .tag(21, WireType.Bit64)
      .fixed64(1n)
    w.tag(22, WireType.Bit32).fixed32(1).tag(536_870_911, WireType.LengthDelimited).string("x")
    w.tag(23, WireType.StartGroup).tag(6, WireType.LengthDelimited).bytes(empty).tag(23, WireType.EndGroup)
    const unknown = w.finish()
    // every field that is known somewhere, with each wire type that is not its own
    const strange = [1, 2, 3, 4, 6, 7, 8, 9, 100, 101, 102].map((no) => {
      const w = new BinaryWriter()
      const isVarint = no === 3 || no === 4 || no >= 100
      if (isVarint) w.tag(no, WireType.LengthDelimited).string("x")
      else w.tag(no, WireType.Varint).uint32(5)
      w.tag(no, WireType.Bit32).fixed32(7).tag(no, WireType.Bit64).fixed64(7n)
      return w.tag(no, WireType.StartGroup).tag(no, WireType.EndGroup).finish()
    })
    const around = (tag: number, body: Uint8Array, extra: Uint8Array): Uint8Array => {
      const inner = Buffer.concat([extra, body, extra])
      return new BinaryWriter().uint32(tag).bytes(inner).finish()
    }
    const bodies: ReadonlyArray<readonly [tag: number, body: Uint8Array]> = [
      [0x32, Uint8Array.of(0x0a, 0x01, 0x63, 0xa0, 0x06, 0x01, 0xb0, 0x06, 0x09)],
      [0x3a, Uint8Array.of(0x12, 0x01, 0x07)],
      [0x42, Uint8Array.of(0xa8, 0x06, 0x05, 0xb0, 0x06, 0x09)],
      [0x4a, Uint8Array.of(0x0a, 0x01, 0x65, 0x12, 0x01, 0x63)]
    ]
    for (const [tag, body] of bodies) {
      const expected = decode([tag, body.length], body)
      assert.deepEqual(decode(around(tag, body, unknown)), expected)
      for (const extra of [unknown, ...strange]) {
        assert.deepEqual(decode(extra, [tag, body.length], body, extra), expected)
      }
    }
    const inOpen = [2, 7, 100, 101, 102].map((no) => new BinaryWriter().tag(no, WireType.Bit32).fixed32(7).finish())
    const inMessage = new BinaryWriter().tag(2, WireType.Varint).uint32(7).finish()
    for (const extra of inOpen) {
      assert.deepEqual(decode(around(0x32, bodies[0]![1], extra)), decode(around(0x32, bodies[0]![1], empty)))
      assert.deepEqual(decode(around(0x42, bodies[2]![1], extra)), decode(around(0x42, bodies[2]![1], empty)))
    }
    assert.deepEqual(decode(around(0x3a, bodies[1]![1], inMessage)), decode(around(0x3a, bodies[1]![1], empty)))
    assert.strictEqual(decode(unknown).kind, "keepalive")
    assert.deepStrictEqual(decode(...strange), { ...keepalive(), ...noHead })
    assert.deepStrictEqual(decode(probing, unknown, ...strange), { ...keepalive(true), ...noHead })
  })

  it("nothing that is malformed, in the stream or in any body", () => {
    const wrong: Readonly<Record<string, ReadonlyArray<number>>> = {
      "field number 0": [0x02, 0x00],
      "wire type 6": [0xae, 0x06],
      "wire type 7": [0xaf, 0x06],
      "a group that does not end": [0xab, 0x06],
      "a group that ends as another": [0xab, 0x06, 0x14],
      "the end of no group": [0xac, 0x06],
      "a tag of more than 32 bits": [0x88, 0x80, 0x80, 0x80, 0x10, 0x00],
      "a varint of more than 64 bits": [0xa0, 0x06, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
      "a varint of eleven bytes": [0xa8, 0x06, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
      "a length of more than there is": [0x12, 0x01],
      "a length of 4 GiB": [0x12, 0x80, 0x80, 0x80, 0x80, 0x10],
      "a length of 4 GiB and 1": [0x12, 0x81, 0x80, 0x80, 0x80, 0x10, 0x00],
      "a length of 2^31": [0x12, 0x80, 0x80, 0x80, 0x80, 0x08],
      "a negative length": [0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
      "a buffer of more than 64 bits": [0xb0, 0x06, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
      "half a probe, or half a keepalive": [0xa8, 0x06, 0x80],
      "half a buffer": [0xb0, 0x06, 0x80],
      "a tag alone": [0xa0, 0x06],
      "the tag of a buffer alone": [0xb0, 0x06],
      "half a tag": [0xa0]
    }
    for (const [name, bytes] of Object.entries(wrong)) {
      const value = Uint8Array.from(bytes)
      assert.strictEqual(check(msg("Stream", value)), "malformed", name)
      for (const tag of [0x32, 0x3a, 0x42, 0x4a]) {
        const body = Uint8Array.of(tag, value.length, ...value)
        assert.strictEqual(check(msg("Stream", body)), "malformed", `${name} in ${tag}`)
        // also where another body replaces it, and where there are bytes behind it that it could run into
        assert.strictEqual(check(msg("Stream", Uint8Array.of(...body, ...acked()))), "malformed", name)
        assert.strictEqual(check(msg("Stream", Uint8Array.of(...body, ...raw(...bytesOf(40))))), "malformed", name)
      }
    }
    const notText = [0x01, 0xff]
    for (const bytes of [
      [0x0a, ...notText],
      [0x12, ...notText],
      [0x32, 0x03, 0x0a, ...notText],
      [0x32, 0x05, 0x3a, 0x03, 0x0a, ...notText],
      [0x32, 0x05, 0x3a, 0x03, 0x12, ...notText],
      [0x4a, 0x03, 0x0a, ...notText],
      [0x4a, 0x03, 0x12, ...notText]
    ]) {
      assert.strictEqual(check(msg("Stream", Uint8Array.from(bytes))), "malformed")
      assert.strictEqual(check(msg("Stream", Uint8Array.of(...bytes, ...acked()))), "malformed")
    }
  })

  it("1,000 entries of metadata and two of a trace, however many openings they are in", () => {
    const entries = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, "v"]))
    const decodeOf = (...openings: ReadonlyArray<Uint8Array>) =>
      Streams.decodeStream(msg("Stream", Buffer.concat(openings)))
    const full = decodeOf(opening("c", entries(1002))) as Streams.StreamOpen
    assert.strictEqual(Object.keys(full.metadata).length, 1002)
    assert.isObject(decodeOf(opening("c", entries(502)), opening("c", entries(500))))
    assert.strictEqual(decodeOf(opening("c", entries(1003))), "malformed")
    assert.strictEqual(decodeOf(opening("c", entries(502)), opening("c", entries(501))), "malformed")
    assert.strictEqual(decodeOf(opening("c", entries(502)), acked(), opening("c", entries(501))), "malformed")
  })

  it("`__proto__` and the like as ordinary keys of metadata, which has nothing that was not sent", () => {
    const metadata = JSON.parse('{"__proto__":"a","constructor":"b"}')
    const bytes = encode(open({ metadata }))
    assert.deepStrictEqual(plain(bytes), es.stream(open({ metadata })))
    const decoded = Streams.decodeStream(bytes) as Streams.StreamOpen
    assert.strictEqual(decoded.metadata["__proto__"], "a")
    assert.isFalse("toString" in decoded.metadata)
    const none = Streams.decodeStream(encode(open())) as Streams.StreamOpen
    assert.strictEqual(none.metadata, Envelope.emptyMetadata)
    assert.deepEqual({ ...(decode([0x32, 0x02, 0x3a, 0x00]) as Streams.StreamOpen).metadata }, { "": "" })
  })
})

// ── whatever the bytes ──────────────────────────────────────────────────────────────────────────────────────────────

describe("a decoder of streams, whatever the bytes", () => {
  const type = Envelope.makeType("internal.Stream")
  const few = Object.values(samples)
    .map((stream) => es.stream(stream))
    .filter((bytes) => bytes.length < 300)

  it("random ones, alone and in a Msg of the right type, reads by the rules", () => {
    const random = generator(3)
    const seen = { malformed: 0, foreign: 0, message: 0 }
    for (let i = 0; i < 20_000; i++) {
      const bytes = randomBytes(random)
      seen[check(bytes)]++
      seen[check(Envelope.encodeValue(Envelope.noFrame, type, bytes))]++
    }
    assert.isAbove(seen.malformed, 1000)
    assert.isAbove(seen.message, 1000)
  }, 60_000)

  it("random ones in each body reads by the rules", () => {
    const random = generator(4)
    const seen = { malformed: 0, foreign: 0, message: 0 }
    for (let i = 0; i < 20_000; i++) {
      const value = Array.from({ length: 1 + random(3) }, () => {
        const bytes = randomBytes(random).slice(0, random(12))
        return [[0x32, 0x3a, 0x42, 0x4a][random(4)]!, bytes.length, ...bytes]
      })
      seen[check(msg("Stream", Uint8Array.from(value.flat())))]++
    }
    assert.isAbove(seen.malformed, 1000)
    assert.isAbove(seen.message, 1000)
  }, 60_000)

  it("messages of any fields in any order, any number of times, reads by the rules", () => {
    const random = generator(5)
    const text = () => ["", "a", "é软", "🚀".repeat(random(9)), "x".repeat(random(200))][random(5)]!
    const number = () => (random(2) === 0 ? random(200) : random(0xffffffff))
    const pieces: ReadonlyArray<(w: BinaryWriter) => unknown> = [
      (w) => w.tag(1, WireType.LengthDelimited).string(text()),
      (w) => w.tag(2, WireType.LengthDelimited).string(text()),
      (w) =>
        w
          .tag(3, WireType.Varint)
          .int64(BigInt.asIntN(64, BigInt(number()) * BigInt(number()) * (random(2) === 0 ? 1n : -1n))),
      (w) => w.tag(4, WireType.Varint).int64(BigInt.asIntN(64, BigInt(number()) * BigInt(number()))),
      (w) => w.tag(100, WireType.Varint).bool(random(2) === 0),
      (w) => w.tag(101, WireType.Varint).bool(random(2) === 0),
      (w) => w.tag(50 + random(50), WireType.LengthDelimited).string(text()),
      (w) => body(w, 6, [1, 7, 7, 100, 101, 102]),
      (w) => body(w, 7, [2, 2, 1]),
      (w) => body(w, 8, [100, 101, 102]),
      (w) => body(w, 9, [1, 2])
    ]
    const body = (w: BinaryWriter, no: number, fields: ReadonlyArray<number>): void => {
      w.tag(no, WireType.LengthDelimited).fork()
      for (let n = random(4); n > 0; n--) {
        const field = fields[random(fields.length)]!
        if (field >= 100) w.tag(field, WireType.Varint).uint32(number())
        else if (field === 7) {
          w.tag(7, WireType.LengthDelimited).fork()
          for (let m = random(3); m > 0; m--) w.tag(1 + random(2), WireType.LengthDelimited).string(text())
          w.join()
        } else if (field === 1 && no === 7) w.tag(1, WireType.LengthDelimited).bytes(empty)
        else if (no === 7) w.tag(field, WireType.LengthDelimited).bytes(bytesOf(random(200), random(256)))
        else w.tag(field, WireType.LengthDelimited).string(text())
      }
      w.join()
    }
    const kinds = new Map<string, number>()
    for (let i = 0; i < 20_000; i++) {
      const w = new BinaryWriter()
      for (let n = random(8); n > 0; n--) pieces[random(pieces.length)]!(w)
      const bytes = msg("Stream", w.finish())
      assert.strictEqual(check(bytes), "message")
      const decoded = Streams.decodeStream(bytes) as Streams.Stream
      const kind = decoded.kind === "keepalive" && decoded.probe ? "probe" : decoded.kind
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
      // and what was read, written again, is the same
      if (decoded.sentAt >= 0 && decoded.expiry >= 0) {
        assert.deepStrictEqual(comparable(Streams.decodeStream(encode(decoded))), comparable(decoded))
      }
    }
    for (const kind of ["open", "message", "ack", "close", "end", "keepalive", "probe"]) {
      assert.isAbove(kinds.get(kind) ?? 0, 500, kind)
    }
  }, 60_000)

  it("messages cut short anywhere are malformed, foreign or, at the end of a field, a message", () => {
    for (const bytes of few) {
      for (let length = 0; length < bytes.length; length++) check(bytes.slice(0, length))
      const value = openMsg("Stream", bytes) as Uint8Array
      for (let length = 0; length < value.length; length++) check(msg("Stream", value.slice(0, length)))
    }
  })

  it("messages with any one bit turned over are read by the rules", () => {
    for (const bytes of few) for (const turned of bitsTurned(bytes)) check(turned)
  }, 60_000)

  it("messages with several bytes changed, lost, doubled or put in are read by the rules", () => {
    const random = generator(6)
    for (let i = 0; i < 30_000; i++) check(damaged(few[i % few.length]!, random))
  }, 60_000)
})
