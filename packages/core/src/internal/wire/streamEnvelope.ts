/**
 * The messages of a stream, written and read by the rules of envelope.ts. One `internal.Stream` is one of six things, told
 * apart by its body, which is a oneof: a later body replaces the one before, and the same one given twice is merged, the
 * second's fields over the first's.
 *
 * Two of the six, and the fields from 100 on, are this library's. Go skips such fields as unknown and ignores a `Stream`
 * without a body.
 */
import { emptyMetadata } from "../metadata/model.ts"
import * as Entries from "./metadataField.ts"
import { beginMsg, emptyBytes, endMsg, type Frame, makeType, openMsg, type Rejected } from "./frame.ts"
import * as Reader from "./reader.ts"
import * as Writer from "./writer.ts"

/** What every message of a stream has. An answer to one has the same. */
export interface StreamHead {
  readonly streamId: string
  readonly requestId: string
  /** Unix milliseconds. */
  readonly sentAt: number
  /** Unix milliseconds. */
  readonly expiry: number
}

/** What the two ends of a stream tell each other about themselves: nothing, where the peer is Go. */
export interface StreamAbilities {
  /** A set of 32 bits. */
  readonly features: number
  /** How often a sign of life will come at least, in milliseconds below 2^32; 0 for never. */
  readonly keepalive: number
  /** How many messages this end takes in unread, before it makes the sender wait; 0 where it does not say. */
  readonly buffer: number
}

