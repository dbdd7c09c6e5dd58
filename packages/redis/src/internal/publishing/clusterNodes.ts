import type { Cluster, Redis } from "ioredis"
import type { CommandConnection } from "../commands/command.ts"
import { type LockCommand, lockSeconds } from "../commands/lockCommand.ts"
import type { RedisIdentity } from "../connection/redisIdentity.ts"
import { PublishConnection } from "./publishConnection.ts"
import type { Publisher } from "./publisher.ts"

const ignore = (): void => {}

/**
 * Publishes through one node of a Cluster, and through another one when that node is gone.
 *
 * The Cluster itself would send each PUBLISH to a random node, which loses the order, and send commands in flight again
 * when their node goes away.
 */
export class ClusterNodes {
  readonly #cluster: Cluster
  readonly #publisher: Publisher
  readonly #broker: RedisIdentity
  readonly #lockConnection: CommandConnection
  #node: Redis | undefined
  #detach: () => void = ignore
  #closed = false

  constructor(cluster: Cluster, broker: RedisIdentity, publisher: Publisher) {
    this.#cluster = cluster
    this.#broker = broker
    this.#publisher = publisher
    this.#lockConnection = {
      batch: undefined,
      settle: () => true,
      receiversIn: () => -1,
      failure: (operation, error) => broker.failure(operation, error)
    }
  }

  /** Selects a node to publish through, unless the current one is usable. */
  readonly choose = (): void => {
    if (this.#closed || this.#isUsable(this.#node)) return
    const nodes = this.#cluster.nodes("master")
    const node = nodes.find(({ status }) => status === "ready") ?? nodes.find((node) => this.#isUsable(node))
    if (node !== undefined) this.#use(node)
  }

  /** Whether a node is connected, or may become so. */
  #isUsable(node: Redis | undefined): boolean {
    return node !== undefined && ["wait", "connecting", "connect", "ready"].includes(node.status)
  }

  #use(node: Redis): void {
    this.#detach()
    this.#node = node
    const connection = new PublishConnection(node, this.#broker, { batched: false, countsReceivers: false })
    const onReady = (): void => this.#publisher.resume()
    const onClose = (): void => {
      this.#publisher.connectionLost(connection)
      this.choose()
    }
    node.on("ready", onReady)
    node.on("close", onClose)
    this.#detach = () => {
      node.off("ready", onReady)
      // commands in flight on the previous node still need its "close"
      if (this.#closed) node.off("close", onClose)
    }
    this.#publisher.attach(connection)
    if (node.status === "wait") node.connect().catch(ignore)
  }

  /** Sends a lock request through the Cluster, which finds the node of its key. */
  readonly lock = (lock: LockCommand): boolean => {
    if (this.#cluster.status !== "ready") return false
    lock.connection = this.#lockConnection
    this.#cluster.set(lock.key, "1", "EX", lockSeconds, "NX").then(
      (reply) => lock.resolve(reply),
      (error: unknown) => lock.reject(error)
    )
    return true
  }

  close(): void {
    this.#closed = true
    this.#detach()
  }
}
