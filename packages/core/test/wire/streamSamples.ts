/**
 * What the tests of streams' messages share: the messages from generated code, by a slow and simple reference, and samples.
 */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf"
import { assert } from "@effect/vitest"
import * as Envelope from "../../src/internal/wire/callEnvelope.ts"
import * as Streams from "../../src/internal/wire/streamEnvelope.ts"
import { agree, bytesOf, empty, fromNanos, msg, openMsg, plain, reference, toNanos } from "./referenceCodec.ts"
import { StreamSchema } from "../gen/internal_pb.ts"

export const noCapabilities: Streams.StreamCapabilities = { features: 0, keepalive: 0, buffer: 0 }

export const encode = (stream: Streams.Stream, frame = Envelope.noFrame): Uint8Array => {
  switch (stream.kind) {
    case "open":
      return Streams.encodeStreamOpen(frame, stream, stream)
    case "message":
      return Streams.encodeStreamMessage(frame, stream, stream.raw)
    case "ack":
      return Streams.encodeStreamAck(frame, stream, stream)
    case "close":
      return Streams.encodeStreamClose(frame, stream, stream.error, stream.code)
    case "end":
      return Streams.encodeStreamEnd(frame, stream)
    case "keepalive":
      return Streams.encodeStreamKeepalive(frame, stream, stream.probe)
  }
}

// ── protobuf-es: the same messages from generated code ──────────────────────────────────────────────────────────────

export type Body = NonNullable<MessageInitShape<typeof StreamSchema>["body"]>

const bodyOf = (stream: Streams.Stream): Body => {
  switch (stream.kind) {
    case "open": {
      const { buffer, clientId, features, keepalive, metadata } = stream
      return { case: "open", value: { nodeId: clientId, metadata: { ...metadata }, features, keepalive, buffer } }
    }
    case "message":
      return { case: "message", value: { rawMessage: stream.raw } }
    case "ack": {
      const { buffer, features, keepalive } = stream
      return { case: "ack", value: { features, keepalive, buffer } }
    }
    case "close":
      return { case: "close", value: { error: stream.error, code: stream.code } }
    default:
      return { case: undefined }
  }
}

export const es = {
  stream: (stream: Streams.Stream, channel = ""): Uint8Array => {
    const { requestId, streamId } = stream
    const message = create(StreamSchema, {
      streamId,
      requestId,
      sentAt: toNanos(stream.sentAt),
      expiry: toNanos(stream.expiry),
      body: bodyOf(stream),
      end: stream.kind === "end",
      probe: stream.kind === "keepalive" && stream.probe
    })
    return msg("Stream", toBinary(StreamSchema, message), channel)
  },
  decodeStream: (bytes: Uint8Array): unknown => {
    const value = openMsg("Stream", bytes)
    if (value === "foreign") return value
    const { body, end, probe, ...rest } = fromBinary(StreamSchema, value)
    const head = {
      streamId: rest.streamId,
      requestId: rest.requestId,
      sentAt: fromNanos(rest.sentAt),
      expiry: fromNanos(rest.expiry)
    }
    switch (body.case) {
      case "open": {
        const { buffer, features, keepalive, metadata, nodeId } = body.value
        return {
          kind: "open",
          ...head,
          clientId: nodeId,
          metadata: Object.entries(metadata),
          features,
          keepalive,
          buffer
        }
      }
      case "message":
        return { kind: "message", ...head, raw: plain(body.value.rawMessage) }
      case "ack": {
        const { buffer, features, keepalive } = body.value
        return { kind: "ack", ...head, features, keepalive, buffer }
      }
      case "close":
        return { kind: "close", ...head, error: body.value.error, code: body.value.code }
      default:
        return end ? { kind: "end", ...head } : { kind: "keepalive", ...head, probe }
    }
  }
}

