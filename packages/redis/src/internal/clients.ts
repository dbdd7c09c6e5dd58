import { PsrpcError } from "@effect-psrpc/core"
import type { Cluster, ClusterOptions, Redis, RedisOptions } from "ioredis"
import { Peer } from "./peer.ts"

/** What of an ioredis client the bus is typed by: any version, single or Cluster. */
export interface Client {
  readonly status: string
  readonly options: object
  publish(channel: string, message: Buffer): Promise<number>
  subscribe(...channels: Array<string>): Promise<unknown>
  unsubscribe(...channels: Array<string>): Promise<unknown>
}

export type AnyClient = Redis | Cluster

export const isCluster = (client: AnyClient): client is Cluster => client.isCluster

const addressOf = (options: RedisOptions): string =>
  options.sentinels && options.sentinels.length > 0
    ? `Sentinel's ${options.name ?? "master"}`
    : (options.path ?? `${options.host ?? "localhost"}:${options.port ?? 6379}`)

/** Names the Redis behind the options of a client. */
export const peerOf = (options: RedisOptions): Peer =>
  new Peer(addressOf(options), [options.password, options.sentinelPassword])

export const peerOfClient = (client: AnyClient): Peer => {
  if (!isCluster(client)) return peerOf(client.options)
  const nodes = client.nodes()
  const addresses = nodes.slice(0, 3).map((node) => addressOf(node.options))
  const list = `${addresses.join(", ")}${nodes.length > 3 ? ", …" : ""}`
  return new Peer(`a cluster${list === "" ? "" : ` (${list})`}`, [
    client.options.redisOptions?.password,
    ...nodes.map((node) => node.options.password)
  ])
}

/** Options of a client's own connections, which are those of its nodes where it is a Cluster. */
const connectionOptions = (client: AnyClient): RedisOptions =>
  isCluster(client) ? { ...client.options.redisOptions } : client.options

const clusterTrouble = (options: ClusterOptions): string | undefined => {
  const node = options.redisOptions
  if (typeof options.clusterNodeRetryStrategy !== "function") return undefined
  if (node?.autoResendUnfulfilledCommands === false && node.maxRetriesPerRequest === 0) return undefined
  return (
    "a node that connects again sends again what was in flight: with clusterNodeRetryStrategy, set " +
    "redisOptions.autoResendUnfulfilledCommands to false and redisOptions.maxRetriesPerRequest to 0"
  )
}

const trouble = (client: AnyClient, role: "publisher" | "subscriber"): string | undefined => {
  if (typeof client?.publish !== "function" || typeof client.on !== "function" || typeof client.options !== "object") {
    return "is not a client of ioredis"
  }
  if (client.status === "end") return "is closed"
  const cluster = isCluster(client)
  const options = connectionOptions(client)
  const set = cluster ? "set redisOptions." : "set "
  const keyPrefix = options.keyPrefix || (cluster ? client.options.keyPrefix : "")
  if (keyPrefix) return `would change the names of channels and locks: ${set}keyPrefix to ""`
  if (options.monitor === true) return "is a monitor, which takes no commands"
  if (role === "subscriber") return undefined
  if (options.enableAutoPipelining === true || (cluster && client.options.enableAutoPipelining === true)) {
    return `would put commands off until they may have expired: ${set}enableAutoPipelining to false`
  }
  if (cluster) return clusterTrouble(client.options)
  if (client.mode === "subscriber") return "is subscribed, and takes no other commands with RESP2: give another client"
  if (options.autoResendUnfulfilledCommands !== false) {
    return "would send again what may have been sent when a connection breaks: set autoResendUnfulfilledCommands to false"
  }
  return undefined
}

/** Why two clients cannot be used, where they cannot: each of these would break a promise of the bus without a sound. */
export const check = (publisher: AnyClient, subscriber: AnyClient): PsrpcError.FailedPrecondition | undefined => {
  const refuse = (message: string): PsrpcError.FailedPrecondition =>
    new PsrpcError.FailedPrecondition({ message, mayHaveRun: false })
  for (const [role, client] of [
    ["publisher", publisher],
    ["subscriber", subscriber]
  ] as const) {
    const reason = trouble(client, role)
    if (reason !== undefined) return refuse(`the ${role} ${reason}`)
  }
  // a Cluster has a connection of its own for its subscriptions
  if (publisher === subscriber && !isCluster(publisher)) {
    return refuse("the publisher is the subscriber too: give two clients, client.duplicate() makes another")
  }
  return undefined
}
