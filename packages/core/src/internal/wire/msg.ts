/** The `Msg` as a value, for authors of buses, who need the fields around a message and not the message. */
import * as Reader from "./reader.ts"
import * as Writer from "./writer.ts"

const emptyBytes: Uint8Array = new Uint8Array(0)

/** A decoded `Msg`. */
export interface Msg {
  readonly typeUrl: string
  readonly value: Uint8Array
  /** The route by which NATS members find the method; "" on other buses. */
  readonly channel: string
  /** How many members have forwarded the message. */
  readonly hops: number
}

/** Encodes a `Msg`. With `nonce`, no two messages have equal bytes. */
export const encodeMsg = (msg: {
  readonly typeUrl: string
  readonly value: Uint8Array
  readonly channel?: string | undefined
  readonly nonce?: boolean | undefined
  readonly hops?: number | undefined
}): Uint8Array => {
  const { channel = "", hops = 0, typeUrl, value } = msg
  Writer.begin(Writer.maxStringSize(typeUrl) + value.length + 6 + Writer.maxStringSize(channel) + 9 + 7)
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

/** Decodes a `Msg` of any type. */
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

/** Returns the field `channel` of a `Msg`; "" if there is none, or if the bytes are malformed. */
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
 * Returns the same `Msg` with its hop count raised by `by`. Check `hops` with `decodeMsg` first. Malformed bytes are returned
 * unchanged.
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
