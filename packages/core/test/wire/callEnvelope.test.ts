import { create, fromBinary, toBinary } from "@bufbuild/protobuf"
import { AnySchema } from "@bufbuild/protobuf/wkt"
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Envelope from "../../src/internal/wire/callEnvelope.ts"
import * as Msg from "../../src/internal/wire/msg.ts"
import { slabSize } from "../../src/internal/wire/writer.ts"
import {
  agree,
  bitsTurned,
  bytesOf,
  damaged,
  empty,
  type Field,
  fromNanos,
  generator,
  msg,
  openMsg,
  plain,
  prefix,
  randomBytes,
  reference,
  toNanos
} from "./referenceCodec.ts"
import {
  ClaimRequestSchema,
  ClaimResponseSchema,
  MsgSchema,
  RequestSchema,
  ResponseSchema
} from "../gen/internal_pb.ts"

// ── protobuf-es: the same messages from generated code ──────────────────────────────────────────────────────────────

const es = {
  msg,
  openMsg,
  request: (request: Envelope.Request, channel = ""): Uint8Array =>
    es.msg(
      "Request",
      toBinary(
        RequestSchema,
        create(RequestSchema, {
          requestId: request.id,
          clientId: request.clientId,
          sentAt: toNanos(request.sentAt),
          expiry: toNanos(request.expiry),
          multi: request.multi,
          metadata: { ...request.metadata },
          rawRequest: request.raw
        })
      ),
      channel
    ),
  response: (response: Envelope.Response, channel = ""): Uint8Array =>
    es.msg(
      "Response",
      toBinary(
        ResponseSchema,
        create(ResponseSchema, {
          requestId: response.id,
          serverId: response.serverId,
          sentAt: toNanos(response.sentAt),
          error: response.error,
          code: response.code,
          rawResponse: response.raw,
          errorDetails: response.details.map((detail) => create(AnySchema, { ...detail }))
        })
      ),
      channel
    ),
  claimRequest: (id: string, serverId: string, affinity: number): Uint8Array =>
    es.msg(
      "ClaimRequest",
      toBinary(ClaimRequestSchema, create(ClaimRequestSchema, { requestId: id, serverId, affinity }))
    ),
  claimResponse: (id: string, serverId: string): Uint8Array =>
    es.msg("ClaimResponse", toBinary(ClaimResponseSchema, create(ClaimResponseSchema, { requestId: id, serverId }))),

  decodeRequest: (bytes: Uint8Array): unknown => {
    const value = es.openMsg("Request", bytes)
    if (value === "foreign") return value
    const request = fromBinary(RequestSchema, value)
    return {
      id: request.requestId,
      clientId: request.clientId,
      sentAt: fromNanos(request.sentAt),
      expiry: fromNanos(request.expiry),
      multi: request.multi,
      metadata: Object.entries(request.metadata),
      raw: plain(request.rawRequest)
    }
  },
  decodeResponse: (bytes: Uint8Array): unknown => {
    const value = es.openMsg("Response", bytes)
    if (value === "foreign") return value
    const response = fromBinary(ResponseSchema, value)
    return {
      id: response.requestId,
      serverId: response.serverId,
      sentAt: fromNanos(response.sentAt),
      raw: plain(response.rawResponse),
      error: response.error,
      code: response.code,
      details: response.errorDetails.map((any) => ({ typeUrl: any.typeUrl, value: plain(any.value) }))
    }
  },
  decodeClaimRequest: (bytes: Uint8Array): unknown => {
    const value = es.openMsg("ClaimRequest", bytes)
    if (value === "foreign") return value
    const claim = fromBinary(ClaimRequestSchema, value)
    return { id: claim.requestId, serverId: claim.serverId, affinity: claim.affinity }
  },
  decodeClaimResponse: (bytes: Uint8Array): unknown => {
    const value = es.openMsg("ClaimResponse", bytes)
    if (value === "foreign") return value
    const claim = fromBinary(ClaimResponseSchema, value)
    return { id: claim.requestId, serverId: claim.serverId, affinity: 0 }
  }
}

/** A decoded message for comparison: metadata as entries, since order counts and prototypes do not. */
const comparable = (message: Envelope.Request | Envelope.Response | Envelope.Claim | Envelope.Rejected): unknown =>
  typeof message === "string" || !("metadata" in message)
    ? message
    : { ...message, metadata: Object.entries(message.metadata) }

// ── the same by protobuf's rules as Go applies them ─────────────────────────────────────────────────────────────────

