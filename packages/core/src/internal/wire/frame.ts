/**
 * The `Msg` around what is sent: its head with the type, and its tail with what a bus adds. An encoder begins one, writes
 * its message and ends it; a decoder opens one and reads its message.
 */
import { type TraceContext, writeTrace } from "./msgTrace.ts"
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

export const emptyBytes: Uint8Array = new Uint8Array(0)

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

/**
 * Begins a `Msg` for a message of at most `bound` bytes, `likely` ones if nothing is unusual. Give what is returned to
 * `endMsg`, and the same `likely`.
 */
export const beginMsg = (frame: Frame, type: Type, bound: number, likely: number): number => {
  // besides the head and the tail: 5 bytes of length, 9 of nonce
  Writer.begin(bound + type.head.length + frame.tail.length + 16)
  Writer.writeRaw(type.head)
  return Writer.openLength(likely)
}

export const endMsg = (frame: Frame, body: number, likely: number, trace?: TraceContext): Uint8Array => {
  Writer.closeLength(body, likely)
  if (frame.tail.length > 0) Writer.writeRaw(frame.tail)
  if (frame.unique) Writer.writeNonceField(0x79)
  if (trace !== undefined) writeTrace(trace)
  return Writer.finish()
}

/** Lets the input go, as reading to the end does. */
const rejected = (why: Rejected): Rejected => {
  Reader.done()
  return why
}

/** Leaves the cursor on what is in the `Msg`. */
export const openMsg = (type: Type, bytes: Uint8Array): Rejected | undefined => {
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
  // As Go does, only what is behind the last slash tells the type.
  if (url.slice(url.lastIndexOf("/") + 1) !== type.name) return rejected("foreign")
  Reader.seek(start, stop)
  return undefined
}
