/**
 * Writes protobuf's wire format into slabs. Only the wire room imports this module.
 *
 * The slab is the state of this module, and so one message is written at a time: writing is synchronous, and an object per
 * message would cost as much as the bytes.
 *
 * A slab is never rewritten. `finish` returns a view of it that stays valid. A full slab is replaced by a new one, and
 * collected with its last view. A view keeps up to `slabSize` bytes alive, so code that stores it for long copies it first
 * (`slice`). A message larger than a quarter of a slab gets memory of its own.
 */

/** Bytes. */
export const slabSize = 64 * 1024
const ownSize = slabSize / 4

const utf8 = new TextEncoder()

let out = new Uint8Array(slabSize)
let at = 0
let from = 0
/** The slab, and the position in it, to return to after a message with memory of its own. */
let kept: Uint8Array<ArrayBuffer> | undefined
let keptAt = 0

/** Begins a message of at most `maxSize` bytes: the caller must not write more. `finish` ends it. */
export const begin = (maxSize: number): void => {
  if (kept !== undefined) restore()
  if (maxSize > ownSize) {
    kept = out
    keptAt = at
    out = new Uint8Array(maxSize)
    at = 0
  } else if (at + maxSize > slabSize) {
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

/** Ends a message and returns its bytes. */
export const finish = (): Uint8Array => {
  if (kept === undefined) return out.subarray(from, at)
  // the maximum counts three bytes per UTF-16 unit: a copy releases a large unused rest
  const bytes = out.length - at > ownSize ? out.slice(0, at) : out.subarray(0, at)
  restore()
  return bytes
}

/** Returns the maximum size of a string in bytes, with tag and length. */
export const maxStringSize = (value: string): number => value.length * 3 + 10

export const varintSize = (value: number): number =>
  value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5

/** Writes a varint below 2^32. */
export const writeVarint = (value: number): void => {
  while (value > 0x7f) {
    out[at++] = (value & 0x7f) | 0x80
    value >>>= 7
  }
  out[at++] = value
}

/** Writes bytes without tag and length. */
export const writeRaw = (bytes: Uint8Array): void => {
  const length = bytes.length
  if (length > 48) {
    // for fewer bytes, a call of `set` costs more than the loop
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

/** Writes length and text. A lone surrogate becomes U+FFFD. */
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
/** The last millisecond that int64 nanoseconds can represent, in 2262. */
const maxMillis = 9223372036854

/**
 * Writes Unix milliseconds as int64 nanoseconds, without BigInt. Whole milliseconds are exact, fractions are rounded to the
 * nanosecond. A time before 1970 and NaN are 0; a time after 2262, such as Infinity, is the last representable one.
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
  } // else the time is less than half a nanosecond, and the field is left out
}

const scratch = new DataView(new ArrayBuffer(8))

export const writeFloatField = (tag: number, value: number): void => {
  scratch.setFloat32(0, value, true)
  out[at++] = tag
  for (let i = 0; i < 4; i++) out[at++] = scratch.getUint8(i)
}

const counter = crypto.getRandomValues(new Uint32Array(2))

/** Writes a nonce as a fixed64: a counter with a random start, so that no two calls write the same value. */
export const writeNonceField = (tag: number): void => {
  counter[0]!++
  if (counter[0] === 0) counter[1]!++
  scratch.setUint32(0, counter[0]!, true)
  scratch.setUint32(4, counter[1]!, true)
  out[at++] = tag
  for (let i = 0; i < 8; i++) out[at++] = scratch.getUint8(i)
}

/**
 * Begins a length-delimited value. Reserves as many bytes for the length as `sizeHint` needs; `closeLength`, with the same
 * hint, moves the value if its length needs another number. Takes up to 5 bytes of the maximum size. Returns the start of
 * the value.
 */
export const openLength = (sizeHint: number): number => (at += varintSize(sizeHint))

export const closeLength = (body: number, sizeHint: number): void => {
  const length = at - body
  const room = varintSize(sizeHint)
  const need = varintSize(length)
  if (need !== room) out.copyWithin(body - room + need, body, at)
  at = body - room
  writeVarint(length)
  at += length
}
