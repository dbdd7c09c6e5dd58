/**
 * Reads protobuf's wire format with a cursor. Only the wire room imports this module.
 *
 * The cursor is the state of this module, and so one message is read at a time: reading is synchronous, and an object per
 * message would cost as much as the bytes.
 */

const emptyBytes: Uint8Array = new Uint8Array(0)
const low28 = 0x10000000
const scratch = new DataView(new ArrayBuffer(4))

/**
 * The position of the cursor after malformed input, which no well-formed message has. Nothing throws: every loop ends, every
 * further read returns an empty value, and one comparison at the end detects the failure (`ended`).
 */
const invalid = 0x7fffffff

let bytes: Uint8Array = emptyBytes
let cursor = 0
let end = 0

/** Marks the input as malformed. Returns 0, as the value of the failed read. */
export const fail = (): number => {
  cursor = invalid
  return 0
}

/** Reads from the start of `input`. */
export const read = (input: Uint8Array): void => {
  bytes = input
  end = input.length
  cursor = 0
  if (end >= invalid) fail()
}

/** Returns whether a field follows. */
export const more = (): boolean => cursor < end

/** Returns whether the whole input was read and is well-formed. */
export const ended = (): boolean => cursor === end

/** Like `ended`, and releases the input, so that an idle process does not keep its last message in memory. */
export const done = (): boolean => {
  bytes = emptyBytes
  return cursor === end
}

export const position = (): number => cursor

/** Moves the cursor to the bytes from `start` to `stop`, a range that was read before. */
export const seek = (start: number, stop: number): void => {
  cursor = start
  end = stop
}

/** Returns whether the input starts with `head`; if so, moves the cursor after it. */
export const match = (head: Uint8Array): boolean => {
  const length = head.length
  if (length > end) return false
  const b = bytes
  for (let i = 0; i < length; i++) if (b[i] !== head[i]) return false
  cursor = length
  return true
}

// the last varint: bits 0–27, 28–55, 56–63
let low = 0
let mid = 0
let high = 0

const readVarint = (): void => {
  mid = 0
  high = 0
  let value = 0
  for (let shift = 0; shift < 28; shift += 7) {
    const c = cursor < end ? bytes[cursor++]! : fail()
    value |= (c & 0x7f) << shift
    if (c < 0x80) {
      low = value
      return
    }
  }
  low = value
  value = 0
  for (let shift = 0; shift < 28; shift += 7) {
    const c = cursor < end ? bytes[cursor++]! : fail()
    value |= (c & 0x7f) << shift
    if (c < 0x80) {
      mid = value
      return
    }
  }
  mid = value
  const ninth = cursor < end ? bytes[cursor++]! : fail()
  high = ninth & 0x7f
  if (ninth < 0x80) return
  const tenth = cursor < end ? bytes[cursor++]! : fail()
  if (tenth > 1) fail() // more than 64 bits, which Go rejects too
  high |= tenth << 7
}

/** Reads a tag: field number × 8 + wire type. Call it only if `more` returns true. */
export const readTag = (): number => {
  const c = bytes[cursor]!
  if (c < 0x80) {
    cursor++
    return c > 7 ? c : fail()
  }
  readVarint()
  const tag = low + mid * low28
  return tag > 7 && tag <= 0xffffffff && high === 0 ? tag : fail()
}

/** Reads a length, and checks that as many bytes follow. */
const readLength = (): number => {
  let length: number
  if (cursor < end && bytes[cursor]! < 0x80) length = bytes[cursor++]!
  else {
    readVarint()
    length = high === 0 ? low + mid * low28 : invalid
  }
  return length <= end - cursor ? length : fail()
}

const advance = (length: number): void => {
  if (length <= end - cursor) cursor += length
  else fail()
}

const maxGroups = 100 // the depth limit of protobuf-es

const skipGroup = (field: number, depth: number): void => {
  while (cursor < end) {
    const tag = readTag()
    if ((tag & 7) === 4) {
      if (tag >>> 3 !== field) fail()
      return
    }
    skipField(tag, depth)
  }
  fail()
}

