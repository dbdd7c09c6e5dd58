/**
 * Protobuf's wire format, written into slabs and read with a cursor.
 *
 * Both sides keep their state in this module: they are synchronous, so nobody can come in between, and an object per
 * message would cost as much as the bytes.
 *
 * A slab is never rewritten. What is handed out is a view of it, valid for ever; when a slab is full the next one is
 * allocated, and the garbage collector takes the old one with its last view. So a view keeps at most `slabSize` bytes
 * alive: whoever stores one for long copies it first (`slice`). A message that does not fit into a quarter of a slab
 * gets memory of its own, which nothing else is written into.
 */

/** The size of a slab in bytes. */
export const slabSize = 64 * 1024
const ownSize = slabSize / 4

const utf8 = new TextEncoder()
const emptyBytes: Uint8Array = new Uint8Array(0)

// ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

let out = new Uint8Array(slabSize)
let at = 0
let from = 0
/** Where the slab goes on after a message with memory of its own. */
let kept: Uint8Array<ArrayBuffer> | undefined
let keptAt = 0

/** Begins a message that takes at most `bound` bytes: the caller must not write more. Ends with `finish`. */
export const begin = (bound: number): void => {
  if (kept !== undefined) restore()
  if (bound > ownSize) {
    kept = out
    keptAt = at
    out = new Uint8Array(bound)
    at = 0
  } else if (at + bound > slabSize) {
    out = new Uint8Array(slabSize)
    at = 0
  }
  from = at
}

const restore = (): void => {
  out = kept!
  at = keptAt
  kept = undefined
}

/** Ends a message and hands out its bytes. */
export const finish = (): Uint8Array => {
  if (kept === undefined) return out.subarray(from, at)
  // The bound counts three bytes a UTF-16 unit: do not keep what turned out to be spare.
  const bytes = out.length - at > ownSize ? out.slice(0, at) : out.subarray(0, at)
  restore()
  return bytes
}

/** The most bytes a string can take, its tag and length included. */
export const stringBound = (value: string): number => value.length * 3 + 10

export const varintSize = (value: number): number =>
  value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5

/** A varint below 2^32. */
export const writeVarint = (value: number): void => {
  while (value > 0x7f) {
    out[at++] = (value & 0x7f) | 0x80
    value >>>= 7
  }
  out[at++] = value
}

/** Bytes as they are. */
export const writeRaw = (bytes: Uint8Array): void => {
  const length = bytes.length
  if (length > 48) {
    // below, the call of `set` costs more than the loop
    out.set(bytes, at)
    at += length
  } else {
    const o = out
    let p = at
    for (let i = 0; i < length; i++) o[p++] = bytes[i]!
    at = p
  }
}

export const writeBytesField = (tag: number, bytes: Uint8Array): void => {
  out[at++] = tag
  writeVarint(bytes.length)
  writeRaw(bytes)
}

/** Length and text. A lone surrogate becomes U+FFFD. */
export const writeString = (value: string): void => {
  const length = value.length
  if (length < 0x80) {
    const o = out
    let p = at
    o[p++] = length
    let i = 0
    for (; i < length; i++) {
      const code = value.charCodeAt(i)
      if (code > 0x7f) break
      o[p++] = code
    }
    if (i === length) {
      at = p
      return
    }
  }
  const bytes = utf8.encode(value)
  writeVarint(bytes.length)
  writeRaw(bytes)
}

export const writeStringField = (tag: number, value: string): void => {
  out[at++] = tag
  writeString(value)
}

export const writeTrueField = (tag: number): void => {
  out[at++] = tag
  out[at++] = 1
}

const low28 = 0x10000000
/** The latest time an int64 of nanoseconds can tell, in 2262. */
const maxMillis = 9223372036854

/**
 * A time in unix milliseconds as int64 nanoseconds, without BigInt. Exact for whole milliseconds, to the nanosecond for
 * the rest; a time before 1970 and NaN are 0, one after 2262 (Infinity too) is the last that fits.
 */
export const writeNanosField = (tag: number, millis: number): void => {
  if (!(millis > 0)) return
  let whole: number
  let nanos: number
  if (millis > maxMillis) {
    whole = maxMillis
    nanos = 775807
  } else {
    whole = Math.floor(millis)
    nanos = whole === millis ? 0 : Math.round((millis - whole) * 1e6)
  }
  // whole * 1e6 + nanos, in three chunks of 28, 28 and 7 bits: four bytes of a varint each, and the ninth
  const wholeHigh = Math.floor(whole / low28)
  const lowest = (whole - wholeHigh * low28) * 1e6 + nanos
  const carry = Math.floor(lowest / low28)
  const a = lowest - carry * low28
  const middle = wholeHigh * 1e6 + carry
  const c = Math.floor(middle / low28)
  const b = middle - c * low28
  const o = out
  let p = at
  o[p++] = tag
  if (c > 0) {
    o[p++] = a | 0x80
    o[p++] = (a >>> 7) | 0x80
    o[p++] = (a >>> 14) | 0x80
    o[p++] = (a >>> 21) | 0x80
    o[p++] = b | 0x80
    o[p++] = (b >>> 7) | 0x80
    o[p++] = (b >>> 14) | 0x80
    o[p++] = (b >>> 21) | 0x80
    o[p++] = c
    at = p
  } else if (b > 0) {
    o[p++] = a | 0x80
    o[p++] = (a >>> 7) | 0x80
    o[p++] = (a >>> 14) | 0x80
    o[p++] = (a >>> 21) | 0x80
    at = p
    writeVarint(b)
  } else if (a > 0) {
    at = p
    writeVarint(a)
  } // else less than half a nanosecond: nothing is written, not even the tag
}

