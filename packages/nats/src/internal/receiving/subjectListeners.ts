import type { MessageBus } from "@effect-psrpc/core"
import { Listeners, Msg } from "@effect-psrpc/core/broker"
import type { Message } from "../connection/natsConnection.ts"
import { SharedSubscription } from "../connection/subscriptions.ts"
import { probeRoute } from "../forwarding/membershipProbe.ts"

/** The listeners of one subject, by the routes of the channels that share it. */
export class SubjectListeners {
  readonly shared: SharedSubscription
  /** By route. Listeners of the route "" receive every message. */
  readonly #listeners: Listeners.Listeners
  /** The number of listeners with another route than "". Without any, messages are not decoded. */
  #routed = 0
  /** The subscriptions to which other members of the queue forward messages, by route. */
  readonly routes = new Map<string, SharedSubscription>()

  constructor(
    subject: string,
    queue: boolean,
    receive: (subject: SubjectListeners, message: Message) => void,
    onDefect: (defect: unknown) => void
  ) {
    this.shared = new SharedSubscription(subject, queue, (message) => receive(this, message))
    this.#listeners = new Listeners.Listeners(onDefect)
  }

  add(route: string, listener: MessageBus.Listener): void {
    if (route !== "") this.#routed++
    this.#listeners.add(route, listener, this.shared.queue)
  }

  delete(route: string, listener: MessageBus.Listener): void {
    if (route !== "") this.#routed--
    this.#listeners.delete(route, listener, this.shared.queue)
  }

  /** Passes a message to every listener of its channel. */
  toAll(bytes: Uint8Array): void {
    if (this.#routed > 0) {
      const route = Msg.readChannel(bytes)
      if (route !== "") this.#listeners.get(route)?.all(bytes)
    }
    this.#listeners.get("")?.all(bytes)
  }

  /** Passes a message to one member of its channel's queue. Returns the message's route if there is no member. */
  toOne(bytes: Uint8Array): string | undefined {
    const unrouted = this.#listeners.get("")
    const route = Msg.readChannel(bytes)
    // a member that receives every message has every route, and no route subject: to drop the probe reports it
    if (route === probeRoute && unrouted !== undefined) return undefined
    const group = (route === "" ? undefined : this.#listeners.get(route)) ?? unrouted
    if (group === undefined) return route
    group.one(bytes)
    return undefined
  }
}