const skipField = (tag: number, depth: number): void => {
  switch (tag & 7) {
    case 0:
      return readVarint()
    case 1:
      return advance(8)
    case 2:
      return advance(readLength())
    case 3:
      if (depth < maxGroups) skipGroup(tag >>> 3, depth + 1)
      else fail()
      return
    case 5:
      return advance(4)
    default:
      fail()
  }
}

/** Skips the field of a tag that is unknown, or known with another wire type. */
export const skip = (tag: number): void => skipField(tag, 0)

/** Reads bytes: a view of the input, which is a plain Uint8Array even if the input is a Buffer. */
export const readBytes = (): Uint8Array => {
  const length = readLength()
  if (length === 0) return emptyBytes
  const start = cursor
  cursor += length
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, length)
}

// a leading U+FEFF is text
const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/**
 * Reads text. Invalid UTF-8 is malformed: Go rejects it too, and replacement characters could make two different ids
 * equal.
 */
export const readString = (): string => {
  const length = readLength()
  if (length === 0) return ""
  const b = bytes
  const p = cursor
  cursor += length
  if (length === 16) {
    // the length of every generated id: 4 + 12 characters
    let all = 0
    for (let i = p; i < p + 16; i++) all |= b[i]!
    if (all < 0x80) {
      return String.fromCharCode(
        b[p]!,
        b[p + 1]!,
        b[p + 2]!,
        b[p + 3]!,
        b[p + 4]!,
        b[p + 5]!,
        b[p + 6]!,
        b[p + 7]!,
        b[p + 8]!,
        b[p + 9]!,
        b[p + 10]!,
        b[p + 11]!,
        b[p + 12]!,
        b[p + 13]!,
        b[p + 14]!,
        b[p + 15]!
      )
    }
  }
  if (length < 16) {
    const codes = new Array<number>(length)
    let all = 0
    for (let i = 0; i < length; i++) all |= codes[i] = b[p + i]!
    if (all < 0x80) return String.fromCharCode.apply(String, codes)
  }
  try {
    return text.decode(b.subarray(p, p + length))
  } catch {
    fail()
    return ""
  }
}

export const readBool = (): boolean => {
  readVarint()
  return (low | mid | high) !== 0
}

/** Reads a varint as a number, which is exact below 2^53. */
export const readNumber = (): number => {
  readVarint()
  return low + mid * low28 + high * 72057594037927936
}

/** Reads a uint32: the low bits of a longer varint. */
export const readUint32 = (): number => {
  readVarint()
  return (low | (mid << 28)) >>> 0
}

/** Reads int64 nanoseconds as milliseconds. Whole milliseconds are exact. */
export const readNanos = (): number => {
  readVarint()
  const top = high < 0x80 ? high : high - 0x100
  // 2^28 = 268 * 1e6 + 435456, 2^56 = 72057594037 * 1e6 + 927936
  const rest = low + mid * 435456 + top * 927936
  const whole = Math.floor(rest / 1e6)
  return top * 72057594037 + mid * 268 + whole + (rest - whole * 1e6) / 1e6
}

export const readFloat = (): number => {
  const p = cursor
  advance(4)
  if (cursor === invalid) return 0
  for (let i = 0; i < 4; i++) scratch.setUint8(i, bytes[p + i]!)
  return scratch.getFloat32(0, true)
}

/** Enters a nested message: `more` is false at its end. Returns the end of the outer message, for `leave`. */
export const enter = (): number => {
  const outer = end
  const length = readLength()
  if (cursor !== invalid) end = cursor + length
  return outer
}

/** Leaves a nested message that was read to its end. Malformed input stays so: the cursor is after every end. */
export const leave = (outer: number): void => {
  end = outer
}

/** Moves the cursor to the end of the entered message, and returns that position. */
export const skipRest = (): number => {
  if (cursor <= end) cursor = end
  return cursor
}

/** Reads the remaining bytes, as `readBytes` does. */
export const readRest = (): Uint8Array => {
  const length = end - cursor
  if (length <= 0) return emptyBytes
  const start = cursor
  cursor = end
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, length)
}
