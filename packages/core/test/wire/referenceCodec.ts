/**
 * What the tests of the codecs share: protobuf's rules, as a slow and simple reference; the `Msg` from generated code; and
 * bytes that are random or damaged, the same ones in every run.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf"
import { assert } from "@effect/vitest"
import { isDeepStrictEqual } from "node:util"
import { MsgSchema } from "../gen/internal_pb.ts"

export const prefix = "type.googleapis.com/internal."

export const toNanos = (millis: number): bigint =>
  BigInt(Math.floor(millis)) * 1_000_000n + BigInt(Math.round((millis - Math.floor(millis)) * 1e6))

export const fromNanos = (nanos: bigint): number => {
  const rest = ((nanos % 1_000_000n) + 1_000_000n) % 1_000_000n
  return Number((nanos - rest) / 1_000_000n) + Number(rest) / 1e6
}

export const plain = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes)

// ── the Msg, from generated code ─────────────────────────────────────────────────────────────────────────────────────

/** The envelope writes the field `value` even if there is nothing in it, generated code does not. */
export const msg = (type: string, value: Uint8Array, channel = ""): Uint8Array => {
  const head = toBinary(MsgSchema, create(MsgSchema, { typeUrl: prefix + type, value }))
  const tail = toBinary(MsgSchema, create(MsgSchema, { channel }))
  return plain(Buffer.concat([head, Uint8Array.from(value.length > 0 ? [] : [0x12, 0]), tail]))
}

/** What is in a `Msg`. */
export const openMsg = (type: string, bytes: Uint8Array): Uint8Array | "foreign" => {
  const msg = fromBinary(MsgSchema, bytes)
  return msg.typeUrl.slice(msg.typeUrl.lastIndexOf("/") + 1) === `internal.${type}` ? msg.value : "foreign"
}

// ── a reference: protobuf's rules as Go applies them, slow and simple ────────────────────────────────────────────────

export class Malformed extends Error {}

