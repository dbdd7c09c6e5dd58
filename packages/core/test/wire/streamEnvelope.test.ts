import { create, toBinary } from "@bufbuild/protobuf"
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire"
import { assert, describe, it } from "@effect/vitest"
import * as Envelope from "../../src/internal/wire/callEnvelope.ts"
import { readChannel } from "../../src/internal/wire/msg.ts"
import * as Streams from "../../src/internal/wire/streamEnvelope.ts"
import { slabSize } from "../../src/internal/wire/writer.ts"
import { bytesOf, empty, fromNanos, msg, openMsg, plain } from "./referenceCodec.ts"
import { StreamSchema } from "../gen/internal_pb.ts"
import {
  ack,
  check,
  close,
  comparable,
  decode,
  encode,
  es,
  head,
  keepalive,
  message,
  noCapabilities,
  open,
  samples
} from "./streamSamples.ts"

describe("messages of a stream", () => {
  it.each(Object.keys(samples))("%s is on the wire what generated code writes", (name) => {
    assert.deepStrictEqual(plain(encode(samples[name]!)), es.stream(samples[name]!))
  })

  it.each(Object.keys(samples))("%s comes back", (name) => {
    const bytes = es.stream(samples[name]!)
    assert.strictEqual(check(bytes), "message")
    assert.deepStrictEqual(comparable(Streams.decodeStream(bytes)), comparable(samples[name]!))
  })

  it("have these bytes", () => {
    const small = { streamId: "S", requestId: "R", sentAt: 1, expiry: 1000 }
    const headHex = "0a0153 120152 18c0843d 208094ebdc03".replaceAll(" ", "")
    const hexOf = (stream: Streams.Stream): string => {
      const head = Envelope.makeType("internal.Stream").head
      const bytes = encode(stream)
      assert.deepStrictEqual(plain(bytes.subarray(0, head.length)), plain(head))
      const value = Buffer.from(bytes.subarray(head.length))
      assert.strictEqual(value[0], value.length - 1)
      const hex = value.subarray(1).toString("hex")
      assert.isTrue(hex.startsWith(headHex))
      return hex.slice(headHex.length)
    }
    assert.strictEqual(
      Buffer.from(Envelope.makeType("internal.Stream").head).toString("latin1"),
      "\n#type.googleapis.com/internal.Stream\x12"
    )
    const has = (stream: Streams.Stream, body: string) =>
      assert.strictEqual(hexOf(stream), body.replaceAll(" ", ""), stream.kind)
    const opening = { ...open(), ...small, clientId: "C", metadata: { a: "b" } }
    has(opening, "32 0b 0a0143 3a060a0161120162")
    has({ ...opening, features: 1, keepalive: 300 }, "32 12 0a0143 3a060a0161120162 a00601 a806ac02")
    has({ ...opening, features: 1, buffer: 100 }, "32 11 0a0143 3a060a0161120162 a00601 b00664")
    has({ ...message(Uint8Array.of(1, 2, 3)), ...small }, "3a 05 1203010203")
    has({ ...message(empty), ...small }, "3a 00")
    has({ ...ack(), ...small }, "42 00")
    has({ ...ack(1, 300), ...small }, "42 07 a00601 a806ac02")
    has({ ...ack(1, 300, 100), ...small }, "42 0a a00601 a806ac02 b00664")
    has({ ...ack(0, 0, 200), ...small }, "42 04 b006c801")
    has({ ...close("EOF", "x"), ...small }, "4a 08 0a03454f46 120178")
    has({ kind: "end", ...small }, "a00601")
    has({ ...keepalive(), ...small }, "")
    has({ ...keepalive(true), ...small }, "a80601")
  })

  it("are flat objects with the fields of their kind and no others", () => {
    for (const [name, stream] of Object.entries(samples)) {
      const decoded = Streams.decodeStream(encode(stream)) as Streams.Stream
      assert.sameMembers(Object.keys(decoded), Object.keys(stream), name)
    }
  })

  it("a keepalive asks for a reply only if it is a probe", () => {
    const bytes = Streams.encodeStreamKeepalive(Envelope.noFrame, head)
    assert.deepStrictEqual(plain(bytes), es.stream(keepalive()))
    assert.deepStrictEqual(Streams.decodeStream(bytes), keepalive())
  })

  it("an ack echoes what it is given, a message that was decoded among them", () => {
    const decoded = Streams.decodeStream(es.stream(samples["a message"]!)) as Streams.StreamMessage
    assert.deepStrictEqual(plain(Streams.encodeStreamAck(Envelope.noFrame, decoded)), es.stream(ack()))
  })

  it("are told from everything else that a Msg can have in it", () => {
    assert.strictEqual(check(Envelope.encodeClaimResponse(Envelope.noFrame, "a", "b")), "foreign")
    assert.strictEqual(check(empty), "foreign")
    for (const type of ["", "Streams", "StreamOpen", "stream"]) assert.strictEqual(check(msg(type, empty)), "foreign")
    assert.strictEqual(Envelope.decodeRequest(encode(ack())), "foreign")
  })

  it("are to a peer without this library's fields what they are without them, and an end has no body", () => {
    const withoutOurs = (bytes: Uint8Array): Uint8Array => {
      const reader = new BinaryReader(bytes)
      const pieces: Array<Uint8Array> = []
      while (reader.pos < reader.len) {
        const start = reader.pos
        const [no, type] = reader.tag()
        if (no === 6 || no === 8) {
          pieces.push(new BinaryWriter().tag(no, type).bytes(withoutOurs(reader.bytes())).finish())
          continue
        }
        reader.skip(type, no)
        if (no < 100) pieces.push(bytes.subarray(start, reader.pos))
      }
      return Uint8Array.from(Buffer.concat(pieces))
    }
    for (const [name, stream] of Object.entries(samples)) {
      const left = withoutOurs(openMsg("Stream", encode(stream)) as Uint8Array)
      const plain: Streams.Stream =
        stream.kind === "open" || stream.kind === "ack"
          ? { ...stream, ...noCapabilities }
          : stream.kind === "end" || stream.kind === "keepalive"
            ? { ...stream, kind: "keepalive", probe: false }
            : stream
      assert.deepStrictEqual(msg("Stream", left), es.stream(plain), name)
    }
  })

  it("have the channel and the nonce of their frame", () => {
    const routed = { tail: Envelope.channelTail("Chat.STR"), unique: false }
    for (const [name, stream] of Object.entries(samples)) {
      assert.deepStrictEqual(plain(encode(stream, routed)), es.stream(stream, "Chat.STR"), name)
      const unique = { ...routed, unique: true }
      const [one, two] = [encode(stream, unique), encode(stream, unique)]
      assert.notDeepEqual(one, two)
      for (const bytes of [one, two]) {
        assert.deepStrictEqual(comparable(Streams.decodeStream(bytes)), comparable(stream))
        assert.strictEqual(readChannel(bytes), "Chat.STR")
      }
    }
  })
})

