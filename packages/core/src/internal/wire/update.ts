/**
 * Updates on the wire: a protobuf message under its own type, without an envelope. A payload that is not a protobuf message,
 * such as the JSON of a Schema, is the value of a `google.protobuf.BytesValue`, which every peer can read.
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

/** Returns a view of the value. Throws if the message is malformed. */
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

/** Returns the type of a payload's updates, and the codec between values and messages of that type. */
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
