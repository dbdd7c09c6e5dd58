/**
 * The envelopes of calls: requests, responses, claims. Every published message is a `Msg` around an envelope or an update.
 * An encoder writes the head of the `Msg`, the envelope and the tail in one pass. A decoder takes the bytes of the whole
 * `Msg`.
 *
 * Encoders return views of a slab (see writer.ts) that is never rewritten. Decoded bytes are views of the input. Decoders
 * never throw. They follow Go's rules: unknown fields and known fields with another wire type are skipped; fields may come
 * in any order, and the last value wins. Truncated input, a field number 0, an unbalanced group, a varint of more than 64
 * bits and invalid UTF-8 are `malformed`. The content of skipped fields is not checked.
 */
import * as Any from "./any.ts"
import { emptyMetadata, maxEntries } from "../metadata/model.ts"
import * as MetadataField from "./metadataField.ts"
import { beginMsg, emptyBytes, endMsg, type Frame, makeType, openMsg, type Rejected, type Type } from "./frame.ts"
import { maxTraceSize, type TraceContext } from "./msgTrace.ts"
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
  /** Has no inherited properties. */
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

/** A `ClaimRequest`, or a `ClaimResponse`, whose affinity is 0. */
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
  const metadata = request.metadata === emptyMetadata ? MetadataField.none : MetadataField.list(request.metadata)
  const maxSize = (id.length + clientId.length) * 3 + raw.length + metadata.maxSize + 52
  // the size if the ids are ASCII and the times are of this century
  let sizeHint = id.length + clientId.length + raw.length + metadata.sizeHint + 24 + (request.multi ? 2 : 0)
  if (raw.length > 0) sizeHint += 1 + Writer.varintSize(raw.length)
  const body = beginMsg(frame, requestType, maxSize, sizeHint)
  if (id !== "") Writer.writeStringField(0x0a, id)
  if (clientId !== "") Writer.writeStringField(0x12, clientId)
  Writer.writeNanosField(0x18, request.sentAt)
  Writer.writeNanosField(0x20, request.expiry)
  if (request.multi) Writer.writeTrueField(0x28)
  if (metadata !== MetadataField.none) MetadataField.write(metadata)
  if (raw.length > 0) Writer.writeBytesField(0x42, raw)
  return endMsg(frame, body, sizeHint)
}

export const encodeResponse = (frame: Frame, response: Response): Uint8Array => {
  const { code, details, error, id, raw, serverId } = response
  let maxSize = (id.length + serverId.length + error.length + code.length) * 3 + raw.length + 64
  let sizeHint = id.length + serverId.length + raw.length + 14
  if (raw.length > 0) sizeHint += 1 + Writer.varintSize(raw.length)
  if (error !== "") sizeHint += error.length + code.length + 4
  for (let i = 0; i < details.length; i++) {
    maxSize += Any.maxSize(details[i]!)
    sizeHint += Any.sizeHint(details[i]!)
  }
  const body = beginMsg(frame, responseType, maxSize, sizeHint)
  if (id !== "") Writer.writeStringField(0x0a, id)
  if (serverId !== "") Writer.writeStringField(0x12, serverId)
  Writer.writeNanosField(0x18, response.sentAt)
  if (error !== "") Writer.writeStringField(0x2a, error)
  if (code !== "") Writer.writeStringField(0x32, code)
  if (raw.length > 0) Writer.writeBytesField(0x3a, raw)
  for (let i = 0; i < details.length; i++) Any.write(0x42, details[i]!)
  return endMsg(frame, body, sizeHint)
}

export const encodeClaimRequest = (frame: Frame, id: string, serverId: string, affinity: number): Uint8Array => {
  const sizeHint = id.length + serverId.length + 9
  const body = beginMsg(frame, claimRequestType, (id.length + serverId.length) * 3 + 25, sizeHint)
  if (id !== "") Writer.writeStringField(0x0a, id)
  if (serverId !== "") Writer.writeStringField(0x12, serverId)
  if (affinity !== 0) Writer.writeFloatField(0x1d, affinity)
  return endMsg(frame, body, sizeHint)
}

/** Encodes the choice of a server. An empty `serverId` cancels the request at every server. */
export const encodeClaimResponse = (frame: Frame, id: string, serverId: string): Uint8Array => {
  const sizeHint = id.length + serverId.length + 4
  const body = beginMsg(frame, claimResponseType, (id.length + serverId.length) * 3 + 20, sizeHint)
  if (id !== "") Writer.writeStringField(0x0a, id)
  if (serverId !== "") Writer.writeStringField(0x12, serverId)
  return endMsg(frame, body, sizeHint)
}

/** Encodes an update: a `Msg` around a message of the given type, with its trace context. */
export const encodeValue = (frame: Frame, type: Type, value: Uint8Array, trace?: TraceContext): Uint8Array => {
  const maxSize = trace === undefined ? value.length : value.length + maxTraceSize(trace)
  const body = beginMsg(frame, type, maxSize, value.length)
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
      case MetadataField.metadataTag:
        request.metadata = MetadataField.read(request.metadata, entries++)
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
        if (details.length >= maxEntries) Reader.fail()
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

/** Decodes an update: returns the bytes in a `Msg` of the given type. */
export const decodeValue = (type: Type, bytes: Uint8Array): Uint8Array | Rejected => {
  const rejected = openMsg(type, bytes)
  if (rejected !== undefined) return rejected
  const value = Reader.readRest()
  Reader.done()
  return value
}