/** A decoded message for comparison: metadata as entries, since order counts and prototypes do not. */
export const comparable = (stream: Streams.Stream | Envelope.Rejected): unknown =>
  typeof stream === "string" || stream.kind !== "open"
    ? stream
    : { ...stream, metadata: Object.entries(stream.metadata) }

// ── the same by protobuf's rules as Go applies them ─────────────────────────────────────────────────────────────────

const uint32 = (varint: bigint): number => Number(BigInt.asUintN(32, varint))

/** What an opening and an ack have in common. */
const capabilities = (into: { -readonly [K in keyof Streams.StreamCapabilities]: number }): Parameters<
  typeof reference.message
>[1] => ({
  100: [0, (field) => (into.features = uint32(field.varint))],
  101: [0, (field) => (into.keepalive = uint32(field.varint))],
  102: [0, (field) => (into.buffer = uint32(field.varint))]
})

const decodeByRules = (bytes: Uint8Array): unknown => {
  const value = reference.openMsg("Stream", bytes)
  if (value === "foreign") return value
  const head = { streamId: "", requestId: "", sentAt: 0, expiry: 0 }
  let end = false
  let probe = false
  let body: Record<string, unknown> = { kind: "none" }
  /** The body of a kind: the one at hand, to be merged with, or a new one. */
  const become = <A extends object>(kind: string, fresh: A): A => {
    if (body["kind"] !== kind) body = { kind, ...fresh }
    return body as A
  }
  reference.message(value, {
    1: [2, (field) => (head.streamId = reference.text(field.data))],
    2: [2, (field) => (head.requestId = reference.text(field.data))],
    3: [0, (field) => (head.sentAt = fromNanos(BigInt.asIntN(64, field.varint)))],
    4: [0, (field) => (head.expiry = fromNanos(BigInt.asIntN(64, field.varint)))],
    6: [
      2,
      (field) => {
        const open = become("open", { clientId: "", metadata: new Map<string, string>(), ...noCapabilities })
        reference.message(field.data, {
          1: [2, (field) => (open.clientId = reference.text(field.data))],
          7: [2, (field) => open.metadata.set(...reference.entry(field.data))],
          ...capabilities(open)
        })
      }
    ],
    7: [
      2,
      (field) => {
        const message = become("message", { raw: empty as Uint8Array })
        reference.message(field.data, {
          1: [2, () => reference.odd++],
          2: [2, (field) => (message.raw = field.data)]
        })
      }
    ],
    8: [
      2,
      (field) => {
        const ack = become("ack", { ...noCapabilities })
        reference.message(field.data, capabilities(ack))
      }
    ],
    9: [
      2,
      (field) => {
        const close = become("close", { error: "", code: "" })
        reference.message(field.data, {
          1: [2, (field) => (close.error = reference.text(field.data))],
          2: [2, (field) => (close.code = reference.text(field.data))]
        })
      }
    ],
    100: [0, (field) => (end = field.varint !== 0n)],
    101: [0, (field) => (probe = field.varint !== 0n)]
  })
  if (body["kind"] === "none") return end ? { kind: "end", ...head } : { kind: "keepalive", ...head, probe }
  const { metadata } = body
  return metadata instanceof Map
    ? { ...body, ...head, metadata: Object.entries(Object.fromEntries(metadata)) }
    : { ...body, ...head }
}

/** Decodes like the reference, whatever the bytes, and writes to none of them. */
export const check = (bytes: Uint8Array): "malformed" | "foreign" | "message" => {
  const input = bytes.slice()
  const ours = comparable(Streams.decodeStream(bytes))
  assert.isTrue(Buffer.from(bytes).equals(input), "the decoder has changed its input")
  return agree(ours, input, decodeByRules, es.decodeStream)
}

/** The same of bytes in a `Msg`, and what they are. */
export const decode = (...pieces: ReadonlyArray<Uint8Array | ReadonlyArray<number>>): Streams.Stream => {
  const bytes = msg("Stream", Uint8Array.from(pieces.flatMap((piece) => Array.from(piece))))
  assert.strictEqual(check(bytes), "message")
  return Streams.decodeStream(bytes) as Streams.Stream
}