export interface StreamOpening extends StreamAbilities {
  readonly clientId: string
  /** Inherits nothing: a key is there only if it was sent. */
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

/** Of an opening, with abilities; of a message, without. */
export interface StreamAck extends StreamHead, StreamAbilities {
  readonly kind: "ack"
}

export interface StreamClose extends StreamHead {
  readonly kind: "close"
  readonly error: string
  readonly code: string
}

/** No more messages follow. */
export interface StreamEnd extends StreamHead {
  readonly kind: "end"
}

/** A sign of life. */
export interface StreamKeepalive extends StreamHead {
  readonly kind: "keepalive"
  /** Asks the other end to answer at once with a sign of life. */
  readonly probe: boolean
}

export type Stream = StreamOpen | StreamMessage | StreamAck | StreamClose | StreamEnd | StreamKeepalive

const streamType = makeType("internal.Stream")

const openTag = 0x32
const messageTag = 0x3a
const ackTag = 0x42
const closeTag = 0x4a
/** In the `Stream`: fields 100 and 101, bool. */
const endTag = 800
const probeTag = 808
/** In an opening and in an ack: fields 100 to 102, uint32. */
const featuresTag = 800
const keepaliveTag = 808
const bufferTag = 816

// ── encoding ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The bytes of the head when the ids are ASCII and the times of our time. */
const likelyHead = (head: StreamHead): number => head.streamId.length + head.requestId.length + 24

/** Begins a `Msg` with a `Stream` that takes `bound` bytes at most besides its head, and `likely` in all. */
const beginStream = (frame: Frame, head: StreamHead, bound: number, likely: number): number => {
  const { requestId, streamId } = head
  const body = beginMsg(frame, streamType, (streamId.length + requestId.length) * 3 + 32 + bound, likely)
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

/** The nearest whole number that the field can tell. */
const toUint32 = (amount: number): number => (amount >= 1 ? Math.min(amount, 0xffffffff) >>> 0 : 0)

/** The bytes that `writeAbilities` writes, 21 at most. */
const abilitiesSize = (abilities: StreamAbilities): number =>
  uint32Size(abilities.features >>> 0) +
  uint32Size(toUint32(abilities.keepalive)) +
  uint32Size(toUint32(abilities.buffer))

const writeAbilities = (abilities: StreamAbilities): void => {
  writeUint32Field(featuresTag, abilities.features >>> 0)
  writeUint32Field(keepaliveTag, toUint32(abilities.keepalive))
  writeUint32Field(bufferTag, toUint32(abilities.buffer))
}

export const encodeStreamOpen = (frame: Frame, head: StreamHead, opening: StreamOpening): Uint8Array => {
  const { clientId } = opening
  const metadata = Entries.list(opening.metadata)
  const abilities = abilitiesSize(opening)
  let size = metadata.likely + abilities
  if (clientId !== "") size += clientId.length + 2
  const likely = likelyHead(head) + 1 + Writer.varintSize(size) + size
  const body = beginStream(frame, head, Writer.stringBound(clientId) + metadata.bound + abilities + 6, likely)
  Writer.writeVarint(openTag)
  const open = Writer.openLength(size)
  if (clientId !== "") Writer.writeStringField(0x0a, clientId)
  Entries.write(metadata)
  writeAbilities(opening)
  Writer.closeLength(open, size)
  return endMsg(frame, body, likely)
}

export const encodeStreamMessage = (frame: Frame, head: StreamHead, raw: Uint8Array): Uint8Array => {
  const { length } = raw
  const size = length === 0 ? 0 : 1 + Writer.varintSize(length) + length
  const likely = likelyHead(head) + 1 + Writer.varintSize(size) + size
  const body = beginStream(frame, head, size + 6, likely)
  Writer.writeVarint(messageTag)
  Writer.writeVarint(size)
  if (length > 0) Writer.writeBytesField(0x12, raw)
  return endMsg(frame, body, likely)
}

/** The ack of a message tells no abilities. `head` may be the message itself: an ack echoes it. */
export const encodeStreamAck = (frame: Frame, head: StreamHead, abilities?: StreamAbilities): Uint8Array => {
  const size = abilities === undefined ? 0 : abilitiesSize(abilities)
  const likely = likelyHead(head) + 2 + size
  const body = beginStream(frame, head, size + 2, likely)
  Writer.writeVarint(ackTag)
  Writer.writeVarint(size)
  if (abilities !== undefined) writeAbilities(abilities)
  return endMsg(frame, body, likely)
}

export const encodeStreamClose = (frame: Frame, head: StreamHead, error: string, code: string): Uint8Array => {
  const size = (error === "" ? 0 : error.length + 2) + (code === "" ? 0 : code.length + 2)
  const likely = likelyHead(head) + 1 + Writer.varintSize(size) + size
  const body = beginStream(frame, head, Writer.stringBound(error) + Writer.stringBound(code) + 6, likely)
  Writer.writeVarint(closeTag)
  const close = Writer.openLength(size)
  if (error !== "") Writer.writeStringField(0x0a, error)
  if (code !== "") Writer.writeStringField(0x12, code)
  Writer.closeLength(close, size)
  return endMsg(frame, body, likely)
}

export const encodeStreamEnd = (frame: Frame, head: StreamHead): Uint8Array => {
  const likely = likelyHead(head) + 3
  const body = beginStream(frame, head, 3, likely)
  writeUint32Field(endTag, 1)
  return endMsg(frame, body, likely)
}

export const encodeStreamKeepalive = (frame: Frame, head: StreamHead, probe = false): Uint8Array => {
  const size = probe ? 3 : 0
  const likely = likelyHead(head) + size
  const body = beginStream(frame, head, size, likely)
  if (probe) writeUint32Field(probeTag, 1)
  return endMsg(frame, body, likely)
}

// ── decoding ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Where a body, `end` and `probe` come together, which nobody sends, the first of them in this order counts. */
export const decodeStream = (bytes: Uint8Array): Stream | Rejected => {
  const rejected = openMsg(streamType, bytes)
  if (rejected !== undefined) return rejected
  // Messages and acks are most of what comes. What they have is kept in variables, so that each is one object in the end.
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

/** Returns how many entries of metadata the `Stream` has had by then, `entries` of them before. */
const readOpening = (opening: Opening, entries: number): number => {
  const outer = Reader.enter()
  while (Reader.more()) {
    const tag = Reader.readTag()
    if (tag === 0x0a) opening.clientId = Reader.readString()
    else if (tag === Entries.metadataTag) opening.metadata = Entries.read(opening.metadata, entries++)
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
