/**
 * What updates travel as: a protobuf message under its own type, with no envelope of this library around it. Bytes that are
 * none, the JSON of a Schema for one, are the value of a `google.protobuf.BytesValue`, which every peer can read.
 */
import type { Codec } from "./codec.ts"
import { makeType, type Type } from "./callEnvelope.ts"
import { emptyBytes } from "./frame.ts"
import * as Reader from "./reader.ts"
import * as Writer from "./writer.ts"

const valueTag = 0x0a

const wrap = (value: Uint8Array): Uint8Array => {
  Writer.begin(value.length + 10)
  if (value.length > 0) Writer.writeBytesField(valueTag, value)
  return Writer.finish()
}

/** A view of the value; throws where there is none to be had. */
const unwrap = (message: Uint8Array): Uint8Array => {
  let value = emptyBytes
  Reader.read(message)
  while (Reader.more()) {
    const tag = Reader.readTag()
    if (tag === valueTag) value = Reader.readBytes()
    else Reader.skip(tag)
  }
  if (!Reader.done()) throw new TypeError("expected a google.protobuf.BytesValue")
  return value
}

/** The type that a payload's updates have, and the codec between values and messages of that type. */
export const updateOf = (
  payload: Codec<unknown, unknown>
): { readonly type: Type; readonly message: Codec<unknown, unknown> } =>
  payload.typeName === undefined
    ? {
        type: makeType("google.protobuf.BytesValue"),
        message: {
          ...payload,
          encode: (value) => wrap(payload.encode(value)),
          decode: (bytes) => payload.decode(unwrap(bytes))
        }
      }
    : { type: makeType(payload.typeName), message: payload }
