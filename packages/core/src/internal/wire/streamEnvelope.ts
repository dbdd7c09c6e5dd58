/**
 * The envelopes of streams, written and read by the rules of callEnvelope.ts. An `internal.Stream` has one of six kinds,
 * given by its body, which is a oneof: a later body replaces an earlier one, and a repeated body is merged, the second's
 * fields over the first's.
 *
 * Two of the six kinds, and the fields from 100 on, are extensions of this library. Go skips such fields as unknown, and
 * ignores a `Stream` without a body.
 */
import { emptyMetadata } from "../metadata/model.ts"
import * as MetadataField from "./metadataField.ts"
import { beginMsg, emptyBytes, endMsg, type Frame, makeType, openMsg, type Rejected } from "./frame.ts"
import * as Reader from "./reader.ts"
import * as Writer from "./writer.ts"

/** The fields of every message of a stream. An ack repeats those of the message that it acknowledges. */
export interface StreamHead {
  readonly streamId: string
  readonly requestId: string
  /** Unix milliseconds. */
  readonly sentAt: number
  /** Unix milliseconds. */
  readonly expiry: number
}

/** The capabilities that an endpoint announces when a stream opens. Go announces none. */
export interface StreamCapabilities {
  /** 32 flags. */
  readonly features: number
  /** The keepalive interval in milliseconds, below 2^32; 0 if the endpoint sends none. */
  readonly keepalive: number
  /** How many unread messages the endpoint buffers before its acks wait; 0 if unknown. */
  readonly buffer: number
}

export interface StreamOpening extends StreamCapabilities {
  readonly clientId: string
  /** Has no inherited properties. */
  readonly metadata: Readonly<Record<string, string>>
}

export interface StreamOpen extends StreamHead, StreamOpening {
  readonly kind: "open"
}

export interface StreamMessage extends StreamHead {
  readonly kind: "message"
  /** A view of the input. */
  readonly raw: Uint8Array
}

/** The ack of an opening, with capabilities, or of a message, without. */
export interface StreamAck extends StreamHead, StreamCapabilities {
  readonly kind: "ack"
}

export interface StreamClose extends StreamHead {
  readonly kind: "close"
  readonly error: string
  readonly code: string
}

/** The half-close: the sender sends no more messages. */
export interface StreamEnd extends StreamHead {
  readonly kind: "end"
}

/** A message without content. */
export interface StreamKeepalive extends StreamHead {
  readonly kind: "keepalive"
  /** Whether the peer should answer with a keepalive at once. */
  readonly probe: boolean
}

export type Stream = StreamOpen | StreamMessage | StreamAck | StreamClose | StreamEnd | StreamKeepalive

const streamType = makeType("internal.Stream")

const openTag = 0x32
const messageTag = 0x3a
const ackTag = 0x42
const closeTag = 0x4a
/** Fields 100 and 101 of `Stream`, bool. */
const endTag = 800
const probeTag = 808
/** Fields 100 to 102 of an opening and of an ack, uint32. */
const featuresTag = 800
const keepaliveTag = 808
const bufferTag = 816

// ── encoding ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Returns the size of the head if the ids are ASCII and the times are of this century. */
const headSizeHint = (head: StreamHead): number => head.streamId.length + head.requestId.length + 24

/** Begins a `Msg` with a `Stream` of at most `maxSize` bytes without its head. `sizeHint` is the expected size with it. */
const beginStream = (frame: Frame, head: StreamHead, maxSize: number, sizeHint: number): number => {
  const { requestId, streamId } = head
  const body = beginMsg(frame, streamType, (streamId.length + requestId.length) * 3 + 32 + maxSize, sizeHint)
  if (streamId !== "") Writer.writeStringField(0x0a, streamId)
  if (requestId !== "") Writer.writeStringField(0x12, requestId)
  Writer.writeNanosField(0x18, head.sentAt)
  Writer.writeNanosField(0x20, head.expiry)
  return body
}

const uint32Size = (value: number): number => (value === 0 ? 0 : 2 + Writer.varintSize(value))

const writeUint32Field = (tag: number, value: number): void => {
  if (value === 0) return
  Writer.writeVarint(tag)
  Writer.writeVarint(value)
}