describe("capabilities", () => {
  const roundTrip = (told: Partial<Streams.StreamCapabilities>): Streams.StreamCapabilities => {
    const opening = Streams.encodeStreamOpen(Envelope.noFrame, head, open(told))
    const answer = Streams.encodeStreamAck(Envelope.noFrame, head, { ...noCapabilities, ...told })
    const opened = Streams.decodeStream(opening) as Streams.StreamOpen
    const acked = Streams.decodeStream(answer) as Streams.StreamAck
    const capabilities = { features: opened.features, keepalive: opened.keepalive, buffer: opened.buffer }
    assert.deepStrictEqual({ ...acked }, { kind: "ack", ...head, ...capabilities })
    assert.deepStrictEqual(plain(opening), es.stream(open(capabilities)))
    assert.deepStrictEqual(plain(answer), es.stream({ ...ack(), ...capabilities }))
    return capabilities
  }

  it("of every size go both ways", () => {
    for (let bits = 0; bits <= 32; bits++) {
      for (const value of [2 ** bits - 1, Math.min(2 ** bits, 0xffffffff)]) {
        for (let which = 0; which < 8; which++) {
          const told = {
            features: which & 1 ? value : 0,
            keepalive: which & 2 ? value : 0,
            buffer: which & 4 ? value : 0
          }
          assert.deepStrictEqual(roundTrip(told), told)
        }
      }
    }
  })

  it("as operators on bits make them are the same bits", () => {
    assert.strictEqual(roundTrip({ features: 1 << 31 }).features, 2 ** 31)
    assert.strictEqual(roundTrip({ features: ~0 }).features, 0xffffffff)
  })

  it("that no field can tell become the nearest that it can", () => {
    const told = (amount: number, becomes: number): void => {
      for (const ability of ["keepalive", "buffer"] as const) {
        assert.deepStrictEqual(roundTrip({ [ability]: amount }), { ...noCapabilities, [ability]: becomes })
      }
    }
    for (const none of [-1, -Infinity, NaN, 0.9, -0]) told(none, 0)
    for (const much of [2 ** 32, 2 ** 32 - 0.5, 1e300, Infinity]) told(much, 0xffffffff)
    told(1500.7, 1500)
  })

  it("of more than 32 bits are read as protobuf reads a uint32", () => {
    const reads = (varint: ReadonlyArray<number>, value: number): void => {
      for (const body of [0x32, 0x42]) {
        for (const [tag, ability] of [
          [0xa0, "features"],
          [0xa8, "keepalive"],
          [0xb0, "buffer"]
        ] as const) {
          const { [ability]: read } = decode([body, varint.length + 2, tag, 0x06, ...varint]) as Streams.StreamAck
          assert.strictEqual(read, value)
        }
      }
    }
    reads([0x81, 0x80, 0x80, 0x80, 0x10], 1)
    reads([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], 0xffffffff)
    reads([0xff, 0xff, 0xff, 0xff, 0x0f], 0xffffffff)
    reads([0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], 1)
  })
})

