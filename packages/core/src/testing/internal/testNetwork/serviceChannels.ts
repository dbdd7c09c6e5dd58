/** Reads the names of channels: their kind, method and topic. */
import { BoundedCache } from "../../../internal/support/boundedCache.ts"
import * as Channels from "../../../internal/wire/channel.ts"
import { type Method, methodOf } from "../../../internal/definition/method.ts"
import type * as Service from "../../../Service.ts"
import type * as Topic from "../../../Topic.ts"
import { topicReader } from "./topicReader.ts"

/** A channel of a method, or a channel to a client. */
export type ServiceChannel =
  | {
      readonly kind: "REQ" | "RCLAIM" | "STR"
      readonly key: string
      readonly method: Method
      readonly topic: Readonly<Record<string, unknown>>
    }
  | { readonly kind: "CLAIM" | "RES" | "CLIENT STR" }

const lastPart = /^(.*?)([^|]*)$/s

const cacheSize = 10_000

/** Makes a function that reads the names of a service's channels. It returns `undefined` for another name. */
export const channelReader = (service: Service.Any): ((name: string) => ServiceChannel | undefined) => {
  const { serviceName } = service
  const methods = Object.entries(service.methods).map(([key, rpc]) => {
    const method = methodOf(service, key)
    const prefix = Channels.request(serviceName, method.name, [], false).name.slice(0, -"REQ".length)
    return { key, method, prefix, topicOf: topicReader((rpc as unknown as { readonly topic: Topic.Any }).topic) }
  })
  const servicePrefix = Channels.response(serviceName, "").name.slice(0, -"RES".length)

  const read = (name: string): { readonly channel: ServiceChannel | undefined } => {
    const [, head = "", kind = ""] = lastPart.exec(name) ?? []
    if (!name.startsWith(servicePrefix)) return { channel: undefined }
    if (kind === "REQ" || kind === "RCLAIM" || kind === "STR") {
      for (const { key, method, prefix, topicOf } of methods) {
        if (!head.startsWith(prefix)) continue
        const topic = topicOf(head.slice(prefix.length))
        if (topic !== undefined) return { channel: { kind, key, method, topic } }
      }
    }
    if (kind === "STR") return { channel: { kind: "CLIENT STR" } }
    return { channel: kind === "CLAIM" || kind === "RES" ? { kind } : undefined }
  }
  const cache = new BoundedCache<string, ReturnType<typeof read>>(cacheSize, read)
  return (name) => cache.get(name).channel
}
