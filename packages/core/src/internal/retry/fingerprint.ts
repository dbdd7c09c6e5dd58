/** The fingerprint of a request: a number of 53 bits, equal for equal requests. */
import { Redacted } from "effect"

/** Two hashes in the manner of FNV-1a, with different offsets and factors. */
class Hash {
  #high = 0x811c9dc5
  #low = 0x9e3779b1

  add(value: number): void {
    this.#high = Math.imul(this.#high ^ value, 0x01000193)
    this.#low = Math.imul(this.#low ^ value, 0x85ebca6b)
  }

  get value(): number {
    return (this.#high & 0x1fffff) * 2 ** 32 + (this.#low >>> 0)
  }
}

const ofText = (text: string): number => {
  const hash = new Hash()
  for (let i = 0; i < text.length; i++) hash.add(text.charCodeAt(i))
  return hash.value
}

const ofBytes = (bytes: Uint8Array): number => {
  const hash = new Hash()
  for (const byte of bytes) hash.add(byte)
  return hash.value
}

/** Replaces values that JSON omits by text, and sorts the fields of objects: a map may be encoded in two orders. */
function canonical(this: { readonly [key: string]: unknown }, key: string, value: unknown): unknown {
  // the value before its toJSON: a Buffer counts as bytes
  const given = this[key]
  if (given instanceof Uint8Array) return `${given.length} bytes ${ofBytes(given)}`
  // the text of a Redacted is the same for every secret; the fingerprint does not reveal the value
  if (Redacted.isRedacted(given)) return [Redacted.value(given)]
  switch (typeof value) {
    case "bigint":
      return `${value}n`
    case "number":
      return Number.isFinite(value) ? value : String(value)
    case "object":
      break
    default:
      return value
  }
  if (value === null || Array.isArray(value)) return value
  if (value instanceof Map || value instanceof Set) return Array.from(value as Iterable<unknown>)
  const entries = Object.entries(value)
  // JSON does not include the message of an Error
  if (value instanceof Error) entries.push(["message", value.message])
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
}

/** Computes the fingerprint of a decoded request. Requests that JSON cannot represent, such as cyclic ones, are all equal. */
export const fingerprintOf = (request: unknown): number => {
  try {
    return ofText(JSON.stringify(request, canonical) ?? "")
  } catch {
    return 0
  }
}
