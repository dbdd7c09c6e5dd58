/** `google.protobuf.Any` on the wire: the type of error details. */
import * as Reader from "./reader.ts"
import * as Writer from "./writer.ts"

export interface Any {
  readonly typeUrl: string
  readonly value: Uint8Array
}

const emptyBytes: Uint8Array = new Uint8Array(0)

/** Returns the maximum size in bytes, with tag and length. */
export const maxSize = ({ typeUrl, value }: Any): number => Writer.maxStringSize(typeUrl) + value.length + 12

/** Returns the size in bytes, with tag and length, of a short `Any` whose type is ASCII. */
export const sizeHint = ({ typeUrl, value }: Any): number => typeUrl.length + value.length + 8

/** Writes an `Any` as a field of the current message. */
export const write = (tag: number, { typeUrl, value }: Any): void => {
  const size = typeUrl.length + value.length + 4
  Writer.writeVarint(tag)
  const any = Writer.openLength(size)
  if (typeUrl !== "") Writer.writeStringField(0x0a, typeUrl)
  if (value.length > 0) Writer.writeBytesField(0x12, value)
  Writer.closeLength(any, size)
}

/** Reads an `Any` whose tag has been read. */
export const read = (): Any => {
  let typeUrl = ""
  let value = emptyBytes
  const outer = Reader.enter()
  while (Reader.more()) {
    const tag = Reader.readTag()
    if (tag === 0x0a) typeUrl = Reader.readString()
    // a copy, since the user keeps it: a view would keep the memory of the whole message alive
    else if (tag === 0x12) value = Reader.readBytes().slice()
    else Reader.skip(tag)
  }
  Reader.leave(outer)
  return { typeUrl, value }
}
