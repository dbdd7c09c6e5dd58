/** Combines metadata. Each function returns a new value, or one of its arguments. */
import type { Metadata } from "./model.ts"
import { emptyMetadata } from "./model.ts"

/** Merges two records. The second has precedence. */
export const merge = (base: Metadata, over: Metadata | undefined): Metadata =>
  over === undefined || over === emptyMetadata ? base : base === emptyMetadata ? over : { ...base, ...over }

/** The separator that HTTP uses between the values of a repeated header. */
const separator = ", "

/** Appends a value to that of a key. */
export const append = (metadata: Metadata, key: string, value: string): Metadata => ({
  ...metadata,
  [key]: Object.hasOwn(metadata, key) ? metadata[key] + separator + value : value
})

const filter = (metadata: Metadata, keeps: (key: string) => boolean): Metadata => {
  const kept = Object.entries(metadata).filter(([key]) => keeps(key))
  return kept.length === 0 ? emptyMetadata : Object.fromEntries(kept)
}

/** Returns the metadata without these keys. */
export const remove = (metadata: Metadata, keys: ReadonlyArray<string>): Metadata =>
  filter(metadata, (key) => !keys.includes(key))

/** Returns the metadata with only these keys. */
export const pick = (metadata: Metadata, keys: ReadonlyArray<string>): Metadata =>
  filter(metadata, (key) => keys.includes(key))