// ── samples ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export const head: Streams.StreamHead = {
  streamId: "STR_0123456789ab",
  requestId: "REQ_abcdefghijkl",
  sentAt: 1_789_000_000_123,
  expiry: 1_789_000_003_123
}
export const noHead: Streams.StreamHead = { streamId: "", requestId: "", sentAt: 0, expiry: 0 }

export const open = (over: Partial<Streams.StreamOpen> = {}): Streams.StreamOpen => ({
  kind: "open",
  ...head,
  clientId: "CLI_abcdefghijkl",
  metadata: Envelope.emptyMetadata,
  ...noCapabilities,
  ...over
})
export const message = (raw: Uint8Array, over: Partial<Streams.StreamHead> = {}): Streams.StreamMessage => ({
  kind: "message",
  ...head,
  ...over,
  raw
})
export const ack = (features = 0, keepalive = 0, buffer = 0): Streams.StreamAck => ({
  kind: "ack",
  ...head,
  features,
  keepalive,
  buffer
})
export const close = (error: string, code: string): Streams.StreamClose => ({ kind: "close", ...head, error, code })
export const keepalive = (probe = false): Streams.StreamKeepalive => ({ kind: "keepalive", ...head, probe })

export const samples: Readonly<Record<string, Streams.Stream>> = {
  "an opening": open(),
  "an opening with capabilities": open({ features: 5, keepalive: 15_000, buffer: 100 }),
  "an opening with the most of every ability": open({
    features: 0xffffffff,
    keepalive: 0xffffffff,
    buffer: 0xffffffff
  }),
  "an opening with a buffer alone": open({ buffer: 1 }),
  "an opening with metadata": open({
    metadata: { traceparent: `00-${"a".repeat(32)}-01`, tenant: "acme", empty: "", "": "x" },
    features: 1
  }),
  "an opening with long metadata": open({ metadata: { ["k".repeat(200)]: "v".repeat(20_000), b: "é".repeat(70) } }),
  "an opening with a client id of unicode": open({ clientId: "🚀🛰软件", metadata: { clé: "값" } }),
  "an opening of 127 bytes": open({ clientId: "c".repeat(125) }),
  "an opening of 128 bytes": open({ clientId: "c".repeat(126) }),
  "an empty opening": open({ ...noHead, clientId: "" }),
  "a message": message(bytesOf(66)),
  "a message of nothing": message(empty),
  "a message of 125 bytes": message(bytesOf(125)),
  "a message of 126 bytes": message(bytesOf(126)),
  "a message with ids of unicode": message(bytesOf(3), { streamId: "STR_é", requestId: "é".repeat(100) }),
  "a message with nothing else": message(bytesOf(3), noHead),
  "a message with fractions of a millisecond": message(empty, { sentAt: 1_789_000_000_123.25, expiry: 0.000001 }),
  "an ack": ack(),
  "an ack with capabilities": ack(3, 15_000, 100),
  "an ack with features alone": ack(128),
  "an ack with a keepalive alone": ack(0, 1),
  "an ack with a buffer alone": ack(0, 0, 128),
  "a close": close("stream closed", "canceled"),
  "a close of unicode": close("çà et là 🚀", "unknown"),
  "a close with a long error": close("软".repeat(10_000), "internal"),
  "a close with an error alone": close("EOF", ""),
  "a close with a code alone": close("", "unavailable"),
  "a close without cause": close("", ""),
  "an end": { kind: "end", ...head },
  "an end with nothing else": { kind: "end", ...noHead },
  "a keepalive": keepalive(),
  "a keepalive with nothing in it": { ...keepalive(), ...noHead },
  "a probe": keepalive(true),
  "a probe with nothing else": { ...keepalive(true), ...noHead }
}
