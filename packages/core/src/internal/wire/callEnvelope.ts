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
import * as Any from "./any.ts"
import { emptyMetadata, maxEntries } from "../metadata/model.ts"
import * as Entries from "./metadataField.ts"
import { beginMsg, emptyBytes, endMsg, type Frame, makeType, openMsg, type Rejected, type Type } from "./frame.ts"
import { traceBound, type TraceContext } from "./msgTrace.ts"
import * as Reader from "./reader.ts"
import * as Writer from "./writer.ts"

export { emptyMetadata } from "../metadata/model.ts"
export { channelTail, type Frame, makeType, noFrame, type Rejected, type Type } from "./frame.ts"

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

export type Detail = Any.Any

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

export const emptyDetails: ReadonlyArray<Detail> = Object.freeze([])

const requestType = makeType("internal.Request")
const responseType = makeType("internal.Response")
const claimRequestType = makeType("internal.ClaimRequest")
const claimResponseType = makeType("internal.ClaimResponse")

// ── encoding ────────────────────────────────────────────────────────────────────────────────────────────────────────

export const encodeRequest = (frame: Frame, request: Request): Uint8Array => {
  const { clientId, id, raw } = request
  const metadata = Entries.list(request.metadata)
  const bound = (id.length + clientId.length) * 3 + raw.length + metadata.bound + 52
  // What it is when the ids are ASCII and the times of our time.
  let likely = id.length + clientId.length + raw.length + metadata.likely + 24 + (request.multi ? 2 : 0)
  if (raw.length > 0) likely += 1 + Writer.varintSize(raw.length)
  const body = beginMsg(frame, requestType, bound, likely)
  if (id !== "") Writer.writeStringField(0x0a, id)
  if (clientId !== "") Writer.writeStringField(0x12, clientId)
  Writer.writeNanosField(0x18, request.sentAt)
  Writer.writeNanosField(0x20, request.expiry)
  if (request.multi) Writer.writeTrueField(0x28)
  Entries.write(metadata)
  if (raw.length > 0) Writer.writeBytesField(0x42, raw)
  return endMsg(frame, body, likely)
}

export const encodeResponse = (frame: Frame, response: Response): Uint8Array => {
  const { code, details, error, id, raw, serverId } = response
  let bound = (id.length + serverId.length + error.length + code.length) * 3 + raw.length + 64
  let likely = id.length + serverId.length + raw.length + 14
  if (raw.length > 0) likely += 1 + Writer.varintSize(raw.length)
  if (error !== "") likely += error.length + code.length + 4
  for (let i = 0; i < details.length; i++) {
    bound += Any.bound(details[i]!)
    likely += Any.likely(details[i]!)
  }
  const body = beginMsg(frame, responseType, bound, likely)
  if (id !== "") Writer.writeStringField(0x0a, id)
  if (serverId !== "") Writer.writeStringField(0x12, serverId)
  Writer.writeNanosField(0x18, response.sentAt)
  if (error !== "") Writer.writeStringField(0x2a, error)
  if (code !== "") Writer.writeStringField(0x32, code)
  if (raw.length > 0) Writer.writeBytesField(0x3a, raw)
  for (let i = 0; i < details.length; i++) Any.write(0x42, details[i]!)
  return endMsg(frame, body, likely)
}

export const encodeClaimRequest = (frame: Frame, id: string, serverId: string, affinity: number): Uint8Array => {
  const likely = id.length + serverId.length + 9
  const body = beginMsg(frame, claimRequestType, (id.length + serverId.length) * 3 + 25, likely)
  if (id !== "") Writer.writeStringField(0x0a, id)
  if (serverId !== "") Writer.writeStringField(0x12, serverId)
  if (affinity !== 0) Writer.writeFloatField(0x1d, affinity)
  return endMsg(frame, body, likely)
}

/** An empty `serverId` tells the servers to forget the request. */
export const encodeClaimResponse = (frame: Frame, id: string, serverId: string): Uint8Array => {
  const likely = id.length + serverId.length + 4
  const body = beginMsg(frame, claimResponseType, (id.length + serverId.length) * 3 + 20, likely)
  if (id !== "") Writer.writeStringField(0x0a, id)
  if (serverId !== "") Writer.writeStringField(0x12, serverId)
  return endMsg(frame, body, likely)
}

/** A `Msg` around bytes of a type made once: an update, and the trace that it is part of. */
export const encodeValue = (frame: Frame, type: Type, value: Uint8Array, trace?: TraceContext): Uint8Array => {
  const bound = trace === undefined ? value.length : value.length + traceBound(trace)
  const body = beginMsg(frame, type, bound, value.length)
  Writer.writeRaw(value)
  return endMsg(frame, body, value.length, trace)
}

// ── decoding ────────────────────────────────────────────────────────────────────────────────────────────────────────

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
      case Entries.metadataTag:
        request.metadata = Entries.read(request.metadata, entries++)
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
        if (details.length >= maxEntries) Reader.refuse()
        details.push(Any.read())
        break
      default:
        Reader.skip(tag)
    }
  }
  return Reader.done() ? response : "malformed"
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
  if (rejected !== undefined) return rejected
  const value = Reader.readRest()
  Reader.done()
  return value
}