const scratch = new DataView(new ArrayBuffer(8))

export const writeFloatField = (tag: number, value: number): void => {
  scratch.setFloat32(0, value, true)
  out[at++] = tag
  for (let i = 0; i < 4; i++) out[at++] = scratch.getUint8(i)
}

const counter = crypto.getRandomValues(new Uint32Array(2))

/** A fixed64 that no other call writes: a counter that starts at random. */
export const writeNonceField = (tag: number): void => {
  counter[0]!++
  if (counter[0] === 0) counter[1]!++
  scratch.setUint32(0, counter[0]!, true)
  scratch.setUint32(4, counter[1]!, true)
  out[at++] = tag
  for (let i = 0; i < 8; i++) out[at++] = scratch.getUint8(i)
}

/**
 * Begins something whose length goes before it, in the room that `likely` bytes need; `closeLength` with the same
 * number moves what was written since where it turns out to be another. Needs 5 bytes of the bound.
 */
export const openLength = (likely: number): number => (at += varintSize(likely))

export const closeLength = (body: number, likely: number): void => {
  const length = at - body
  const room = varintSize(likely)
  const need = varintSize(length)
  if (need !== room) out.copyWithin(body - room + need, body, at)
  at = body - room
  writeVarint(length)
  at += length
}

// ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────
//
// Nothing here throws. What is malformed puts the cursor where it cannot be in a message that is not, so that every
// loop ends, every further read reads nothing, and one look at the end tells: `ended`.

const poison = 0x7fffffff

let bytes: Uint8Array = emptyBytes
let cursor = 0
let end = 0

const fail = (): number => {
  cursor = poison
  return 0
}

/** Reads from the start of `input`. */
export const read = (input: Uint8Array): void => {
  bytes = input
  end = input.length
  cursor = 0
  if (end >= poison) fail()
}

/** Whether a field follows. */
export const more = (): boolean => cursor < end

/** Whether all was read and well formed. */
export const ended = (): boolean => cursor === end

/** The same at the very end, where the input is let go: an idle process should not hold on to its last message. */
export const done = (): boolean => {
  bytes = emptyBytes
  return cursor === end
}

export const position = (): number => cursor

/** Goes on with the bytes from `start` to `stop`, a range that was read before. */
export const seek = (start: number, stop: number): void => {
  cursor = start
  end = stop
}

/** Whether the input starts with `head`; goes behind it if so. */
export const match = (head: Uint8Array): boolean => {
  const length = head.length
  if (length > end) return false
  const b = bytes
  for (let i = 0; i < length; i++) if (b[i] !== head[i]) return false
  cursor = length
  return true
}

// The last varint: bits 0–27, 28–55, 56–63.
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
  if (tenth > 1) fail() // more than 64 bits, which Go refuses too
  high |= tenth << 7
}

/** A tag: field number × 8 + wire type. Call it only where `more` says so. */
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

/** The length of what follows, which is there. */
const readLength = (): number => {
  let length: number
  if (cursor < end && bytes[cursor]! < 0x80) length = bytes[cursor++]!
  else {
    readVarint()
    length = high === 0 ? low + mid * low28 : poison
  }
  return length <= end - cursor ? length : fail()
}

const advance = (length: number): void => {
  if (length <= end - cursor) cursor += length
  else fail()
}

const maxGroups = 100 // as deep as protobuf-es goes

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

/** Skips the field of a tag that nobody here knows, or knows with another wire type. */
export const skip = (tag: number): void => skipField(tag, 0)

/** A view of the input, a plain Uint8Array even where the input is a Buffer. */
export const readBytes = (): Uint8Array => {
  const length = readLength()
  if (length === 0) return emptyBytes
  const start = cursor
  cursor += length
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, length)
}

// A leading U+FEFF is text. `fatal`: see `readString`.
const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/**
 * Text. Invalid UTF-8 is malformed: Go refuses it too, and with replacement characters two ids that differ could become
 * one.
 */
export const readString = (): string => {
  const length = readLength()
  if (length === 0) return ""
  const b = bytes
  const p = cursor
  cursor += length
  if (length === 16) {
    // every generated id: 4 + 12 characters
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

/** A varint as a number: exact below 2^53. */
export const readNumber = (): number => {
  readVarint()
  return low + mid * low28 + high * 72057594037927936
}

/** int64 nanoseconds as milliseconds: exact where they are whole. */
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
  if (cursor === poison) return 0
  for (let i = 0; i < 4; i++) scratch.setUint8(i, bytes[p + i]!)
  return scratch.getFloat32(0, true)
}

/** Enters a message in the message: reading ends where it does. Give what is returned to `leave`. */
export const enter = (): number => {
  const outer = end
  const length = readLength()
  if (cursor !== poison) end = cursor + length
  return outer
}

/** Only after reading to the end of it. What ended badly stays so: the cursor is behind every end. */
export const leave = (outer: number): void => {
  end = outer
}

/** Goes to the end of what was entered, and says where that is. */
export const skipRest = (): number => {
  if (cursor <= end) cursor = end
  return cursor
}

/** A view of what is left, plain as `readBytes` has it. */
export const readRest = (): Uint8Array => {
  const length = end - cursor
  if (length <= 0) return emptyBytes
  const start = cursor
  cursor = end
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, length)
}
