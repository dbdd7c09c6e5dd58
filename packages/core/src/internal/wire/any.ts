/** `google.protobuf.Any` on the wire, as the details of an error are. */
import * as Reader from "./reader.ts"
import * as Writer from "./writer.ts"

export interface Any {
  readonly typeUrl: string
  readonly value: Uint8Array
}

const emptyBytes: Uint8Array = new Uint8Array(0)

/** The most bytes that it takes, its tag and length included. */
export const bound = ({ typeUrl, value }: Any): number => Writer.stringBound(typeUrl) + value.length + 12

/** The bytes that it takes where it is short and its type ASCII, its tag and length included. */
export const likely = ({ typeUrl, value }: Any): number => typeUrl.length + value.length + 8

/** Writes it as a field of the message in hand. */
export const write = (tag: number, { typeUrl, value }: Any): void => {
  const size = typeUrl.length + value.length + 4
  Writer.writeVarint(tag)
  const any = Writer.openLength(size)
  if (typeUrl !== "") Writer.writeStringField(0x0a, typeUrl)
  if (value.length > 0) Writer.writeBytesField(0x12, value)
  Writer.closeLength(any, size)
}

/** Reads one, behind its tag. */
export const read = (): Any => {
  let typeUrl = ""
  let value = emptyBytes
  const outer = Reader.enter()
  while (Reader.more()) {
    const tag = Reader.readTag()
    if (tag === 0x0a) typeUrl = Reader.readString()
    // the user keeps it: a copy, which holds no other message's memory and shares it with nobody
    else if (tag === 0x12) value = Reader.readBytes().slice()
    else Reader.skip(tag)
  }
  Reader.leave(outer)
  return { typeUrl, value }
}
