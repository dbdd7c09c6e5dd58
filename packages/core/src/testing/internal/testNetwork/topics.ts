/** Topics, read back from the names of channels. */
import { Schema } from "effect"
import * as Channels from "../../../internal/wire/channel.ts"
import type * as Topic from "../../../Topic.ts"

/** The text that a part of a name stands for. */
const restore = (part: string): string =>
  part.replace(/u\+([0-9a-f]{4})|U\+([0-9a-f]{8})/g, (_, short: string | undefined, long: string | undefined) =>
    String.fromCodePoint(Number.parseInt(short ?? long!, 16))
  )

/** The ways to spread values over places, in order, with nothing in the other places. */
function* spreads(values: ReadonlyArray<string>, places: number): Generator<ReadonlyArray<string>> {
  if (places === 0) {
    if (values.length === 0) yield []
    return
  }
  if (values.length > 0) for (const rest of spreads(values.slice(1), places - 1)) yield [values[0]!, ...rest]
  if (values.length < places) for (const rest of spreads(values, places - 1)) yield ["", ...rest]
}

/**
 * Reads the topic from between a method and the kind of its channel, delimiter included: `"eu|a|"`; `undefined` where
 * that is no topic of the method's. Parts that are empty leave little behind: where several topics have one name, and so
 * one channel, it is one of them.
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
  const before = Channels.request("s", "m", [], false).name.slice(0, -"REQ".length)
  return (text) => {
    const values = text
      .split("|")
      .filter((part) => part !== "")
      .map(restore)
    for (const parts of spreads(values, parameters.length)) {
      if (Channels.request("s", "m", parts, false).name !== `${before}${text}REQ`) continue
      const found = valuesOf(parts)
      if (found !== undefined) return found
    }
    return undefined
  }
}
