import { PsrpcError } from "@effect-psrpc/core"
import type { Cluster, ClusterOptions, Redis, RedisOptions } from "ioredis"
import { RedisIdentity } from "./redisIdentity.ts"

/**
 * The members of an ioredis client that its type must have: of any version, single, Sentinel or Cluster.
 *
 * @category models
 * @since 0.1.0
 */
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

/** Returns the identity of the Redis that a client's options name. */
export const identityOf = (options: RedisOptions): RedisIdentity =>
  new RedisIdentity(addressOf(options), [options.password, options.sentinelPassword])

/** Returns the identity of the Redis, or of the cluster, that a client is made for. */
export const identityOfClient = (client: AnyClient): RedisIdentity => {
  if (!isCluster(client)) return identityOf(client.options)
  const nodes = client.nodes()
  const addresses = nodes.slice(0, 3).map((node) => addressOf(node.options))
  const list = `${addresses.join(", ")}${nodes.length > 3 ? ", …" : ""}`
  return new RedisIdentity(`a cluster${list === "" ? "" : ` (${list})`}`, [
    client.options.redisOptions?.password,
    ...nodes.map((node) => node.options.password)
  ])
}

/** Returns the options of a client's connections. A Cluster has them for its nodes. */
const connectionOptionsOf = (client: AnyClient): RedisOptions =>
  isCluster(client) ? { ...client.options.redisOptions } : client.options

const clusterProblem = (options: ClusterOptions): string | undefined => {
  const node = options.redisOptions
  if (typeof options.clusterNodeRetryStrategy !== "function") return undefined
  if (node?.autoResendUnfulfilledCommands === false && node.maxRetriesPerRequest === 0) return undefined
  return (
    "would send a message twice when a node reconnects: with clusterNodeRetryStrategy, set " +
    "redisOptions.autoResendUnfulfilledCommands to false and redisOptions.maxRetriesPerRequest to 0"
  )
}

const problemOf = (client: AnyClient, role: "publisher" | "subscriber"): string | undefined => {
  if (typeof client?.publish !== "function" || typeof client.on !== "function" || typeof client.options !== "object") {
    return "is not a client of ioredis"
  }
  if (client.status === "end") return "is closed"
  const cluster = isCluster(client)
  const options = connectionOptionsOf(client)
  const set = cluster ? "set redisOptions." : "set "
  const keyPrefix = options.keyPrefix || (cluster ? client.options.keyPrefix : "")
  if (keyPrefix) return `would change the names of channels and locks: ${set}keyPrefix to ""`
  if (options.monitor === true) return "is a monitor, which accepts no commands"
  if (role === "subscriber") return undefined
  if (options.enableAutoPipelining === true || (cluster && client.options.enableAutoPipelining === true)) {
    return `would delay messages, perhaps until they have expired: ${set}enableAutoPipelining to false`
  }
  if (cluster) return clusterProblem(client.options)
  if (client.mode === "subscriber") {
    return "is subscribed, and accepts no other commands with RESP2: use another client"
  }
  if (options.autoResendUnfulfilledCommands !== false) {
    return "would send a message twice when its connection is lost: set autoResendUnfulfilledCommands to false"
  }
  return undefined
}

/** Returns why two clients cannot be used, or `undefined`. Each of the refused options would silently break a promise. */
export const checkClients = (
  publisher: AnyClient,
  subscriber: AnyClient
): PsrpcError.FailedPrecondition | undefined => {
  const refuse = (message: string): PsrpcError.FailedPrecondition =>
    PsrpcError.fromCode("failed_precondition", {
      message: `RedisMessageBus: ${message}`,
      reason: "not_sent",
      mayHaveRun: false
    })
  for (const [role, client] of [
    ["publisher", publisher],
    ["subscriber", subscriber]
  ] as const) {
    const problem = problemOf(client, role)
    if (problem !== undefined) return refuse(`the ${role} ${problem}`)
  }
  // a Cluster has a separate connection for its subscriptions
  if (publisher === subscriber && !isCluster(publisher)) {
    return refuse("the publisher is also the subscriber: give two clients, for example client.duplicate()")
  }
  return undefined
}