/** Returns the nearest uint32. */
const toUint32 = (amount: number): number => (amount >= 1 ? Math.min(amount, 0xffffffff) >>> 0 : 0)

/** Returns the number of bytes that `writeCapabilities` writes, at most 21. */
const capabilitiesSize = (capabilities: StreamCapabilities): number =>
  uint32Size(capabilities.features >>> 0) +
  uint32Size(toUint32(capabilities.keepalive)) +
  uint32Size(toUint32(capabilities.buffer))

const writeCapabilities = (capabilities: StreamCapabilities): void => {
  writeUint32Field(featuresTag, capabilities.features >>> 0)
  writeUint32Field(keepaliveTag, toUint32(capabilities.keepalive))
  writeUint32Field(bufferTag, toUint32(capabilities.buffer))
}

export const encodeStreamOpen = (frame: Frame, head: StreamHead, opening: StreamOpening): Uint8Array => {
  const { clientId } = opening
  const metadata = MetadataField.list(opening.metadata)
  const capabilities = capabilitiesSize(opening)
  let size = metadata.sizeHint + capabilities
  if (clientId !== "") size += clientId.length + 2
  const sizeHint = headSizeHint(head) + 1 + Writer.varintSize(size) + size
  const body = beginStream(frame, head, Writer.maxStringSize(clientId) + metadata.maxSize + capabilities + 6, sizeHint)
  Writer.writeVarint(openTag)
  const open = Writer.openLength(size)
  if (clientId !== "") Writer.writeStringField(0x0a, clientId)
  MetadataField.write(metadata)
  writeCapabilities(opening)
  Writer.closeLength(open, size)
  return endMsg(frame, body, sizeHint)
}

export const encodeStreamMessage = (frame: Frame, head: StreamHead, raw: Uint8Array): Uint8Array => {
  const { length } = raw
  const size = length === 0 ? 0 : 1 + Writer.varintSize(length) + length
  const sizeHint = headSizeHint(head) + 1 + Writer.varintSize(size) + size
  const body = beginStream(frame, head, size + 6, sizeHint)
  Writer.writeVarint(messageTag)
  Writer.writeVarint(size)
  if (length > 0) Writer.writeBytesField(0x12, raw)
  return endMsg(frame, body, sizeHint)
}

/** Encodes an ack. The ack of a message has no capabilities, and `head` may be the message. */
export const encodeStreamAck = (frame: Frame, head: StreamHead, capabilities?: StreamCapabilities): Uint8Array => {
  const size = capabilities === undefined ? 0 : capabilitiesSize(capabilities)
  const sizeHint = headSizeHint(head) + 2 + size
  const body = beginStream(frame, head, size + 2, sizeHint)
  Writer.writeVarint(ackTag)
  Writer.writeVarint(size)
  if (capabilities !== undefined) writeCapabilities(capabilities)
  return endMsg(frame, body, sizeHint)
}

export const encodeStreamClose = (frame: Frame, head: StreamHead, error: string, code: string): Uint8Array => {
  const size = (error === "" ? 0 : error.length + 2) + (code === "" ? 0 : code.length + 2)
  const sizeHint = headSizeHint(head) + 1 + Writer.varintSize(size) + size
  const body = beginStream(frame, head, Writer.maxStringSize(error) + Writer.maxStringSize(code) + 6, sizeHint)
  Writer.writeVarint(closeTag)
  const close = Writer.openLength(size)
  if (error !== "") Writer.writeStringField(0x0a, error)
  if (code !== "") Writer.writeStringField(0x12, code)
  Writer.closeLength(close, size)
  return endMsg(frame, body, sizeHint)
}

export const encodeStreamEnd = (frame: Frame, head: StreamHead): Uint8Array => {
  const sizeHint = headSizeHint(head) + 3
  const body = beginStream(frame, head, 3, sizeHint)
  writeUint32Field(endTag, 1)
  return endMsg(frame, body, sizeHint)
}

export const encodeStreamKeepalive = (frame: Frame, head: StreamHead, probe = false): Uint8Array => {
  const size = probe ? 3 : 0
  const sizeHint = headSizeHint(head) + size
  const body = beginStream(frame, head, size, sizeHint)
  if (probe) writeUint32Field(probeTag, 1)
  return endMsg(frame, body, sizeHint)
}

