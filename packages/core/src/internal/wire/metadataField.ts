/** Metadata on the wire: a `map<string, string>`, field 7 of every message with metadata. */
import { emptyMetadata, Entries, maxEntries, type Metadata } from "../metadata/model.ts"
import * as Reader from "./reader.ts"
import * as Writer from "./writer.ts"

export const metadataTag = 0x3a

/** Maximum number of entries in a message: the user's, and the two of the trace context, which are added after the check. */
const maxEntriesRead = maxEntries + 2

/** Metadata to be written. */
export interface Listed {
  /** Keys and values in turn. */
  readonly texts: ReadonlyArray<string>
  /** Maximum size in bytes. */
  readonly maxSize: number
  /** The size in bytes if the texts are short and ASCII. */
  readonly sizeHint: number
}

/** No metadata. */
export const none: Listed = { texts: [], maxSize: 0, sizeHint: 0 }

export const list = (metadata: Metadata): Listed => {
  if (metadata === emptyMetadata) return none
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
  return { texts, maxSize: units * 3 + texts.length * 13, sizeHint: units + texts.length * 3 }
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
 * Reads an entry into `metadata`, or into a new object if that is `emptyMetadata`. Returns the object. `count` is the number
 * of entries read before.
 */
export const read = (metadata: Metadata, count: number): Metadata => {
  const into: Record<string, string> = metadata === emptyMetadata ? new Entries() : metadata
  if (count >= maxEntriesRead) Reader.fail()
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
