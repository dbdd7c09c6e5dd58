import type { PsrpcError } from "@effect-psrpc/core"
import type { BusRuntime } from "@effect-psrpc/core/broker"
import { Effect } from "effect"
import type { ConnectionListener, ConnectionMonitor } from "./connectionMonitor.ts"
import type { Message, Subscription } from "./natsConnection.ts"
import type { NatsIdentity } from "./natsIdentity.ts"

/** The name of every queue group. The name is Go psrpc's. */
const queueGroup = "bus"

/** The subscription to one subject, shared by all its users. */
export class SharedSubscription {
  readonly subject: string
  readonly queue: boolean
  readonly receive: (message: Message) => void
  users = 0
  subscription: Subscription | undefined
  /** Why there is no subscription. */
  refusal: PsrpcError.PsrpcError | undefined
  /** Whether the server has acknowledged it at some time. */
  wasAcknowledged = false

  constructor(subject: string, queue: boolean, receive: (message: Message) => void) {
    this.subject = subject
    this.queue = queue
    this.receive = receive
  }
}

/**
 * The subscriptions of a connection. After a reconnect nats.js restores them before it sends anything else. Subscriptions
 * that the server had refused are requested again then.
 */
export class Subscriptions implements ConnectionListener {
  readonly #monitor: ConnectionMonitor
  readonly #broker: NatsIdentity
  readonly #runtime: BusRuntime.BusRuntime
  readonly #used = new Set<SharedSubscription>()

  constructor(monitor: ConnectionMonitor, broker: NatsIdentity, runtime: BusRuntime.BusRuntime) {
    this.#monitor = monitor
    this.#broker = broker
    this.#runtime = runtime
    monitor.listen(this)
  }

  /** Adds a user. The first one subscribes. */
  retain(shared: SharedSubscription): void {
    if (shared.users++ > 0) return
    this.#used.add(shared)
    this.#subscribe(shared)
  }

  /**
   * Removes a user. The last one unsubscribes. Messages arrive until the server has replied to a later PING: wait for it
   * before the receiver is removed.
   */
  release(shared: SharedSubscription): void {
    if (--shared.users > 0) return
    this.#used.delete(shared)
    const { subscription } = shared
    shared.subscription = undefined
    shared.wasAcknowledged = false
    subscription?.drain().catch(() => {})
  }

  /** Waits until the server has processed the subscription, on a connection that works. Fails if it refused. */
  acknowledged(shared: SharedSubscription): Effect.Effect<void, PsrpcError.PsrpcError> {
    return Effect.flatMap(this.#monitor.confirmed, () => {
      if (shared.refusal !== undefined) return Effect.fail(shared.refusal)
      shared.wasAcknowledged = true
      return Effect.void
    })
  }

  /** Unsubscribes all. */
  close(): void {
    for (const { subscription } of this.#used) subscription?.drain().catch(() => {})
    this.#used.clear()
  }

  up(): void {
    for (const shared of this.#used) if (shared.subscription === undefined) this.#subscribe(shared)
  }

  #subscribe(shared: SharedSubscription): void {
    const { queue, subject } = shared
    shared.refusal = undefined
    try {
      const subscription = this.#monitor.connection.subscribe(subject, {
        ...(queue && { queue: queueGroup }),
        callback: (error, message) => {
          if (error === null) shared.receive(message)
          else if (shared.subscription === subscription) this.#refused(shared)
        }
      })
      shared.subscription = subscription
    } catch (error) {
      shared.refusal = this.#broker.failure(`subscribe to ${subject}`, error)
    }
  }

  #refused(shared: SharedSubscription): void {
    shared.subscription = undefined
    shared.refusal = this.#broker.denied(`subscribe to ${shared.subject}`)
    if (shared.wasAcknowledged) this.#runtime.log("error", shared.refusal.message)
  }
}
