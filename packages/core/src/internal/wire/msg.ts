/**
 * The `Msg` that everything travels in, as it is: for authors of buses, who look at what is around a message and not into
 * it.
 */
import * as Reader from "./reader.ts"
import * as Writer from "./writer.ts"

const emptyBytes: Uint8Array = new Uint8Array(0)

/** A `Msg` as it is, for authors of buses. */
export interface Msg {
  readonly typeUrl: string
  readonly value: Uint8Array
  /** The channel on which NATS members route, "" elsewhere. */
  readonly channel: string
  /** How many members have handed the message on. */
  readonly hops: number
}

/** Encodes a `Msg`; `nonce` makes its bytes unlike any others. */
export const encodeMsg = (msg: {
  readonly typeUrl: string
  readonly value: Uint8Array
  readonly channel?: string | undefined
  readonly nonce?: boolean | undefined
  readonly hops?: number | undefined
}): Uint8Array => {
  const { channel = "", hops = 0, typeUrl, value } = msg
  Writer.begin(Writer.stringBound(typeUrl) + value.length + 6 + Writer.stringBound(channel) + 9 + 7)
  if (typeUrl !== "") Writer.writeStringField(0x0a, typeUrl)
  if (value.length > 0) Writer.writeBytesField(0x12, value)
  if (channel !== "") Writer.writeStringField(0x1a, channel)
  if (msg.nonce === true) Writer.writeNonceField(0x79)
  writeHops(hops)
  return Writer.finish()
}

const hopsTag = 0x80 // field 16, varint

const writeHops = (hops: number): void => {
  if (!(hops >= 1)) return
  Writer.writeVarint(hopsTag)
  Writer.writeVarint(Math.min(Math.floor(hops), 0xffffffff))
}

/** Decodes a `Msg` whatever is in it. */
export const decodeMsg = (bytes: Uint8Array): Msg | "malformed" => {
  const msg: { -readonly [K in keyof Msg]: Msg[K] } = { typeUrl: "", value: emptyBytes, channel: "", hops: 0 }
  Reader.read(bytes)
  while (Reader.more()) {
    const tag = Reader.readTag()
    if (tag === 0x0a) msg.typeUrl = Reader.readString()
    else if (tag === 0x12) msg.value = Reader.readBytes()
    else if (tag === 0x1a) msg.channel = Reader.readString()
    else if (tag === hopsTag) msg.hops = Reader.readNumber()
    else Reader.skip(tag)
  }
  return Reader.done() ? msg : "malformed"
}

/** The field `channel` of a `Msg`; "" where there is none, and where the bytes are malformed. */
export const readChannel = (bytes: Uint8Array): string => {
  let channel = ""
  Reader.read(bytes)
  while (Reader.more()) {
    const tag = Reader.readTag()
    if (tag === 0x1a) channel = Reader.readString()
    else Reader.skip(tag)
  }
  return Reader.done() ? channel : ""
}

/**
 * The same `Msg` handed on once more, or `by` times. Look at `hops` with `decodeMsg` before: bytes that are malformed come
 * back as they are.
 */
export const withHop = (bytes: Uint8Array, by = 1): Uint8Array => {
  const pieces: Array<number> = []
  let hops = 0
  Reader.read(bytes)
  while (Reader.more()) {
    const start = Reader.position()
    const tag = Reader.readTag()
    if (tag === hopsTag) hops = Reader.readNumber()
    else {
      Reader.skip(tag)
      pieces.push(start, Reader.position())
    }
  }
  if (!Reader.done()) return bytes
  Writer.begin(bytes.length + 7)
  for (let i = 0; i < pieces.length; i += 2) Writer.writeRaw(bytes.subarray(pieces[i], pieces[i + 1]))
  writeHops(hops + by)
  return Writer.finish()
}
