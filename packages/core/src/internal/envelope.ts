/**
 * The messages that psrpc sends. Everything published is a `Msg` with one of them inside: an encoder writes the head of
 * the `Msg`, the message and the tail in one go, a decoder takes the bytes of the whole `Msg`.
 *
 * Encoders return views of a slab (see writer.ts) that nobody writes to again; decoded bytes are views of the input.
 * Decoders never throw. They read as Go does: unknown fields are skipped, and so are known ones with another wire type;
 * fields may come in any order, the last value wins; what is truncated, has field number 0, an unbalanced group, a
 * varint of more than 64 bits or text that is not UTF-8 is `malformed`. What is skipped (the channel in a `Msg`, the
 * obsolete `Any`s, unknown fields) is not looked into.
 */
import * as Reader from "./reader.ts"
import * as Writer from "./writer.ts"

/** What a bus adds to a `Msg`. */
export interface Frame {
  /** The bytes of the field `channel`: see `channelTail`. */
  readonly tail: Uint8Array
  /** Whether to add a number that makes the bytes unlike any others. */
  readonly unique: boolean
}

/** Why a decoder refuses: `foreign` is a well-formed `Msg` with something else in it. */
export type Rejected = "malformed" | "foreign"

export interface Request {
  readonly id: string
  readonly clientId: string
  /** Unix milliseconds. */
  readonly sentAt: number
  /** Unix milliseconds. */
  readonly expiry: number
  readonly multi: boolean
  /** Inherits nothing: a key is there only if it was sent. */
  readonly metadata: Readonly<Record<string, string>>
  readonly raw: Uint8Array
}

export interface Detail {
  readonly typeUrl: string
  readonly value: Uint8Array
}

export interface Response {
  readonly id: string
  readonly serverId: string
  /** Unix milliseconds. */
  readonly sentAt: number
  readonly raw: Uint8Array
  readonly error: string
  readonly code: string
  readonly details: ReadonlyArray<Detail>
}

/** A ClaimRequest, or a ClaimResponse, whose affinity is 0. */
export interface Claim {
  readonly id: string
  readonly serverId: string
  readonly affinity: number
}

const emptyBytes: Uint8Array = new Uint8Array(0)
/**
 * The most entries of metadata, or details, that a message may have: a few bytes each in the message are many times that in
 * memory.
 */
const mostEntries = 1000

/**
 * An object without anything inherited, so that a key is there only if it was sent and `__proto__` is one like any
 * other. Made with `new`, it costs a tenth of `Object.create(null)`.
 */
const Entries = function () {} as unknown as { new (): Record<string, string>; prototype: object }
Entries.prototype = Object.freeze(Object.create(null))

export const emptyMetadata: Readonly<Record<string, string>> = Object.freeze(new Entries())
export const emptyDetails: ReadonlyArray<Detail> = Object.freeze([])

export const noFrame: Frame = { tail: emptyBytes, unique: false }

const copied = (): Uint8Array => Writer.finish().slice()

/** The field `channel` of a `Msg`, made once per method. */
export const channelTail = (local: string): Uint8Array => {
  if (local === "") return emptyBytes
  Writer.begin(Writer.stringBound(local))
  Writer.writeStringField(0x1a, local)
  return copied()
}

/** The type of what is in a `Msg`, made once. */
export interface Type {
  /** The full name of the message. */
  readonly name: string
  /** What a `Msg` of this type starts with: field 1, and the tag of field 2. */
  readonly head: Uint8Array
}

export const makeType = (name: string): Type => {
  const url = `type.googleapis.com/${name}`
  Writer.begin(Writer.stringBound(url) + 1)
  Writer.writeStringField(0x0a, url)
  Writer.writeVarint(0x12)
  return { name, head: copied() }
}

const requestType = makeType("internal.Request")
const responseType = makeType("internal.Response")
const claimRequestType = makeType("internal.ClaimRequest")
const claimResponseType = makeType("internal.ClaimResponse")

// ── encoding ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A Msg takes its head, its tail, 5 bytes of length, 9 of nonce and what is in it. */
const open = (frame: Frame, type: Type, bound: number, likely: number): number => {
  Writer.begin(bound + type.head.length + frame.tail.length + 16)
  Writer.writeRaw(type.head)
  return Writer.openLength(likely)
}

const close = (frame: Frame, body: number, likely: number): Uint8Array => {
  Writer.closeLength(body, likely)
  if (frame.tail.length > 0) Writer.writeRaw(frame.tail)
  if (frame.unique) Writer.writeNonceField(0x79)
  return Writer.finish()
}