// ── decoding ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Decodes a message of a stream. If it has a body, `end` and `probe`, the first in this order counts; no peer sends that. */
export const decodeStream = (bytes: Uint8Array): Stream | Rejected => {
  const rejected = openMsg(streamType, bytes)
  if (rejected !== undefined) return rejected
  // most envelopes are messages and acks: their fields are kept in variables, so that each allocates one object
  let kind: Stream["kind"] = "keepalive"
  let streamId = ""
  let requestId = ""
  let sentAt = 0
  let expiry = 0
  let end = false
  let probe = false
  let raw = emptyBytes
  let features = 0
  let keepalive = 0
  let buffer = 0
  let opened = noOpening
  let closed = noClosing
  let entries = 0
  while (Reader.more()) {
    const tag = Reader.readTag()
    switch (tag) {
      case 0x0a:
        streamId = Reader.readString()
        break
      case 0x12:
        requestId = Reader.readString()
        break
      case 0x18:
        sentAt = Reader.readNanos()
        break
      case 0x20:
        expiry = Reader.readNanos()
        break
      case endTag:
        end = Reader.readBool()
        break
      case probeTag:
        probe = Reader.readBool()
        break
      case messageTag: {
        if (kind !== "message") raw = emptyBytes
        kind = "message"
        const outer = Reader.enter()
        while (Reader.more()) {
          const tag = Reader.readTag()
          if (tag === 0x12) raw = Reader.readBytes()
          else Reader.skip(tag)
        }
        Reader.leave(outer)
        break
      }
      case ackTag: {
        if (kind !== "ack") features = keepalive = buffer = 0
        kind = "ack"
        const outer = Reader.enter()
        while (Reader.more()) {
          const tag = Reader.readTag()
          if (tag === featuresTag) features = Reader.readUint32()
          else if (tag === keepaliveTag) keepalive = Reader.readUint32()
          else if (tag === bufferTag) buffer = Reader.readUint32()
          else Reader.skip(tag)
        }
        Reader.leave(outer)
        break
      }
      case openTag:
        if (kind !== "open") opened = { ...noOpening }
        kind = "open"
        entries = readOpening(opened, entries)
        break
      case closeTag:
        if (kind !== "close") closed = { ...noClosing }
        kind = "close"
        readClosing(closed)
        break
      default:
        Reader.skip(tag)
    }
  }
  if (!Reader.done()) return "malformed"
  switch (kind) {
    case "message":
      return { kind, streamId, requestId, sentAt, expiry, raw }
    case "ack":
      return { kind, streamId, requestId, sentAt, expiry, features, keepalive, buffer }
    case "open":
      return { kind, streamId, requestId, sentAt, expiry, ...opened }
    case "close":
      return { kind, streamId, requestId, sentAt, expiry, ...closed }
    default:
      return end
        ? { kind: "end", streamId, requestId, sentAt, expiry }
        : { kind, streamId, requestId, sentAt, expiry, probe }
  }
}

type Opening = { -readonly [K in keyof StreamOpening]: StreamOpening[K] }

const noOpening: Opening = { clientId: "", metadata: emptyMetadata, features: 0, keepalive: 0, buffer: 0 }

/** Reads an opening. Returns the number of metadata entries read so far, of which `entries` were read before. */
const readOpening = (opening: Opening, entries: number): number => {
  const outer = Reader.enter()
  while (Reader.more()) {
    const tag = Reader.readTag()
    if (tag === 0x0a) opening.clientId = Reader.readString()
    else if (tag === MetadataField.metadataTag) opening.metadata = MetadataField.read(opening.metadata, entries++)
    else if (tag === featuresTag) opening.features = Reader.readUint32()
    else if (tag === keepaliveTag) opening.keepalive = Reader.readUint32()
    else if (tag === bufferTag) opening.buffer = Reader.readUint32()
    else Reader.skip(tag)
  }
  Reader.leave(outer)
  return entries
}

const noClosing = { error: "", code: "" }

const readClosing = (closing: { error: string; code: string }): void => {
  const outer = Reader.enter()
  while (Reader.more()) {
    const tag = Reader.readTag()
    if (tag === 0x0a) closing.error = Reader.readString()
    else if (tag === 0x12) closing.code = Reader.readString()
    else Reader.skip(tag)
  }
  Reader.leave(outer)
}
