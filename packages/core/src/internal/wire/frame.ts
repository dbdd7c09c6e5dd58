/**
 * The `Msg` around each message: its head with the type, and its tail with the fields that a bus adds. An encoder begins a
 * `Msg`, writes its message and ends the `Msg`. A decoder opens a `Msg` and reads its message.
 */
import { type TraceContext, writeTrace } from "./msgTrace.ts"
import * as Reader from "./reader.ts"
import * as Writer from "./writer.ts"

/** The fields that a bus adds to a `Msg`. */
export interface Frame {
  /** The bytes of the field `channel`: see `channelTail`. */
  readonly tail: Uint8Array
  /** Whether to add a nonce, so that the bytes of no two messages are equal. */
  readonly unique: boolean
}

/** The reason for which a decoder rejects a message. `foreign` is a well-formed `Msg` of another type. */
export type Rejected = "malformed" | "foreign"

export const emptyBytes: Uint8Array = new Uint8Array(0)

export const noFrame: Frame = { tail: emptyBytes, unique: false }

const copied = (): Uint8Array => Writer.finish().slice()

/** Encodes the field `channel` of a `Msg`. Called once per method. */
export const channelTail = (local: string): Uint8Array => {
  if (local === "") return emptyBytes
  Writer.begin(Writer.maxStringSize(local))
  Writer.writeStringField(0x1a, local)
  return copied()
}

/** The type of the message in a `Msg`. Made once. */
export interface Type {
  /** The full name of the message. */
  readonly name: string
  /** The first bytes of a `Msg` of this type: field 1, and the tag of field 2. */
  readonly head: Uint8Array
}

export const makeType = (name: string): Type => {
  const url = `type.googleapis.com/${name}`
  Writer.begin(Writer.maxStringSize(url) + 1)
  Writer.writeStringField(0x0a, url)
  Writer.writeVarint(0x12)
  return { name, head: copied() }
}

/**
 * Begins a `Msg` around a message of at most `maxSize` bytes. `sizeHint` is its expected size: a wrong hint costs a move of
 * the bytes. Returns the start of the message, for `endMsg`, which takes the same `sizeHint`.
 */
export const beginMsg = (frame: Frame, type: Type, maxSize: number, sizeHint: number): number => {
  // besides head and tail: 5 bytes of length, 9 bytes of nonce
  Writer.begin(maxSize + type.head.length + frame.tail.length + 16)
  Writer.writeRaw(type.head)
  return Writer.openLength(sizeHint)
}

export const endMsg = (frame: Frame, body: number, sizeHint: number, trace?: TraceContext): Uint8Array => {
  Writer.closeLength(body, sizeHint)
  if (frame.tail.length > 0) Writer.writeRaw(frame.tail)
  if (frame.unique) Writer.writeNonceField(0x79)
  if (trace !== undefined) writeTrace(trace)
  return Writer.finish()
}

/** Releases the input, as reading to the end does. */
const rejected = (why: Rejected): Rejected => {
  Reader.done()
  return why
}

/** Moves the cursor to the message in a `Msg`. Returns a reason if there is no message of the type. */
export const openMsg = (type: Type, bytes: Uint8Array): Rejected | undefined => {
  Reader.read(bytes)
  if (!Reader.match(type.head)) return openAnyMsg(type, bytes)
  const outer = Reader.enter()
  const start = Reader.position()
  const stop = Reader.skipRest()
  Reader.leave(outer)
  while (Reader.more()) {
    const tag = Reader.readTag()
    if (tag === 0x0a || tag === 0x12) return openAnyMsg(type, bytes) // a repeated field: the last one counts
    Reader.skip(tag)
  }
  if (!Reader.ended()) return rejected("malformed")
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
  if (!Reader.ended()) return rejected("malformed")
  // as in Go, the type is the text after the last slash
  if (url.slice(url.lastIndexOf("/") + 1) !== type.name) return rejected("foreign")
  Reader.seek(start, stop)
  return undefined
}
