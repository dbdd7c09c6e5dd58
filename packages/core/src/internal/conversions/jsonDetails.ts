/** Details in JSON: the list of a Connect error, in which a type of the usual host has its name alone. */
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire"
import { Predicate } from "effect"
import type { Detail } from "../errors/models.ts"

const host = "type.googleapis.com/"

interface JsonDetail {
  readonly type: string
  /** Base64 without padding. */
  readonly value: string
  /** The type URL, if `type` alone would mean another one. */
  readonly typeUrl?: string
}

const urlOf = (type: string): string => (type.includes("/") ? type : host + type)

export const toJson = (details: ReadonlyArray<Detail>): ReadonlyArray<JsonDetail> =>
  details.map(({ typeUrl, value }) => {
    const type = typeUrl.startsWith(host) ? typeUrl.slice(host.length) : typeUrl
    return { type, value: base64Encode(value, "std_raw"), ...(urlOf(type) !== typeUrl && { typeUrl }) }
  })

/** Returns the valid details of any value. */
export const fromJson = (json: unknown): ReadonlyArray<Detail> | undefined => {
  if (!Array.isArray(json)) return undefined
  const details: Array<Detail> = []
  for (const entry of json) {
    if (!Predicate.isObject(entry)) continue
    const { type, typeUrl, value } = entry as Record<string, unknown>
    if (typeof type !== "string" || typeof value !== "string") continue
    try {
      details.push({ typeUrl: typeof typeUrl === "string" ? typeUrl : urlOf(type), value: base64Decode(value) })
    } catch {
      // not base64
    }
  }
  return details
}

/** Parses JSON; `undefined` for invalid text. */
export const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Returns the fields of any value; an empty record for a value without fields. */
export const fieldsOf = (u: unknown): Readonly<Record<string, unknown>> =>
  Predicate.isObject(u) ? (u as Record<string, unknown>) : {}

/** Returns a non-empty string, or `undefined`. */
export const textOf = (u: unknown): string | undefined => (typeof u === "string" && u !== "" ? u : undefined)