describe("times", () => {
  const edges = [0, 1, 127, 128, 268, 269, 2 ** 28, 2 ** 32, 2 ** 42, 72_057_594_037, 9_223_372_036_854]

  it("are exact in whole milliseconds until 2262, whatever the kind", () => {
    for (const sentAt of edges) {
      for (const expiry of edges) {
        for (const name of ["an opening", "a message", "an ack", "a close", "an end", "a keepalive", "a probe"]) {
          const stream = { ...samples[name]!, sentAt, expiry }
          const bytes = encode(stream)
          assert.deepStrictEqual(plain(bytes), es.stream(stream))
          assert.deepStrictEqual(comparable(Streams.decodeStream(bytes)), comparable(stream))
        }
      }
    }
  })

  it("that no int64 can tell become the nearest that it can, and what follows them is where it should be", () => {
    const roundTrip = (sentAt: number, expiry: number): Streams.StreamMessage => {
      const bytes = Streams.encodeStreamMessage(Envelope.noFrame, { ...head, sentAt, expiry }, bytesOf(5))
      const decoded = Streams.decodeStream(bytes) as Streams.StreamMessage
      assert.deepStrictEqual(decoded, message(bytesOf(5), { sentAt: decoded.sentAt, expiry: decoded.expiry }))
      return decoded
    }
    for (const millis of [NaN, -1, -Infinity, -0, -0.5, 1e-9]) {
      assert.strictEqual(roundTrip(millis, 7).sentAt, 0)
      assert.strictEqual(roundTrip(7, millis).expiry, 0)
    }
    const { expiry } = roundTrip(1, Infinity)
    assert.closeTo(expiry, 2 ** 63 / 1e6, 0.01)
    for (const millis of [9_223_372_036_855, 1e300]) assert.strictEqual(roundTrip(millis, 1).sentAt, expiry)
  })

  it("of any int64 are understood", () => {
    for (const nanos of [-1n, -1_789_000_000_123_456_789n, -(2n ** 63n), 2n ** 63n - 1n, 1n]) {
      const bytes = toBinary(StreamSchema, create(StreamSchema, { sentAt: nanos, expiry: nanos }))
      const { expiry, sentAt } = decode(bytes)
      assert.deepStrictEqual([sentAt, expiry], [fromNanos(nanos), fromNanos(nanos)])
    }
  })
})