const rules = {
  decodeRequest: (bytes: Uint8Array): unknown => {
    const value = reference.openMsg("Request", bytes)
    if (value === "foreign") return value
    const metadata = new Map<string, string>()
    const request = { id: "", clientId: "", sentAt: 0, expiry: 0, multi: false, raw: new Uint8Array(0) as Uint8Array }
    reference.message(value, {
      1: [2, (field) => (request.id = reference.text(field.data))],
      2: [2, (field) => (request.clientId = reference.text(field.data))],
      3: [0, (field) => (request.sentAt = fromNanos(BigInt.asIntN(64, field.varint)))],
      4: [0, (field) => (request.expiry = fromNanos(BigInt.asIntN(64, field.varint)))],
      6: [2, () => reference.odd++],
      5: [0, (field) => (request.multi = field.varint !== 0n)],
      7: [
        2,
        (field) => {
          const [key, value] = reference.entry(field.data)
          metadata.set(key, value)
        }
      ],
      8: [2, (field) => (request.raw = field.data)]
    })
    return { ...request, metadata: Object.entries(Object.fromEntries(metadata)) }
  },
  decodeResponse: (bytes: Uint8Array): unknown => {
    const value = reference.openMsg("Response", bytes)
    if (value === "foreign") return value
    const response = {
      id: "",
      serverId: "",
      sentAt: 0,
      raw: new Uint8Array(0) as Uint8Array,
      error: "",
      code: "",
      details: [] as Array<Envelope.Detail>
    }
    reference.message(value, {
      1: [2, (field) => (response.id = reference.text(field.data))],
      2: [2, (field) => (response.serverId = reference.text(field.data))],
      3: [0, (field) => (response.sentAt = fromNanos(BigInt.asIntN(64, field.varint)))],
      4: [2, () => reference.odd++],
      5: [2, (field) => (response.error = reference.text(field.data))],
      6: [2, (field) => (response.code = reference.text(field.data))],
      7: [2, (field) => (response.raw = field.data)],
      8: [
        2,
        (entry) => {
          let typeUrl = ""
          let value: Uint8Array = new Uint8Array(0)
          reference.message(entry.data, {
            1: [2, (field) => (typeUrl = reference.text(field.data))],
            2: [2, (field) => (value = field.data)]
          })
          response.details.push({ typeUrl, value })
        }
      ]
    })
    return response
  },
  claim: (type: string, bytes: Uint8Array): unknown => {
    const value = reference.openMsg(type, bytes)
    if (value === "foreign") return value
    const claim = { id: "", serverId: "", affinity: 0 }
    const float = (field: Field) => {
      claim.affinity = new DataView(field.data.buffer).getFloat32(0, true)
    }
    reference.message(value, {
      1: [2, (field) => (claim.id = reference.text(field.data))],
      2: [2, (field) => (claim.serverId = reference.text(field.data))],
      ...(type === "ClaimRequest" ? { 3: [5, float] } : {})
    })
    return claim
  },
  decodeClaimRequest: (bytes: Uint8Array): unknown => rules.claim("ClaimRequest", bytes),
  decodeClaimResponse: (bytes: Uint8Array): unknown => rules.claim("ClaimResponse", bytes)
}

const kinds = ["decodeRequest", "decodeResponse", "decodeClaimRequest", "decodeClaimResponse"] as const

/** Decodes like the reference, whatever the bytes, and writes to none of them. */
const check = (kind: (typeof kinds)[number], bytes: Uint8Array): "malformed" | "foreign" | "message" => {
  const input = bytes.slice()
  const ours = comparable(Envelope[kind](bytes))
  assert.isTrue(Buffer.from(bytes).equals(input), "the decoder has changed its input")
  return agree(ours, input, rules[kind], es[kind])
}

// ── samples ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const utf8 = new TextEncoder()

const request = (over: Partial<Envelope.Request> = {}): Envelope.Request => ({
  id: "REQ_0123456789ab",
  clientId: "CLI_abcdefghijkl",
  sentAt: 1_789_000_000_123,
  expiry: 1_789_000_003_123,
  multi: false,
  metadata: Envelope.emptyMetadata,
  raw: bytesOf(66),
  ...over
})

const response = (over: Partial<Envelope.Response> = {}): Envelope.Response => ({
  id: "REQ_0123456789ab",
  serverId: "SRV_abcdefghijkl",
  sentAt: 1_789_000_000_456,
  raw: bytesOf(66),
  error: "",
  code: "",
  details: Envelope.emptyDetails,
  ...over
})

const emptyRequest = request({ id: "", clientId: "", sentAt: 0, expiry: 0, raw: empty })
const emptyResponse = response({ id: "", serverId: "", sentAt: 0, raw: empty })

const requests: Readonly<Record<string, Envelope.Request>> = {
  "as usual": request(),
  empty: emptyRequest,
  multi: request({ multi: true }),
  "without a payload": request({ raw: empty }),
  "with metadata": request({
    metadata: { traceparent: `00-${"a".repeat(32)}-01`, tenant: "acme", empty: "", "": "x" }
  }),
  "with long metadata": request({ metadata: { ["k".repeat(200)]: "v".repeat(20_000), b: "é".repeat(70) } }),
  "with unicode": request({ id: "REQ_é", clientId: "🚀🛰软件", metadata: { clé: "값", "🚀": "\ufeffbom" } }),
  "with ids of 16 characters that are not ASCII": request({ id: "REQ_éééééééééééé", clientId: "REQ_éééééé" }),
  "with long ids": request({ id: "x".repeat(127), clientId: "y".repeat(128) }),
  "with fractions of a millisecond": request({ sentAt: 1_789_000_000_123.25, expiry: 0.000001 })
}

const responses: Readonly<Record<string, Envelope.Response>> = {
  "as usual": response(),
  empty: emptyResponse,
  "with an error": response({ raw: empty, error: "no such thing", code: "not_found" }),
  "with an error of unicode": response({ error: "çà et là 🚀", code: "unknown" }),
  "with a code alone": response({ code: "internal" }),
  "with details": response({
    error: "name taken",
    code: "already_exists",
    details: [
      { typeUrl: "type.googleapis.com/acme.NameTaken", value: bytesOf(40) },
      { typeUrl: "", value: empty },
      { typeUrl: "é".repeat(100), value: bytesOf(20_000) }
    ]
  })
}

