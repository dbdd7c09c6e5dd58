import type { Metadata } from "../Metadata.ts"
import { emptyMetadata } from "./entries.ts"

/** Both, the second's values over the first's. */
export const merge = (base: Metadata, over: Metadata | undefined): Metadata =>
  over === undefined || over === emptyMetadata ? base : base === emptyMetadata ? over : { ...base, ...over }

/** What is wrong with metadata that was put together without types; `undefined` for nothing. */
export const problemOf = (metadata: Metadata): string | undefined => {
  for (const key of Object.keys(metadata)) {
    const value: unknown = metadata[key]
    if (typeof value !== "string")
      return `metadata "${key}": expected a text, got ${value === null ? "null" : typeof value}`
  }
  return undefined
}
