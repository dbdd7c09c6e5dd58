/**
 * Protobuf's wire format, written into slabs.
 *
 * The state is this module's: writing is synchronous, so nobody can come in between, and an object per message would cost
 * as much as the bytes.
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
