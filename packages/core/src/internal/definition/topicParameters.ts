import { Schema } from "effect"
import type * as Topic from "../../Topic.ts"

/** A method's topic, ready for use: between the named values of the API and the strings of the wire. */
export interface Parameters {
  readonly names: ReadonlyArray<string>
  /** The strings in wire order; throws a `TypeError` that names the parameter. */
  readonly encode: (topic: Readonly<Record<string, unknown>> | undefined) => ReadonlyArray<string>
}

const none: ReadonlyArray<string> = []

/** Reads a definition's `topic`. Throws a `TypeError` for names that cannot be. */
export const parameters = (topic: Topic.Any | undefined): Parameters => {
  if (topic === undefined) return { names: none, encode: () => none }
  const schemas: ReadonlyArray<readonly [string, ((value: unknown) => unknown) | undefined]> = Array.isArray(topic)
    ? (topic as ReadonlyArray<string>).map((name) => [name, undefined] as const)
    : Object.entries(topic).map(([name, schema]) => {
        if (!Schema.isSchema(schema)) throw new TypeError(`topic parameter "${name}": expected a Schema`)
        return [name, (schema as unknown) === Schema.String ? undefined : Schema.encodeUnknownSync(schema as never)]
      })
  const names = schemas.map(([name]) => name)
  for (const name of names) {
    if (name === "") throw new TypeError("a topic parameter needs a name")
    if (/^(0|[1-9][0-9]*)$/.test(name)) {
      throw new TypeError(`topic parameter "${name}": a name that reads as an integer does not keep its place`)
    }
  }
  if (new Set(names).size < names.length) throw new TypeError(`two topic parameters with one name: ${names.join(", ")}`)
  if (names.length === 0) return { names: none, encode: () => none }
  const wanted = `{ ${names.join(", ")} }`
  const encode: Parameters["encode"] = (value) => {
    if (typeof value !== "object" || value === null) throw new TypeError(`expected a topic ${wanted}`)
    const parts: Array<string> = []
    for (const [name, encodeOne] of schemas) {
      const given = value[name]
      let part: unknown = given
      try {
        if (encodeOne !== undefined) part = encodeOne(given)
      } catch (cause) {
        throw new TypeError(`topic parameter "${name}": ${(cause as Error).message}`, { cause })
      }
      if (typeof part !== "string") {
        throw new TypeError(
          `topic parameter "${name}": expected a string, got ${given === null ? "null" : typeof given}`
        )
      }
      parts.push(part)
    }
    return parts
  }
  return { names, encode }
}
