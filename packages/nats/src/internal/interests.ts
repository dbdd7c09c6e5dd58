import type { PsrpcError } from "@effect-psrpc/core"
import { Effect } from "effect"
import type { Message, Subscription } from "./connection.ts"
import type { Link, LinkListener } from "./link.ts"
import type { Peer } from "./peer.ts"
import type { BusRuntime } from "@effect-psrpc/core/broker"

/** The name of every queue group, Go psrpc's. */
const queueGroup = "bus"

/** A subject that somebody listens on: one subscription, however many there are. */
export class Interest {
  readonly subject: string
  readonly queue: boolean
  readonly receive: (message: Message) => void
  users = 0
  subscription: Subscription | undefined
  /** Why there is no subscription. */
  refusal: PsrpcError.PsrpcError | undefined
  /** Whether the server has had it at some time. */
  wasAcknowledged = false

  constructor(subject: string, queue: boolean, receive: (message: Message) => void) {
    this.subject = subject
    this.queue = queue
    this.receive = receive
  }
}

/**
 * The subscriptions of a connection. The client restores them when the connection is back, before anything else is sent;
 * those that the server refused are asked for again then.
 */
export class Interests implements LinkListener {
  readonly #link: Link
  readonly #peer: Peer
  readonly #runtime: BusRuntime.BusRuntime
  readonly #used = new Set<Interest>()

  constructor(link: Link, peer: Peer, runtime: BusRuntime.BusRuntime) {
    this.#link = link
    this.#peer = peer
    this.#runtime = runtime
    link.listen(this)
  }

  retain(interest: Interest): void {
    if (interest.users++ > 0) return
    this.#used.add(interest)
    this.#open(interest)
  }

  /**
   * The last one ends the subscription. The client goes on receiving until the server has answered, so wait for that
   * before nobody listens any more.
   */
  release(interest: Interest): void {
    if (--interest.users > 0) return
    this.#used.delete(interest)
    const { subscription } = interest
    interest.subscription = undefined
    interest.wasAcknowledged = false
    subscription?.drain().catch(() => {})
  }

  /** Waits until the server has what was asked for, on a connection that works. Fails where it has refused `interest`. */
  acknowledged(interest: Interest): Effect.Effect<void, PsrpcError.PsrpcError> {
    return Effect.flatMap(this.#link.confirmed, () => {
      if (interest.refusal !== undefined) return Effect.fail(interest.refusal)
      interest.wasAcknowledged = true
      return Effect.void
    })
  }

  /** Ends all of them. */
  close(): void {
    for (const { subscription } of this.#used) subscription?.drain().catch(() => {})
    this.#used.clear()
  }

  up(): void {
    for (const interest of this.#used) if (interest.subscription === undefined) this.#open(interest)
  }

  #open(interest: Interest): void {
    const { queue, subject } = interest
    interest.refusal = undefined
    try {
      const subscription = this.#link.connection.subscribe(subject, {
        ...(queue && { queue: queueGroup }),
        callback: (error, message) => {
          if (error === null) interest.receive(message)
          else if (interest.subscription === subscription) this.#refused(interest)
        }
      })
      interest.subscription = subscription
    } catch (error) {
      interest.refusal = this.#peer.failed(`subscribe to ${subject}`, error)
    }
  }

  #refused(interest: Interest): void {
    interest.subscription = undefined
    interest.refusal = this.#peer.denied(`subscribe to ${interest.subject}`)
    if (interest.wasAcknowledged) this.#runtime.log("error", interest.refusal.message)
  }
}