describe("envelope", () => {
  describe("a request", () => {
    it.each(Object.keys(requests))("%s is on the wire what generated code writes", (name) => {
      assert.deepStrictEqual(
        plain(Envelope.encodeRequest(Envelope.noFrame, requests[name]!)),
        es.request(requests[name]!)
      )
    })

    it.each(Object.keys(requests))("%s comes back", (name) => {
      const decoded = Envelope.decodeRequest(es.request(requests[name]!))
      assert.deepStrictEqual(comparable(decoded), comparable(requests[name]!))
    })

    it("keeps `__proto__` and the like as ordinary keys of its metadata", () => {
      const metadata = JSON.parse('{"__proto__":"a","constructor":"b","toString":"c"}')
      const bytes = Envelope.encodeRequest(Envelope.noFrame, request({ metadata }))
      assert.deepStrictEqual(plain(bytes), es.request(request({ metadata })))
      const decoded = Envelope.decodeRequest(bytes) as Envelope.Request
      assert.deepStrictEqual(Object.entries(decoded.metadata), Object.entries(metadata))
      assert.strictEqual(decoded.metadata["__proto__"], "a")
    })

    it("has nothing in its metadata that was not sent", () => {
      for (const metadata of [{}, { a: "b" }]) {
        const bytes = Envelope.encodeRequest(Envelope.noFrame, request({ metadata }))
        const decoded = Envelope.decodeRequest(bytes) as Envelope.Request
        for (const key of ["constructor", "toString", "__proto__", "hasOwnProperty"]) {
          assert.isUndefined(decoded.metadata[key])
          assert.isFalse(key in decoded.metadata)
        }
        assert.strictEqual(decoded.metadata === Envelope.emptyMetadata, Object.keys(metadata).length === 0)
      }
    })

    it("without metadata shares an object that nobody can change", () => {
      const { metadata } = Envelope.decodeRequest(es.request(request())) as Envelope.Request
      assert.throws(() => {
        ;(metadata as Record<string, string>)["a"] = "b"
      }, TypeError)
    })

    it("that an encoder cannot read leaves the next one unharmed", () => {
      const kept = Envelope.encodeRequest(Envelope.noFrame, request())
      const huge = { length: 2 ** 50 } // more than can be allocated
      for (const broken of [
        { metadata: { a: undefined } },
        { raw: undefined },
        { id: undefined },
        { metadata: null },
        { raw: huge }
      ]) {
        assert.throws(() => Envelope.encodeRequest(Envelope.noFrame, request(broken as never)))
        assert.deepStrictEqual(plain(Envelope.encodeRequest(Envelope.noFrame, request())), es.request(request()))
      }
      assert.deepStrictEqual(plain(kept), es.request(request()))
    })
  })

  describe("a response", () => {
    it.each(Object.keys(responses))("%s is on the wire what generated code writes", (name) => {
      assert.deepStrictEqual(
        plain(Envelope.encodeResponse(Envelope.noFrame, responses[name]!)),
        es.response(responses[name]!)
      )
    })

    it.each(Object.keys(responses))("%s comes back", (name) => {
      assert.deepStrictEqual(Envelope.decodeResponse(es.response(responses[name]!)), responses[name]!)
    })
  })

  describe("a claim", () => {
    const claims: ReadonlyArray<readonly [string, string, number]> = [
      ["REQ_0123456789ab", "SRV_abcdefghijkl", 0.5],
      ["REQ_0123456789ab", "SRV_abcdefghijkl", 0],
      ["", "", 0],
      ["REQ_é", "🚀", 1],
      ["x".repeat(300), "y".repeat(20_000), -1],
      ["a", "b", Infinity],
      ["a", "b", NaN],
      ["a", "b", Math.fround(0.7)],
      ["a", "b", 1.401298464324817e-45]
    ]

    it.each(claims)("of %s for %s at %d goes both ways", (id, serverId, affinity) => {
      const bytes = Envelope.encodeClaimRequest(Envelope.noFrame, id, serverId, affinity)
      assert.deepStrictEqual(plain(bytes), es.claimRequest(id, serverId, affinity))
      assert.deepStrictEqual(Envelope.decodeClaimRequest(bytes), { id, serverId, affinity })
      const answer = Envelope.encodeClaimResponse(Envelope.noFrame, id, serverId)
      assert.deepStrictEqual(plain(answer), es.claimResponse(id, serverId))
      assert.deepStrictEqual(Envelope.decodeClaimResponse(answer), { id, serverId, affinity: 0 })
    })

    it("has its affinity as a float32, as Go does", () => {
      const decoded = Envelope.decodeClaimRequest(Envelope.encodeClaimRequest(Envelope.noFrame, "a", "b", 0.7))
      assert.deepStrictEqual(decoded, { id: "a", serverId: "b", affinity: Math.fround(0.7) })
    })

    it("to nobody is an empty server id", () => {
      const decoded = Envelope.decodeClaimResponse(Envelope.encodeClaimResponse(Envelope.noFrame, "REQ_1", ""))
      assert.deepStrictEqual(decoded, { id: "REQ_1", serverId: "", affinity: 0 })
    })
  })

  describe("times", () => {
    const roundTrip = (millis: number): number => {
      const bytes = Envelope.encodeRequest(Envelope.noFrame, request({ sentAt: millis }))
      const after = Envelope.encodeClaimResponse(Envelope.noFrame, "a", "b")
      const decoded = Envelope.decodeRequest(bytes) as Envelope.Request
      assert.strictEqual(decoded.expiry, request().expiry) // what comes after the time is where it should be
      assert.deepStrictEqual(Envelope.decodeClaimResponse(after), { id: "a", serverId: "b", affinity: 0 })
      return decoded.sentAt
    }

    it("are exact in whole milliseconds until 2262", () => {
      const edges = [0, 1, 127, 128, 268, 269, 2 ** 28, 2 ** 32, 2 ** 42, 72_057_594_037, 9_223_372_036_854]
      for (const edge of edges) {
        for (let millis = Math.max(0, edge - 3); millis <= Math.min(edge + 3, 9_223_372_036_854); millis++) {
          assert.strictEqual(roundTrip(millis), millis)
          assert.deepStrictEqual(
            plain(Envelope.encodeRequest(Envelope.noFrame, request({ sentAt: millis }))),
            es.request(request({ sentAt: millis }))
          )
        }
      }
      for (let i = 0; i < 2000; i++) {
        const millis = 1_789_000_000_000 + i * 7_919_117
        assert.strictEqual(roundTrip(millis), millis)
      }
    })

    it("keep their fraction to the nanosecond", () => {
      for (const millis of [0.000001, 0.5, 1.25, 0.999999, 0.9999999, 1_789_000_000_123.25, 268.435455, 268.435456]) {
        const bytes = Envelope.encodeRequest(Envelope.noFrame, request({ sentAt: millis }))
        assert.deepStrictEqual(plain(bytes), es.request(request({ sentAt: millis })))
        assert.closeTo(roundTrip(millis), millis, 0.000001)
      }
    })

    it("that no int64 can tell become the nearest that it can", () => {
      for (const millis of [NaN, -1, -Infinity, -0, -0.5, 1e-9, 4e-7]) assert.strictEqual(roundTrip(millis), 0)
      const last = roundTrip(Infinity)
      assert.closeTo(last, 2 ** 63 / 1e6, 0.01)
      for (const millis of [9_223_372_036_855, 2 ** 53, 1e300]) assert.strictEqual(roundTrip(millis), last)
      const value = es.openMsg("Request", Envelope.encodeRequest(Envelope.noFrame, request({ expiry: Infinity })))
      assert.strictEqual(fromBinary(RequestSchema, value as Uint8Array).expiry, 2n ** 63n - 1n)
    })

    it("before 1970 are understood", () => {
      for (const nanos of [-1n, -1_000_000n, -1_789_000_000_123_456_789n, -(2n ** 63n)]) {
        const value = toBinary(RequestSchema, create(RequestSchema, { sentAt: nanos }))
        const decoded = Envelope.decodeRequest(es.msg("Request", value)) as Envelope.Request
        assert.strictEqual(decoded.sentAt, fromNanos(nanos))
      }
    })
  })

  describe("sizes", () => {
    const around = (size: number, by: number): Array<number> => {
      const from = Math.max(0, size - by)
      return Array.from({ length: size + 10 - from }, (_, i) => from + i)
    }
    const sizes = [
      ...around(0, 0),
      ...around(128, 128),
      ...around(slabSize / 4, 130),
      ...around(slabSize, 130),
      ...around(2 ** 21, 80)
    ]

    it("of every kind around the steps of the length and of the slab fit, and nothing is ever written over", () => {
      const held: Array<readonly [bytes: Uint8Array, copy: Uint8Array]> = []
      const hold = (bytes: Uint8Array) => {
        if (bytes.length < 100_000) held.push([bytes, bytes.slice()])
      }
      for (const size of sizes) {
        const big = size > 100_000
        const one = request({ raw: bytesOf(size, size) })
        const bytes = Envelope.encodeRequest(Envelope.noFrame, one)
        assert.isTrue(Buffer.compare(bytes, es.request(one)) === 0, `request of ${size}`)
        hold(bytes)
        if (big) continue
        const text = "é".repeat(size >> 1) + (size % 2 === 0 ? "" : "x")
        const two = response({ raw: empty, error: text, code: "unknown" })
        const other = Envelope.encodeResponse(Envelope.noFrame, two)
        assert.isTrue(Buffer.compare(other, es.response(two)) === 0, `error of ${size} bytes`)
        hold(other)
        const three = request({ metadata: { key: "v".repeat(size), [text]: "" }, raw: empty })
        const third = Envelope.encodeRequest(Envelope.noFrame, three)
        assert.isTrue(Buffer.compare(third, es.request(three)) === 0, `metadata of ${size}`)
        hold(third)
      }
      for (const [bytes, copy] of held) assert.isTrue(Buffer.compare(bytes, copy) === 0)
    }, 60_000)

    it("every distance to the end of a slab is as good as any other", () => {
      const held: Array<readonly [bytes: Uint8Array, copy: Uint8Array]> = []
      const frame: Envelope.Frame = { tail: Envelope.channelTail("SayHello.REQ"), unique: true }
      for (let i = 0; i < 20_000; i++) {
        const one = request({
          id: i % 5 === 0 ? "软".repeat(i % 90) : request().id,
          clientId: i % 7 === 0 ? "é".repeat(i % 80) : request().clientId,
          raw: bytesOf((i * 7) % 301),
          metadata: i % 3 === 0 ? { k: "é".repeat(i % 50) } : {}
        })
        const bytes = Envelope.encodeRequest(frame, one)
        const decoded = Envelope.decodeRequest(bytes) as Envelope.Request
        assert.strictEqual(decoded.id, one.id)
        assert.strictEqual(decoded.raw.length, one.raw.length)
        const two = response({ error: "软".repeat(i % 60), code: "é".repeat(i % 30), raw: empty })
        const other = Envelope.encodeResponse(frame, two)
        assert.strictEqual((Envelope.decodeResponse(other) as Envelope.Response).error, two.error)
        held.push([other, other.slice()])
        held.push([bytes, bytes.slice()])
      }
      for (const [bytes, copy] of held) assert.isTrue(Buffer.compare(bytes, copy) === 0)
    })

    it("a small message never keeps more than a slab in memory, a large one no more than a slab's quarter to spare", () => {
      for (const size of [10, 1000, slabSize / 4, slabSize, 10 * slabSize, 10]) {
        const bytes = Envelope.encodeRequest(Envelope.noFrame, request({ raw: new Uint8Array(size) }))
        if (size < slabSize / 8) assert.strictEqual(bytes.buffer.byteLength, slabSize)
        else assert.isAtMost(bytes.buffer.byteLength, bytes.length + slabSize / 4)
      }
      const error = "x".repeat(1_000_000)
      const bytes = Envelope.encodeResponse(Envelope.noFrame, response({ error }))
      assert.isAtMost(bytes.buffer.byteLength, bytes.length + slabSize / 4)
    })
  })

  describe("a frame", () => {
    const frame: Envelope.Frame = { tail: Envelope.channelTail("SayHello.REQ"), unique: true }

    it("gives the message its channel", () => {
      const routed = { tail: frame.tail, unique: false }
      assert.deepStrictEqual(plain(Envelope.encodeRequest(routed, request())), es.request(request(), "SayHello.REQ"))
      assert.deepStrictEqual(
        plain(Envelope.encodeResponse(routed, response())),
        es.response(response(), "SayHello.REQ")
      )
      assert.strictEqual(Envelope.channelTail("").length, 0)
      for (const channel of ["é🚀", "x".repeat(127), "x".repeat(128), "x".repeat(20_000)]) {
        const tail = Envelope.channelTail(channel)
        const bytes = Envelope.encodeRequest({ tail, unique: false }, request())
        assert.strictEqual(fromBinary(MsgSchema, bytes).channel, channel)
        assert.strictEqual(Msg.readChannel(bytes), channel)
        assert.strictEqual(tail.buffer.byteLength, tail.length) // kept for long, so it keeps nothing else
      }
    })

    it("makes two equal messages differ, and a decoder sees no difference", () => {
      const seen = new Set<string>()
      for (let i = 0; i < 1000; i++) {
        const bytes = Envelope.encodeRequest(frame, request())
        seen.add(Buffer.from(bytes).toString("hex"))
        assert.deepStrictEqual(Envelope.decodeRequest(bytes), request())
        const unknown = fromBinary(MsgSchema, bytes).$unknown!
        assert.deepStrictEqual(
          unknown.map((field) => [field.no, field.wireType]),
          [[15, WireType.Bit64]]
        )
      }
      assert.strictEqual(seen.size, 1000)
    })

    it("goes around claims and updates, too", () => {
      const type = Envelope.makeType("acme.Update")
      for (const value of [empty, bytesOf(5), bytesOf(200)]) {
        const bytes = Envelope.encodeValue(frame, type, value)
        const msg = fromBinary(MsgSchema, bytes)
        assert.strictEqual(msg.typeUrl, "type.googleapis.com/acme.Update")
        assert.strictEqual(msg.channel, "SayHello.REQ")
        assert.deepStrictEqual(plain(msg.value), value)
        assert.deepStrictEqual(Envelope.decodeValue(type, bytes), value)
        assert.strictEqual(Envelope.decodeValue(Envelope.makeType("acme.Other"), bytes), "foreign")
        assert.strictEqual(Envelope.decodeValue(type, bytes.subarray(0, -1)), "malformed")
      }
      const claim = Envelope.encodeClaimRequest(frame, "a", "b", 0.5)
      assert.deepStrictEqual(Envelope.decodeClaimRequest(claim), { id: "a", serverId: "b", affinity: 0.5 })
      assert.strictEqual(Msg.readChannel(claim), "SayHello.REQ")
    })
  })

  describe("what a decoder accepts", () => {
    const value = () => toBinary(RequestSchema, create(RequestSchema, { requestId: "a", rawRequest: bytesOf(3) }))

    it("another message is foreign, whichever", () => {
      const messages = {
        decodeRequest: es.request(request()),
        decodeResponse: es.response(response()),
        decodeClaimRequest: es.claimRequest("a", "b", 1),
        decodeClaimResponse: es.claimResponse("a", "b")
      }
      for (const kind of kinds) {
        for (const other of kinds)
          assert.strictEqual(check(kind, messages[other]), kind === other ? "message" : "foreign")
        assert.strictEqual(check(kind, empty), "foreign")
        assert.strictEqual(check(kind, es.msg("Requests", empty)), "foreign")
        assert.strictEqual(check(kind, es.msg("", empty)), "foreign")
      }
    })

    it("the fields of a Msg in any order, and the last of each", () => {
      const w = new BinaryWriter()
      w.uint32(0x1a).string("M.REQ").uint32(0x12).bytes(bytesOf(10)).uint32(0x0a).string("x/internal.Other")
      w.uint32(0x12).bytes(value()).uint32(0x0a).string(`${prefix}Request`)
      const bytes = w.finish()
      assert.strictEqual(check("decodeRequest", bytes), "message")
      assert.strictEqual((Envelope.decodeRequest(bytes) as Envelope.Request).id, "a")
    })

    it("a value or a type given again behind the usual head counts", () => {
      const usual = es.msg("Request", bytesOf(10))
      const again = new BinaryWriter().uint32(0x12).bytes(value()).finish()
      const other = new BinaryWriter().uint32(0x0a).string(`${prefix}Response`).finish()
      assert.strictEqual(check("decodeRequest", Buffer.concat([usual, again])), "message")
      assert.strictEqual(check("decodeRequest", Buffer.concat([usual, again, other])), "foreign")
      assert.strictEqual(check("decodeResponse", Buffer.concat([es.msg("Request", empty), other])), "message")
    })

    it("any prefix of the type, as Go does", () => {
      for (const url of ["internal.Request", "/internal.Request", "example.com/a/b/internal.Request"]) {
        const bytes = toBinary(MsgSchema, create(MsgSchema, { typeUrl: url, value: value() }))
        assert.strictEqual(check("decodeRequest", bytes), "message")
      }
    })

    it("fields it does not know, groups among them, and known ones with a strange wire type", () => {
      const w = new BinaryWriter()
      w.tag(9, WireType.Varint)
        .uint64(2n ** 64n - 1n)
        .tag(10, WireType.Bit64)
        .fixed64(1n)
        .tag(11, WireType.Bit32)
      w.fixed32(1).tag(100, WireType.LengthDelimited).string("x").tag(536_870_911, WireType.Varint).int32(-1)
      w.tag(20, WireType.StartGroup).tag(21, WireType.StartGroup).tag(1, WireType.LengthDelimited).string("in a group")
      w.tag(21, WireType.EndGroup).tag(20, WireType.EndGroup)
      w.tag(6, WireType.LengthDelimited).bytes(empty) // the obsolete request
      const unknown = w.finish()
      const known = new BinaryWriter()
        .tag(1, WireType.Varint)
        .uint32(5)
        .tag(3, WireType.LengthDelimited)
        .string("x")
        .tag(8, WireType.Bit32)
        .fixed32(7)
        .tag(2, WireType.StartGroup)
        .tag(2, WireType.EndGroup)
        .finish()
      for (const inner of [unknown, known, Buffer.concat([known, value(), unknown]), Buffer.concat([value(), known])]) {
        assert.strictEqual(check("decodeRequest", es.msg("Request", inner)), "message")
        assert.strictEqual(check("decodeResponse", es.msg("Response", unknown)), "message")
        assert.strictEqual(check("decodeRequest", Buffer.concat([es.msg("Request", inner), w.finish()])), "message")
      }
      const decoded = Envelope.decodeRequest(es.msg("Request", Buffer.concat([value(), known]))) as Envelope.Request
      assert.strictEqual(decoded.id, "a")
    })

    it("a bool of many bits, a tag with bits to spare, a map entry that lacks a half or has it twice", () => {
      const inner = (...bytes: Array<number>) => es.msg("Request", Uint8Array.from(bytes))
      const decode = (bytes: Uint8Array): Envelope.Request => {
        assert.strictEqual(check("decodeRequest", bytes), "message")
        return Envelope.decodeRequest(bytes) as Envelope.Request
      }
      assert.isTrue(decode(inner(0x28, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01)).multi)
      assert.isFalse(decode(inner(0x28, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00)).multi)
      assert.strictEqual(decode(inner(0x8a, 0x80, 0x00, 0x01, 0x61)).id, "a")
      assert.deepEqual({ ...decode(inner(0x3a, 0x00)).metadata }, { "": "" })
      assert.deepEqual({ ...decode(inner(0x3a, 0x03, 0x0a, 0x01, 0x61)).metadata }, { a: "" })
      assert.deepEqual({ ...decode(inner(0x3a, 0x03, 0x12, 0x01, 0x61)).metadata }, { "": "a" })
      assert.deepEqual(
        { ...decode(inner(0x3a, 0x09, 0x12, 0x01, 0x61, 0x0a, 0x01, 0x62, 0x12, 0x01, 0x63)).metadata },
        { b: "c" }
      )
      assert.deepEqual({ ...decode(inner(0x3a, 0x00, 0x3a, 0x03, 0x12, 0x01, 0x61)).metadata }, { "": "a" })
    })

    it("nothing that is malformed", () => {
      const inner: Readonly<Record<string, ReadonlyArray<number>>> = {
        "field number 0": [0x02, 0x00],
        "wire type 6": [0x0e],
        "wire type 7": [0x0f],
        "a group that does not end": [0x0b],
        "a group that ends as another": [0x0b, 0x14],
        "the end of no group": [0x0c],
        "a tag of more than 32 bits": [0x88, 0x80, 0x80, 0x80, 0x10, 0x00],
        "a varint of more than 64 bits": [0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
        "a varint of eleven bytes": [0x18, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
        "an unknown varint of eleven bytes": [0x48, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
        "a length of more than there is": [0x42, 0x01],
        "a length of 4 GiB": [0x42, 0x80, 0x80, 0x80, 0x80, 0x10],
        "a length of 4 GiB and 1": [0x42, 0x81, 0x80, 0x80, 0x80, 0x10, 0x00],
        "a negative length": [0x42, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        "a map entry that runs over its end": [0x3a, 0x02, 0x0a, 0x01, 0x61],
        "text that is not UTF-8": [0x0a, 0x01, 0xff],
        "16 bytes of text that are not UTF-8": [0x0a, 0x10, ...Array.from({ length: 16 }, () => 0x80)],
        "half a surrogate pair": [0x0a, 0x03, 0xed, 0xa0, 0x80],
        "a tag alone": [0x0a],
        "half a tag": [0x8a]
      }
      for (const [name, bytes] of Object.entries(inner)) {
        const msg = es.msg("Request", Uint8Array.from(bytes))
        assert.strictEqual(check("decodeRequest", msg), "malformed", name)
        // What is wrong with the message is wrong with a Msg, too, but for text that nobody reads.
        if (!name.includes("UTF-8") && !name.includes("surrogate")) {
          const outer = Buffer.concat([es.msg("Request", empty), Uint8Array.from(bytes)])
          if (bytes[0] !== 0x3a) assert.strictEqual(check("decodeRequest", outer), "malformed", name)
        }
      }
    })

    it("groups a hundred deep and no deeper, without exhausting the stack", () => {
      const nested = (depth: number) =>
        es.msg(
          "Request",
          Uint8Array.from([...Array.from({ length: depth }, () => 0x4b), ...Array.from({ length: depth }, () => 0x4c)])
        )
      assert.strictEqual(check("decodeRequest", nested(99)), "message")
      assert.strictEqual(check("decodeRequest", nested(100)), "message")
      assert.strictEqual(check("decodeRequest", nested(101)), "malformed")
      assert.strictEqual(check("decodeRequest", nested(1_000_000)), "malformed")
    })
  })

  describe("bytes that a decoder hands out", () => {
    const typical = () => ({
      request: Envelope.encodeRequest(Envelope.noFrame, request()),
      response: Envelope.encodeResponse(
        Envelope.noFrame,
        response({ error: "x", details: [{ typeUrl: "t", value: bytesOf(9) }] })
      )
    })
    const handedOut = (from: (bytes: Uint8Array) => Uint8Array): Array<Uint8Array> => {
      const { request, response } = typical()
      const decoded = Envelope.decodeResponse(from(response)) as Envelope.Response
      return [
        (Envelope.decodeRequest(from(request)) as Envelope.Request).raw,
        decoded.raw,
        decoded.details[0]!.value,
        (Msg.decodeMsg(from(request)) as Msg.Msg).value,
        Envelope.decodeValue(Envelope.makeType("internal.Request"), from(request)) as Uint8Array
      ]
    }

    it("are plain Uint8Arrays, of a Buffer too", () => {
      for (const bytes of handedOut((input) => Buffer.from(input))) {
        assert.strictEqual(Object.getPrototypeOf(bytes), Uint8Array.prototype)
        const copy = bytes.slice()
        copy[0]!++
        assert.notStrictEqual(bytes[0], copy[0])
      }
    })

    it("are views of the input, wherever it lies in its memory", () => {
      const plain = handedOut((input) => input)
      const shifted = handedOut((input) => {
        const padded = new Uint8Array(input.length + 20).fill(0xff)
        padded.set(input, 7)
        return padded.subarray(7, 7 + input.length)
      })
      assert.deepStrictEqual(shifted, plain)
      const input = Envelope.encodeRequest(Envelope.noFrame, request())
      assert.strictEqual((Envelope.decodeRequest(input) as Envelope.Request).raw.buffer, input.buffer)
    })
  })

  describe("for authors of buses", () => {
    it("a Msg goes both ways", () => {
      for (const typeUrl of ["", "type.googleapis.com/acme.Update", "é".repeat(100)]) {
        for (const value of [empty, bytesOf(3), bytesOf(20_000)]) {
          for (const channel of ["", "M.REQ", "🚀".repeat(50)]) {
            const bytes = Msg.encodeMsg({ typeUrl, value, channel })
            assert.deepStrictEqual(plain(bytes), toBinary(MsgSchema, create(MsgSchema, { typeUrl, value, channel })))
            assert.deepStrictEqual(Msg.decodeMsg(bytes), { typeUrl, value, channel, hops: 0 })
            assert.strictEqual(Msg.readChannel(bytes), channel)
          }
        }
      }
      assert.strictEqual(Msg.decodeMsg(Uint8Array.of(0x0a)), "malformed")
      assert.strictEqual(Msg.readChannel(Uint8Array.of(0x1a, 0x01, 0x61, 0x0a)), "")
      assert.deepStrictEqual(Msg.decodeMsg(empty), { typeUrl: "", value: empty, channel: "", hops: 0 })
    })

    it("a nonce makes two equal ones differ", () => {
      const make = () => Buffer.from(Msg.encodeMsg({ typeUrl: "a", value: empty, nonce: true })).toString("hex")
      assert.notStrictEqual(make(), make())
    })

    it("each hop is counted, and everything else stays", () => {
      const w = new BinaryWriter()
      w.uint32(0x12).bytes(bytesOf(70)).tag(16, WireType.Varint).uint32(2).uint32(0x1a).string("M.REQ")
      w.tag(15, WireType.Bit64).fixed64(42n).tag(77, WireType.LengthDelimited).string("later").uint32(0x0a).string("t")
      let bytes: Uint8Array = w.finish()
      for (let hops = 3; hops < 300; hops++) {
        bytes = Msg.withHop(bytes)
        assert.deepStrictEqual(Msg.decodeMsg(bytes), { typeUrl: "t", value: bytesOf(70), channel: "M.REQ", hops })
      }
      const reader = new BinaryReader(bytes)
      const numbers: Array<number> = []
      while (reader.pos < reader.len) {
        const [no, type] = reader.tag()
        numbers.push(no)
        reader.skip(type, no)
      }
      assert.deepStrictEqual(numbers, [2, 3, 15, 77, 1, 16])
      const framed = { tail: Envelope.channelTail("M.REQ"), unique: true }
      const handedOn = Msg.withHop(Envelope.encodeRequest(framed, request()))
      assert.deepStrictEqual(Envelope.decodeRequest(handedOn), request())
      assert.strictEqual(Msg.readChannel(handedOn), "M.REQ")
    })

    it("hops can be given, and what cannot be read is handed on as it is", () => {
      for (const [given, hops] of [
        [0, 0],
        [1, 1],
        [16, 16],
        [2.5, 2],
        [-1, 0],
        [NaN, 0]
      ] as const) {
        const decoded = Msg.decodeMsg(Msg.encodeMsg({ typeUrl: "t", value: empty, hops: given }))
        assert.strictEqual((decoded as Msg.Msg).hops, hops)
      }
      const once = Msg.withHop(Msg.encodeMsg({ typeUrl: "t", value: empty }).slice())
      assert.strictEqual((Msg.decodeMsg(Msg.withHop(once, 65)) as Msg.Msg).hops, 66)
      const broken = Uint8Array.of(0x0a, 0x05)
      assert.strictEqual(Msg.withHop(broken), broken)
    })
  })

  // ── whatever the bytes ────────────────────────────────────────────────────────────────────────────────────────────

  describe("whatever the bytes", () => {
    const samples: ReadonlyArray<readonly [kind: (typeof kinds)[number], bytes: Uint8Array]> = [
      ["decodeRequest", es.request(request({ metadata: { a: "b", é: "🚀" } }), "M.REQ")],
      ["decodeRequest", es.request(request({ raw: bytesOf(5), multi: true }))],
      ["decodeResponse", es.response(responses["with an error of unicode"]!)],
      [
        "decodeResponse",
        es.response(response({ raw: empty, error: "x", details: [{ typeUrl: "t", value: bytesOf(4) }] }))
      ],
      ["decodeClaimRequest", es.claimRequest("REQ_0123456789ab", "SRV_abcdefghijkl", 0.5)],
      ["decodeClaimResponse", es.claimResponse("REQ_0123456789ab", "SRV_abcdefghijkl")]
    ]
    const heads: ReadonlyArray<readonly [kind: (typeof kinds)[number], head: Uint8Array]> = [
      ["decodeRequest", Envelope.makeType("internal.Request").head],
      ["decodeResponse", Envelope.makeType("internal.Response").head],
      ["decodeClaimRequest", Envelope.makeType("internal.ClaimRequest").head],
      ["decodeClaimResponse", Envelope.makeType("internal.ClaimResponse").head]
    ]

    it("random bytes, alone and in a Msg of the right type, are read by the rules", () => {
      const random = generator(1)
      const seen = { malformed: 0, foreign: 0, message: 0 }
      for (let i = 0; i < 40_000; i++) {
        const bytes = randomBytes(random)
        const [kind, head] = heads[i % heads.length]!
        seen[check(kind, bytes)]++
        seen[check(kind, Uint8Array.from([...head, bytes.length, ...bytes]))]++
      }
      assert.isAbove(seen.malformed, 1000)
      assert.isAbove(seen.message, 1000)
    }, 60_000)

    it("messages cut short anywhere are malformed, foreign or, at the end of a field, a message", () => {
      for (const [kind, bytes] of samples) {
        for (let length = 0; length < bytes.length; length++) check(kind, bytes.slice(0, length))
        const value = (Msg.decodeMsg(bytes) as Msg.Msg).value
        const type = kind.slice("decode".length)
        for (let length = 0; length < value.length; length++) check(kind, es.msg(type, value.slice(0, length)))
      }
    })

    it("messages with any one bit turned over are read by the rules", () => {
      for (const [kind, bytes] of samples) {
        for (const turned of bitsTurned(bytes)) check(kind, turned)
      }
    }, 60_000)

    it("messages with several bytes changed, lost, doubled or put in are read by the rules", () => {
      const random = generator(2)
      for (let i = 0; i < 40_000; i++) {
        const [kind, sample] = samples[i % samples.length]!
        const input = damaged(sample, random)
        check(kind, input)
        Msg.decodeMsg(input)
        Msg.readChannel(input)
        Msg.withHop(input)
      }
    }, 60_000)

    it.prop(
      "every request survives the way",
      {
        id: Schema.String,
        clientId: Schema.String,
        metadata: Schema.Record(Schema.String, Schema.String),
        raw: Schema.Uint8Array,
        multi: Schema.Boolean
      },
      (input) => {
        const wellFormed = {
          ...input,
          id: input.id.toWellFormed(),
          clientId: input.clientId.toWellFormed(),
          metadata: Object.entries(
            Object.fromEntries(Object.entries(input.metadata).map(([k, v]) => [k.toWellFormed(), v.toWellFormed()]))
          )
        }
        const bytes = Envelope.encodeRequest(Envelope.noFrame, request(input))
        assert.deepStrictEqual(comparable(Envelope.decodeRequest(bytes)), { ...request(), ...wellFormed })
        assert.deepStrictEqual(es.decodeRequest(bytes), { ...request(), ...wellFormed })
      },
      { arbitrary: { runs: 500 } }
    )

    it("text that is not well-formed UTF-16 reaches the wire as U+FFFD", () => {
      const bytes = Envelope.encodeRequest(
        Envelope.noFrame,
        request({ id: "a\ud800", metadata: { "\udc00": "b\ud83d" } })
      )
      const decoded = Envelope.decodeRequest(bytes) as Envelope.Request
      assert.strictEqual(decoded.id, "a\ufffd")
      assert.deepStrictEqual(Object.entries(decoded.metadata), [["\ufffd", "b\ufffd"]])
      assert.deepStrictEqual(es.decodeRequest(bytes), comparable(decoded))
    })

    it("long text is read whatever it is made of", () => {
      for (const text of ["x", "é", "软", "🚀", "\0", "\u007f", "\u0080", "\ufffd"]) {
        for (const length of [1, 2, 5, 7, 8, 15, 16, 17, 31, 32, 42, 43, 63, 64, 127, 128, 129, 5461, 5462, 20_000]) {
          const value = `${utf8.encode(text).length}${text.repeat(length)}`
          const bytes = Envelope.encodeClaimResponse(Envelope.noFrame, value, "")
          assert.strictEqual((Envelope.decodeClaimResponse(bytes) as Envelope.Claim).id, value)
          assert.isTrue(Buffer.compare(bytes, es.claimResponse(value, "")) === 0)
        }
      }
    })
  })
})
