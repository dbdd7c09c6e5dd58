/** What the channels of a service are for. */
import { BoundedCache } from "../../../internal/support/boundedCache.ts"
import * as Channels from "../../../internal/wire/channel.ts"
import { type Method, methodOf } from "../../../internal/definition/method.ts"
import type * as Service from "../../../Service.ts"
import type * as Topic from "../../../Topic.ts"
import { topicReader } from "./topics.ts"

/** A channel of a method, or one back to a client. */
export type Place =
  | {
      readonly kind: "REQ" | "RCLAIM" | "STR"
      readonly key: string
      readonly method: Method
      readonly topic: Readonly<Record<string, unknown>>
    }
  | { readonly kind: "CLAIM" | "RES" | "CLIENT STR" }

const lastPart = /^(.*?)([^|]*)$/s

/** How many names are kept. */
const namesKept = 10_000

/** Says what a channel is for, by its name; `undefined` for what is none of the service's. */
export const placesOf = (service: Service.Any): ((channel: string) => Place | undefined) => {
  const name = service.serviceName
  const methods = Object.entries(service.methods).map(([key, rpc]) => {
    const method = methodOf(name, key, rpc)
    const prefix = Channels.request(name, method.name, [], false).name.slice(0, -"REQ".length)
    return { key, method, prefix, topicOf: topicReader((rpc as unknown as { readonly topic: Topic.Any }).topic) }
  })
  const prefix = Channels.response(name, "").name.slice(0, -"RES".length)

  const find = (channel: string): { readonly place: Place | undefined } => {
    const [, head = "", kind = ""] = lastPart.exec(channel) ?? []
    if (!channel.startsWith(prefix)) return { place: undefined }
    if (kind === "REQ" || kind === "RCLAIM" || kind === "STR") {
      for (const { key, method, prefix, topicOf } of methods) {
        if (!head.startsWith(prefix)) continue
        const topic = topicOf(head.slice(prefix.length))
        if (topic !== undefined) return { place: { kind, key, method, topic } }
      }
    }
    if (kind === "STR") return { place: { kind: "CLIENT STR" } }
    return { place: kind === "CLAIM" || kind === "RES" ? { kind } : undefined }
  }
  const known = new BoundedCache<string, ReturnType<typeof find>>(namesKept, find)
  return (channel) => known.get(channel).place
}
