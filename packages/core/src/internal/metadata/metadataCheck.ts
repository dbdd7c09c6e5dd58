/**
 * Checks whether metadata can be sent. Every call is checked, so the usual case is a few native searches; the position of a
 * problem is searched only if there is one.
 *
 * A message never contains a value, because it may be a secret.
 */
import type { Metadata } from "./model.ts"
import { maxEntries } from "./model.ts"

/**
 * Default maximum size of a call's metadata: 16 KiB (16,384 bytes), keys and values together, in UTF-8.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultMaxMetadataSize: number = 16 * 1024

/** Maximum length of a key in a message. */
const shownLength = 100

const plainKey = /^[!-~]+$/
const notInKeys = /[\s\p{Cc}]/u

/** Returns the problem of metadata whose keys and values may have `maxSize` bytes; `undefined` if there is none. */
export const problemOf = (metadata: Metadata, maxSize: number): string | undefined => {
  if (typeof metadata !== "object" || metadata === null) return "metadata: expected an object of strings"
  const keys = Object.keys(metadata)
  if (keys.length > maxEntries) return `metadata: expected at most ${maxEntries} entries, got ${keys.length}`
  let units = 0
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!
    const value: unknown = metadata[key]
    if (!plainKey.test(key)) {
      const problem = problemOfKey(key)
      if (problem !== undefined) return problem
    }
    if (typeof value !== "string" || !value.isWellFormed() || value.includes("\0")) return problemOfValue(key, value)
    units += key.length + value.length
  }
  // a UTF-16 unit has at most three bytes: far below the limit, the size is not computed
  return units * 3 <= maxSize ? undefined : problemOfSize(metadata, keys, maxSize)
}

const shown = (key: string): string =>
  key.length > shownLength ? `${JSON.stringify(key.slice(0, shownLength))}…` : JSON.stringify(key)

const problemOfKey = (key: string): string | undefined => {
  if (key === "") return "metadata: expected keys of at least one character, got an empty key"
  if (!key.isWellFormed()) {
    return `metadata ${shown(key)}: expected a key of well-formed Unicode, got half of a surrogate pair`
  }
  const wrong = notInKeys.exec(key)
  if (wrong === null) return undefined
  const code = wrong[0].codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")
  return (
    `metadata ${shown(key)}: expected a key without white space and control characters, ` +
    `got U+${code} at index ${wrong.index}`
  )
}

const problemOfValue = (key: string, value: unknown): string => {
  const at = `metadata ${shown(key)}: expected a`
  if (typeof value !== "string") return `${at} string, got ${value === null ? "null" : typeof value}`
  return value.isWellFormed()
    ? `${at} string without U+0000, got one at index ${value.indexOf("\0")}`
    : `${at} string of well-formed Unicode, got half of a surrogate pair`
}

const problemOfSize = (metadata: Metadata, keys: ReadonlyArray<string>, maxSize: number): string | undefined => {
  let size = 0
  let largest = ""
  let largestSize = -1
  for (const key of keys) {
    const entry = utf8Size(key) + utf8Size(metadata[key]!)
    size += entry
    if (entry > largestSize) {
      largest = key
      largestSize = entry
    }
  }
  return size <= maxSize
    ? undefined
    : `metadata: expected at most ${maxSize} bytes (maxMetadataSize), got ${size}, ` +
        `${largestSize} of them by the key ${shown(largest)} and its value`
}

/** Returns the size of a well-formed string in UTF-8. */
const utf8Size = (text: string): number => {
  let size = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    // a surrogate counts two: a pair is four bytes
    if (unit > 0x7f) size += unit > 0x7ff && (unit & 0xf800) !== 0xd800 ? 2 : 1
  }
  return size
}