const reasons = new Map<string, Malformed>()
/** One error for each reason: most inputs are malformed, and a stack for each would take longer than all the rest. */
const malformed = (reason: string): Malformed => {
  const error = reasons.get(reason) ?? new Malformed(reason)
  reasons.set(reason, error)
  return error
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

export type Field = { readonly no: number; readonly type: number; readonly varint: bigint; readonly data: Uint8Array }

export const reference = {
  varint: (bytes: Uint8Array, at: number): [value: bigint, next: number] => {
    let value = 0n
    for (let i = 0; i < 10; i++) {
      const byte = bytes[at + i]
      if (byte === undefined) throw malformed("truncated")
      value |= BigInt(byte & 0x7f) << BigInt(7 * i)
      if (byte < 0x80) {
        if (value >= 1n << 64n) throw malformed("varint of more than 64 bits")
        return [value, at + i + 1]
      }
    }
    throw malformed("varint of more than 64 bits")
  },
  fields: (bytes: Uint8Array): Array<Field> => {
    const fields: Array<Field> = []
    let at = 0
    const groups: Array<number> = []
    while (at < bytes.length) {
      const [tag, start] = reference.varint(bytes, at)
      const no = Number(tag >> 3n)
      const type = Number(tag & 7n)
      if (no === 0 || tag >= 1n << 32n) throw malformed("field number")
      const inGroup = groups.length > 0
      let varint = 0n
      let data: Uint8Array = new Uint8Array(0)
      at = start
      if (type === 0) [varint, at] = reference.varint(bytes, at)
      else if (type === 1) at += 8
      else if (type === 2) {
        const [length, next] = reference.varint(bytes, at)
        if (length > BigInt(bytes.length - next)) throw malformed("truncated")
        at = next + Number(length)
        data = bytes.slice(next, at)
      } else if (type === 3) groups.push(no)
      else if (type === 4) {
        if (groups.pop() !== no) throw malformed("unbalanced group")
      } else if (type === 5) {
        at += 4
        data = bytes.slice(at - 4, at)
      } else throw malformed("wire type")
      if (at > bytes.length) throw malformed("truncated")
      if (groups.length > 100) throw malformed("groups too deep")
      if (!inGroup) fields.push({ no, type, varint, data })
    }
    if (groups.length > 0) throw malformed("unbalanced group")
    return fields
  },
  text: (bytes: Uint8Array): string => {
    try {
      return utf8.decode(bytes)
    } catch {
      throw malformed("not UTF-8")
    }
  },
  /** How many obsolete fields there were, whose contents do not matter, and known ones with another wire type. */
  odd: 0,
  message: (
    bytes: Uint8Array,
    known: Readonly<Record<number, readonly [type: number, read: (field: Field) => void]>>
  ): void => {
    for (const field of reference.fields(bytes)) {
      const reader = known[field.no]
      if (reader === undefined) continue
      if (reader[0] === field.type) reader[1](field)
      else reference.odd++
    }
  },
  /** An entry of a `map<string, string>`. */
  entry: (bytes: Uint8Array): readonly [key: string, value: string] => {
    let key = ""
    let value = ""
    reference.message(bytes, {
      1: [2, (field) => (key = reference.text(field.data))],
      2: [2, (field) => (value = reference.text(field.data))]
    })
    return [key, value]
  },
  openMsg: (type: string, bytes: Uint8Array): Uint8Array | "foreign" => {
    let value: Uint8Array = new Uint8Array(0)
    let url = ""
    reference.message(bytes, {
      1: [2, (field) => (url = reference.text(field.data))],
      2: [2, (field) => (value = field.data)],
      3: [2, () => {}]
    })
    return url.slice(url.lastIndexOf("/") + 1) === `internal.${type}` ? value : "foreign"
  }
}

/** Asserts that two values are equal, of which nearly all are: chai compares, slowly, only those that seem not to be. */
const assertEqual = (actual: unknown, expected: unknown, input: Uint8Array): void => {
  if (!isDeepStrictEqual(actual, expected)) assert.deepStrictEqual(actual, expected, Buffer.from(input).toString("hex"))
}

/**
 * Holds what a decoder made of `input` against the reference, whatever the bytes; and against protobuf-es, where that one
 * applies the same rules.
 */
export const agree = (
  ours: unknown,
  input: Uint8Array,
  rules: (bytes: Uint8Array) => unknown,
  generated: (bytes: Uint8Array) => unknown
): "malformed" | "foreign" | "message" => {
  let expected: unknown
  reference.odd = 0
  try {
    expected = rules(input)
  } catch (error) {
    if (!(error instanceof Malformed)) throw error
    expected = "malformed"
  }
  assertEqual(ours, expected, input)
  // protobuf-es reads a known field whatever its wire type says, lets a message in a message run over its end (an
  // obsolete one, too, which it reads), and takes varints of more than 64 bits: there only the reference counts.
  if (ours !== "malformed" && reference.odd === 0) {
    let message: unknown
    try {
      message = generated(input)
    } catch {
      return ours === "foreign" ? "foreign" : "message" // it looks into what is skipped here
    }
    assertEqual(ours, message, input)
  }
  return ours === "malformed" || ours === "foreign" ? ours : "message"
}

// ── samples ──────────────────────────────────────────────────────────────────────────────────────────────────────────

export const empty = new Uint8Array(0)

const pattern = Uint8Array.from({ length: 2 ** 21 + 300 }, (_, i) => (i * 31 + (i >> 8)) & 0xff)

export const bytesOf = (length: number, seed = 1): Uint8Array => pattern.slice(seed & 0xff, (seed & 0xff) + length)

/** Numbers that are the same in every run. */
export const generator =
  (seed: number) =>
  (below: number): number => {
    seed = (Math.imul(seed ^ (seed >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0
    const mixed = Math.imul(seed ^ (seed >>> 12), 0x297a2d39)
    return ((mixed ^ (mixed >>> 15)) >>> 0) % below
  }

type Random = ReturnType<typeof generator>

/** Few bytes. Small ones make tags and lengths that fit; the rest makes everything else. */
export const randomBytes = (random: Random): Uint8Array => {
  const small = random(2) === 0
  return Uint8Array.from({ length: random(24) }, () => (small ? random(0x44) : random(256)))
}

/** Once for each bit of `bytes`, with that one turned over. */
export function* bitsTurned(bytes: Uint8Array): Generator<Uint8Array> {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const turned = bytes.slice()
    turned[bit >> 3]! ^= 1 << (bit & 7)
    yield turned
  }
}

/** A `Msg` with several bytes changed, lost, doubled or put in. */
export const damaged = (sample: Uint8Array, random: Random): Uint8Array => {
  const bytes = Array.from(sample)
  for (let n = random(4); n >= 0; n--) {
    // Most changes behind the head: in front everything is foreign.
    const at = random(8) === 0 ? random(bytes.length) : Math.min(bytes.length - 1, 38 + random(bytes.length - 38))
    switch (random(4)) {
      case 0:
        bytes[at] = random(256)
        break
      case 1:
        bytes.splice(at, 1 + random(3))
        break
      case 2:
        bytes.splice(at, 0, ...bytes.slice(at, at + 1 + random(20)))
        break
      default:
        bytes.splice(at, 0, random(256))
    }
    if (bytes.length < 40) break
  }
  return Uint8Array.from(bytes)
}
