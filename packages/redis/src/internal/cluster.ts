import type { Cluster, Redis } from "ioredis"
import { type Lock, lockSeconds } from "./commands.ts"
import type { Peer } from "./peer.ts"
import type { Publisher } from "./publisher.ts"
import { Wire } from "./wire.ts"

const ignore = (): void => {}

/**
 * Publishes through one node of a Cluster at a time, and through another once that one is gone.
 *
 * Through the Cluster itself each PUBLISH would go to a random node, out of order, and what was in flight when a node
 * went away would be sent again.
 */
export class ClusterNodes {
  readonly #cluster: Cluster
  readonly #peer: Peer
  readonly #publisher: Publisher
  #node: Redis | undefined
  #detach: () => void = ignore
  #closed = false

  constructor(cluster: Cluster, peer: Peer, publisher: Publisher) {
    this.#cluster = cluster
    this.#peer = peer
    this.#publisher = publisher
  }

  /** Finds a node to publish through, unless there is one. */
  readonly choose = (): void => {
    if (this.#closed || this.#isUsable(this.#node)) return
    const nodes = this.#cluster.nodes("master")
    const node = nodes.find(({ status }) => status === "ready") ?? nodes.find((node) => this.#isUsable(node))
    if (node !== undefined) this.#use(node)
  }

  /** Neither gone nor about to go. */
  #isUsable(node: Redis | undefined): boolean {
    return node !== undefined && ["wait", "connecting", "connect", "ready"].includes(node.status)
  }

  #use(node: Redis): void {
    this.#detach()
    this.#node = node
    const wire = new Wire(node, this.#peer, { lean: false, countsReceivers: false })
    const onReady = (): void => this.#publisher.resume()
    const onClose = (): void => {
      this.#publisher.broken(wire)
      this.choose()
    }
    node.on("ready", onReady)
    node.on("close", onClose)
    this.#detach = () => {
      node.off("ready", onReady)
      // what is in flight on a node that was left still has to hear of its end
      if (this.#closed) node.off("close", onClose)
    }
    this.#publisher.attach(wire)
    if (node.status === "wait") node.connect().catch(ignore)
  }

  /** The lock's key decides on its node, which the Cluster finds. */
  readonly lock = (lock: Lock): boolean => {
    if (this.#cluster.status !== "ready") return false
    lock.carrier = {
      turn: undefined,
      settle: () => true,
      receivers: () => -1,
      failed: (what, error) => this.#peer.failed(what, error),
      heard: () => false
    }
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
