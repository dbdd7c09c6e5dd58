/** Metadata as values: every function gives a new one, or one that it was given. */
import type { Metadata } from "./model.ts"
import { emptyMetadata } from "./model.ts"

/** Both, the second's values over the first's. */
export const merge = (base: Metadata, over: Metadata | undefined): Metadata =>
  over === undefined || over === emptyMetadata ? base : base === emptyMetadata ? over : { ...base, ...over }

/** What HTTP puts between the values of a header that is there more than once. */
const separator = ", "

/** A value behind the one that the key has. */
export const append = (metadata: Metadata, key: string, value: string): Metadata => ({
  ...metadata,
  [key]: Object.hasOwn(metadata, key) ? metadata[key] + separator + value : value
})

const filter = (metadata: Metadata, keeps: (key: string) => boolean): Metadata => {
  const kept = Object.entries(metadata).filter(([key]) => keeps(key))
  return kept.length === 0 ? emptyMetadata : Object.fromEntries(kept)
}

/** What has none of these keys. */
export const remove = (metadata: Metadata, keys: ReadonlyArray<string>): Metadata =>
  filter(metadata, (key) => !keys.includes(key))

/** What has no other keys. */
export const pick = (metadata: Metadata, keys: ReadonlyArray<string>): Metadata =>
  filter(metadata, (key) => keys.includes(key))
