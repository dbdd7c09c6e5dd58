/** Reads topics back from the names of channels. */
import { Schema } from "effect"
import * as Channels from "../../../internal/wire/channel.ts"
import type * as Topic from "../../../Topic.ts"

/** Returns the text of an escaped part of a name. */
const unescape = (part: string): string =>
  part.replace(/u\+([0-9a-f]{4})|U\+([0-9a-f]{8})/g, (_, short: string | undefined, long: string | undefined) =>
    String.fromCodePoint(Number.parseInt(short ?? long!, 16))
  )

/** Yields each way to put the values, in order, into `count` positions. The other positions are empty texts. */
function* distributions(values: ReadonlyArray<string>, count: number): Generator<ReadonlyArray<string>> {
  if (count === 0) {
    if (values.length === 0) yield []
    return
  }
  if (values.length > 0) for (const rest of distributions(values.slice(1), count - 1)) yield [values[0]!, ...rest]
  if (values.length < count) for (const rest of distributions(values, count - 1)) yield ["", ...rest]
}

/**
 * Makes a function that reads the topic of a method from the part of a channel's name between the method and the kind,
 * the last delimiter included: `"eu|a|"`. It returns `undefined` for another text. Empty parameters leave no trace in the
 * name, so several topics can share a channel; the function then returns one of them.
 */
export const topicReader = (topic: Topic.Any): ((text: string) => Readonly<Record<string, unknown>> | undefined) => {
  const parameters: ReadonlyArray<readonly [string, (text: string) => unknown]> = Array.isArray(topic)
    ? (topic as ReadonlyArray<string>).map((name) => [name, (text: string) => text] as const)
    : Object.entries(topic).map(([name, schema]) => [name, Schema.decodeUnknownSync(schema as never)] as const)
  const valuesOf = (parts: ReadonlyArray<string>): Readonly<Record<string, unknown>> | undefined => {
    try {
      return Object.fromEntries(parameters.map(([name, decode], i) => [name, decode(parts[i]!)]))
    } catch {
      return undefined
    }
  }
  const prefix = Channels.request("s", "m", [], false).name.slice(0, -"REQ".length)
  return (text) => {
    const values = text
      .split("|")
      .filter((part) => part !== "")
      .map(unescape)
    for (const parts of distributions(values, parameters.length)) {
      if (Channels.request("s", "m", parts, false).name !== `${prefix}${text}REQ`) continue
      const found = valuesOf(parts)
      if (found !== undefined) return found
    }
    return undefined
  }
}