export const encodeRequest = (frame: Frame, request: Request): Uint8Array => {
  const { clientId, id, metadata, raw } = request
  let bound = id.length * 3 + clientId.length * 3 + raw.length + 52
  // What it is when the ids are ASCII and the times of our time.
  let likely = id.length + clientId.length + raw.length + 24 + (request.multi ? 2 : 0)
  if (raw.length > 0) likely += 1 + Writer.varintSize(raw.length)
  let entries: Array<string> | undefined
  if (metadata !== emptyMetadata) {
    for (const key of Object.keys(metadata)) {
      const value = metadata[key]!
      ;(entries ??= []).push(key, value)
      bound += Writer.stringBound(key) + Writer.stringBound(value) + 6
      likely += key.length + value.length + 6
    }
  }
  const body = open(frame, requestType, bound, likely)
  if (id !== "") Writer.writeStringField(0x0a, id)
  if (clientId !== "") Writer.writeStringField(0x12, clientId)
  Writer.writeNanosField(0x18, request.sentAt)
  Writer.writeNanosField(0x20, request.expiry)
  if (request.multi) Writer.writeTrueField(0x28)
  if (entries !== undefined) {
    for (let i = 0; i < entries.length; i += 2) {
      const key = entries[i]!
      const value = entries[i + 1]!
      const size = key.length + value.length + 4
      Writer.writeVarint(0x3a)
      const entry = Writer.openLength(size)
      Writer.writeStringField(0x0a, key)
      Writer.writeStringField(0x12, value)
      Writer.closeLength(entry, size)
    }
  }
  if (raw.length > 0) Writer.writeBytesField(0x42, raw)
  return close(frame, body, likely)
}

export const encodeResponse = (frame: Frame, response: Response): Uint8Array => {
  const { code, details, error, id, raw, serverId } = response
  let bound = (id.length + serverId.length + error.length + code.length) * 3 + raw.length + 64
  let likely = id.length + serverId.length + raw.length + 14
  if (raw.length > 0) likely += 1 + Writer.varintSize(raw.length)
  if (error !== "") likely += error.length + code.length + 4
  for (let i = 0; i < details.length; i++) {
    const { typeUrl, value } = details[i]!
    bound += Writer.stringBound(typeUrl) + value.length + 12
    likely += typeUrl.length + value.length + 8
  }
  const body = open(frame, responseType, bound, likely)
  if (id !== "") Writer.writeStringField(0x0a, id)
  if (serverId !== "") Writer.writeStringField(0x12, serverId)
  Writer.writeNanosField(0x18, response.sentAt)
  if (error !== "") Writer.writeStringField(0x2a, error)
  if (code !== "") Writer.writeStringField(0x32, code)
  if (raw.length > 0) Writer.writeBytesField(0x3a, raw)
  for (let i = 0; i < details.length; i++) {
    const { typeUrl, value } = details[i]!
    const size = typeUrl.length + value.length + 4
    Writer.writeVarint(0x42)
    const detail = Writer.openLength(size)
    if (typeUrl !== "") Writer.writeStringField(0x0a, typeUrl)
    if (value.length > 0) Writer.writeBytesField(0x12, value)
    Writer.closeLength(detail, size)
  }
  return close(frame, body, likely)
}

export const encodeClaimRequest = (frame: Frame, id: string, serverId: string, affinity: number): Uint8Array => {
  const likely = id.length + serverId.length + 9
  const body = open(frame, claimRequestType, (id.length + serverId.length) * 3 + 25, likely)
  if (id !== "") Writer.writeStringField(0x0a, id)
  if (serverId !== "") Writer.writeStringField(0x12, serverId)
  if (affinity !== 0) Writer.writeFloatField(0x1d, affinity)
  return close(frame, body, likely)
}

/** An empty `serverId` tells the servers to forget the request. */
export const encodeClaimResponse = (frame: Frame, id: string, serverId: string): Uint8Array => {
  const likely = id.length + serverId.length + 4
  const body = open(frame, claimResponseType, (id.length + serverId.length) * 3 + 20, likely)
  if (id !== "") Writer.writeStringField(0x0a, id)
  if (serverId !== "") Writer.writeStringField(0x12, serverId)
  return close(frame, body, likely)
}

/** A `Msg` around bytes of a type made once: an update. */
export const encodeValue = (frame: Frame, type: Type, value: Uint8Array): Uint8Array => {
  const body = open(frame, type, value.length, value.length)
  Writer.writeRaw(value)
  return close(frame, body, value.length)
}

// ── decoding ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Leaves the cursor on what is in the `Msg`. */
const openMsg = (type: Type, bytes: Uint8Array): Rejected | undefined => {
  Reader.read(bytes)
  if (!Reader.match(type.head)) return openAnyMsg(type, bytes)
  const outer = Reader.enter()
  const start = Reader.position()
  const stop = Reader.skipRest()
  Reader.leave(outer)
  while (Reader.more()) {
    const tag = Reader.readTag()
    if (tag === 0x0a || tag === 0x12) return openAnyMsg(type, bytes) // given again, and the last one counts
    Reader.skip(tag)
  }
  if (!Reader.ended()) return "malformed"
  Reader.seek(start, stop)
  return undefined
}