describe("sizes", () => {
  it("of every kind around the steps of the lengths and of the slab fit, and nothing is ever written over", () => {
    const held: Array<readonly [bytes: Uint8Array, copy: Uint8Array]> = []
    const sizes = [0, 128, 2 ** 14, slabSize / 4, slabSize].flatMap((size) =>
      Array.from({ length: 150 }, (_, i) => Math.max(0, size - 140) + i)
    )
    for (const size of sizes) {
      const text = "é".repeat(size >> 1) + (size % 2 === 0 ? "" : "x")
      for (const stream of [
        message(bytesOf(size, size)),
        close(text, "internal"),
        open({ metadata: { key: text }, features: size, buffer: size }),
        open({ clientId: text })
      ]) {
        const bytes = encode(stream)
        assert.isTrue(Buffer.compare(bytes, es.stream(stream)) === 0, `${stream.kind} of ${size}`)
        held.push([bytes, bytes.slice()])
      }
    }
    for (const [bytes, copy] of held) assert.isTrue(Buffer.compare(bytes, copy) === 0)
  }, 60_000)

  it("of megabytes, too", () => {
    for (const size of [2 ** 21 - 10, 2 ** 21, 2 ** 21 + 10]) {
      const one = message(bytesOf(size))
      assert.isTrue(Buffer.compare(encode(one), es.stream(one)) === 0)
    }
  })

  it("where every character takes three bytes and every field is there, what is reckoned with is enough", () => {
    // each is more than fits into a slab, so it is written into memory of just the size that is reckoned with
    const text = "软".repeat(slabSize / 12)
    const ids = { ...head, streamId: text, requestId: text }
    const unique = { tail: Envelope.channelTail("Chat.STR"), unique: true }
    const most = { features: 2 ** 31, keepalive: 2 ** 31, buffer: 2 ** 31 }
    for (const stream of [
      { ...open({ clientId: text, metadata: { [text]: text, é: text }, ...most }), ...ids },
      { ...open(most), ...ids },
      message(empty, ids),
      message(bytesOf(slabSize), ids),
      { ...ack(), ...ids },
      { ...ack(), ...most, ...ids },
      { ...close(text, text), ...ids },
      { ...close("", ""), ...ids },
      { kind: "end", ...ids },
      { ...keepalive(), ...ids },
      { ...keepalive(true), ...ids }
    ] as const) {
      const bytes = encode(stream, unique)
      assert.deepStrictEqual(plain(bytes.subarray(0, -9)), es.stream(stream, "Chat.STR"), stream.kind)
      assert.strictEqual(bytes.at(-9), 0x79)
    }
  })

  it("every distance to the end of a slab is as good as any other", () => {
    const held: Array<readonly [bytes: Uint8Array, copy: Uint8Array]> = []
    const frame: Envelope.Frame = { tail: Envelope.channelTail("Chat.STR"), unique: true }
    const hold = (stream: Streams.Stream): void => {
      const bytes = encode(stream, frame)
      assert.deepStrictEqual(comparable(Streams.decodeStream(bytes)), comparable(stream))
      held.push([bytes, bytes.slice()])
    }
    for (let i = 0; i < 5000; i++) {
      hold(
        message(bytesOf((i * 7) % 301), {
          streamId: i % 5 === 0 ? "软".repeat(i % 90) : head.streamId,
          requestId: i % 7 === 0 ? "é".repeat(i % 80) : head.requestId
        })
      )
      hold(ack(i % 3, (i * 97) % 70_000, (i * 31) % 20_000))
      hold(close("软".repeat(i % 60), "é".repeat(i % 30)))
      hold(
        open({
          clientId: "é".repeat(i % 64),
          metadata: { k: "软".repeat(i % 50), é: "" },
          features: (i * 2 ** 20) >>> 0,
          keepalive: i,
          buffer: (i * 2 ** 21) >>> 0
        })
      )
      hold(i % 3 === 0 ? { kind: "end", ...head } : keepalive(i % 3 === 1))
    }
    for (const [bytes, copy] of held) assert.isTrue(Buffer.compare(bytes, copy) === 0)
  }, 60_000)

  it("an encoder that cannot read what it is given leaves the next one unharmed", () => {
    const broken: Array<() => unknown> = [
      () => Streams.encodeStreamMessage(Envelope.noFrame, head, undefined as never),
      () => Streams.encodeStreamMessage(Envelope.noFrame, head, { length: 2 ** 50 } as never),
      () => Streams.encodeStreamMessage(Envelope.noFrame, undefined as never, empty),
      () => Streams.encodeStreamAck(Envelope.noFrame, { ...head, streamId: undefined } as never),
      () => Streams.encodeStreamClose(Envelope.noFrame, head, undefined as never, ""),
      () => encode(open({ metadata: { a: undefined } as never })),
      () => encode(open({ clientId: undefined as never }))
    ]
    for (const attempt of broken) {
      assert.throws(attempt)
      assert.deepStrictEqual(plain(encode(samples["a message"]!)), es.stream(samples["a message"]!))
    }
  })
})

describe("the bytes of a message", () => {
  it("are a view of the input, plain even where that is a Buffer, wherever it lies in its memory", () => {
    const input = encode(message(bytesOf(66)))
    const { raw } = Streams.decodeStream(input) as Streams.StreamMessage
    assert.strictEqual(raw.buffer, input.buffer)
    const padded = Buffer.alloc(input.length + 20, 0xff)
    padded.set(input, 7)
    const other = (Streams.decodeStream(padded.subarray(7, 7 + input.length)) as Streams.StreamMessage).raw
    assert.strictEqual(Object.getPrototypeOf(other), Uint8Array.prototype)
    assert.deepStrictEqual(other, bytesOf(66))
    assert.strictEqual(other.buffer, padded.buffer)
  })
})
