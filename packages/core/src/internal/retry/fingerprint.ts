/** What tells one request from another: a number of 53 bits, equal for equal requests. */
import { Redacted } from "effect"

/** Two hashes side by side, both as FNV-1a, which begin at different places and multiply by different numbers. */
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

/** What JSON leaves out, as text; the fields of objects in one order: who encodes a map twice may do so in two. */
function canonical(this: { readonly [key: string]: unknown }, key: string, value: unknown): unknown {
  // before its toJSON: a Buffer is bytes as any other
  const given = this[key]
  if (given instanceof Uint8Array) return `${given.length} bytes ${ofBytes(given)}`
  // whose text is the same for every secret; what comes of it is a number
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
  // an error's own text is none of what JSON reads
  if (value instanceof Error) entries.push(["message", value.message])
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
}

/** The print of a request, as its handler gets it. One that cannot be read through is taken to be like any other. */
export const printOf = (request: unknown): number => {
  try {
    return ofText(JSON.stringify(request, canonical) ?? "")
  } catch {
    return 0
  }
}
