/** Metadata on the wire: a `map<string, string>`, field 7 of every message that has any. */
import { emptyMetadata, Entries, maxEntries, type Metadata } from "../metadata/model.ts"
import * as Reader from "./reader.ts"
import * as Writer from "./writer.ts"

/** The tag of the field. */
export const metadataTag = 0x3a

/** Of metadata, besides, the two of a trace: they go along after the user's were counted. */
const mostRead = maxEntries + 2

/** Metadata about to be written. */
export interface Listed {
  /** Key, value, key, value. */
  readonly texts: ReadonlyArray<string>
  /** The most bytes that it takes. */
  readonly bound: number
  /** The bytes that it takes if the texts are short and ASCII. */
  readonly likely: number
}

const nothing: Listed = { texts: [], bound: 0, likely: 0 }

export const list = (metadata: Metadata): Listed => {
  if (metadata === emptyMetadata) return nothing
  const keys = Object.keys(metadata)
  const texts = new Array<string>(keys.length * 2)
  let units = 0
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!
    const value = metadata[key]!
    texts[2 * i] = key
    texts[2 * i + 1] = value
    units += key.length + value.length
  }
  return { texts, bound: units * 3 + texts.length * 13, likely: units + texts.length * 3 }
}

export const write = ({ texts }: Listed): void => {
  for (let i = 0; i < texts.length; i += 2) {
    const key = texts[i]!
    const value = texts[i + 1]!
    const size = key.length + value.length + 4
    Writer.writeVarint(metadataTag)
    const entry = Writer.openLength(size)
    Writer.writeStringField(0x0a, key)
    Writer.writeStringField(0x12, value)
    Writer.closeLength(entry, size)
  }
}

/**
 * Reads an entry into `metadata`, or into an object of its own where that is `emptyMetadata`. `count` is how many of the
 * message were read before.
 */
export const read = (metadata: Metadata, count: number): Metadata => {
  const into: Record<string, string> = metadata === emptyMetadata ? new Entries() : metadata
  if (count >= mostRead) Reader.refuse()
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
  into[key] = value
  return into
}