const openAnyMsg = (type: Type, bytes: Uint8Array): Rejected | undefined => {
  let url = ""
  let start = 0
  let stop = 0
  Reader.read(bytes)
  while (Reader.more()) {
    const tag = Reader.readTag()
    if (tag === 0x0a) url = Reader.readString()
    else if (tag === 0x12) {
      const outer = Reader.enter()
      start = Reader.position()
      stop = Reader.skipRest()
      Reader.leave(outer)
    } else Reader.skip(tag)
  }
  if (!Reader.ended()) return "malformed"
  // As Go does, only what is behind the last slash tells the type.
  if (url.slice(url.lastIndexOf("/") + 1) !== type.name) return "foreign"
  Reader.seek(start, stop)
  return undefined
}

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

export const decodeRequest = (bytes: Uint8Array): Request | Rejected => {
  const rejected = openMsg(requestType, bytes)
  if (rejected !== undefined) return rejected
  const request: Mutable<Request> = {
    id: "",
    clientId: "",
    sentAt: 0,
    expiry: 0,
    multi: false,
    metadata: emptyMetadata,
    raw: emptyBytes
  }
  let entries = 0
  while (Reader.more()) {
    const tag = Reader.readTag()
    switch (tag) {
      case 0x0a:
        request.id = Reader.readString()
        break
      case 0x12:
        request.clientId = Reader.readString()
        break
      case 0x18:
        request.sentAt = Reader.readNanos()
        break
      case 0x20:
        request.expiry = Reader.readNanos()
        break
      case 0x28:
        request.multi = Reader.readBool()
        break
      case 0x3a:
        if (request.metadata === emptyMetadata) request.metadata = new Entries()
        if (++entries > mostEntries) Reader.refuse()
        readEntry(request.metadata)
        break
      case 0x42:
        request.raw = Reader.readBytes()
        break
      default:
        Reader.skip(tag)
    }
  }
  return Reader.done() ? request : "malformed"
}

const readEntry = (metadata: Record<string, string>): void => {
  let key = ""
  let value = ""
  const outer = Reader.enter()
  while (Reader.more()) {
    const tag = Reader.readTag()
    if (tag === 0x0a) key = Reader.readString()
    else if (tag === 0x12) value = Reader.readString()
    else Reader.skip(tag)
  }
  Reader.leave(outer)
  metadata[key] = value
}

export const decodeResponse = (bytes: Uint8Array): Response | Rejected => {
  const rejected = openMsg(responseType, bytes)
  if (rejected !== undefined) return rejected
  const response: Mutable<Response> = {
    id: "",
    serverId: "",
    sentAt: 0,
    raw: emptyBytes,
    error: "",
    code: "",
    details: emptyDetails
  }
  let details: Array<Detail> | undefined
  while (Reader.more()) {
    const tag = Reader.readTag()
    switch (tag) {
      case 0x0a:
        response.id = Reader.readString()
        break
      case 0x12:
        response.serverId = Reader.readString()
        break
      case 0x18:
        response.sentAt = Reader.readNanos()
        break
      case 0x2a:
        response.error = Reader.readString()
        break
      case 0x32:
        response.code = Reader.readString()
        break
      case 0x3a:
        response.raw = Reader.readBytes()
        break
      case 0x42:
        if (details === undefined) response.details = details = []
        if (details.length >= mostEntries) Reader.refuse()
        details.push(readDetail())
        break
      default:
        Reader.skip(tag)
    }
  }
  return Reader.done() ? response : "malformed"
}

const readDetail = (): Detail => {
  const detail: Mutable<Detail> = { typeUrl: "", value: emptyBytes }
  const outer = Reader.enter()
  while (Reader.more()) {
    const tag = Reader.readTag()
    if (tag === 0x0a) detail.typeUrl = Reader.readString()
    // the user keeps it: a copy, which holds no other message's memory and shares it with nobody
    else if (tag === 0x12) detail.value = Reader.readBytes().slice()
    else Reader.skip(tag)
  }
  Reader.leave(outer)
  return detail
}

const readClaim = (type: Type, bytes: Uint8Array): Claim | Rejected => {
  const rejected = openMsg(type, bytes)
  if (rejected !== undefined) return rejected
  const claim: Mutable<Claim> = { id: "", serverId: "", affinity: 0 }
  while (Reader.more()) {
    const tag = Reader.readTag()
    if (tag === 0x0a) claim.id = Reader.readString()
    else if (tag === 0x12) claim.serverId = Reader.readString()
    else if (tag === 0x1d && type === claimRequestType) claim.affinity = Reader.readFloat()
    else Reader.skip(tag)
  }
  return Reader.done() ? claim : "malformed"
}

export const decodeClaimRequest = (bytes: Uint8Array): Claim | Rejected => readClaim(claimRequestType, bytes)

export const decodeClaimResponse = (bytes: Uint8Array): Claim | Rejected => readClaim(claimResponseType, bytes)

/** The bytes in a `Msg` of a type made once: an update. */
export const decodeValue = (type: Type, bytes: Uint8Array): Uint8Array | Rejected => {
  const rejected = openMsg(type, bytes)
  return rejected ?? Reader.readRest()
}
