import type { MessageBus } from "@effect-psrpc/core"
import { type PsrpcError } from "@effect-psrpc/core"
import { Cause, type Effect } from "effect"
import { walkRoute } from "./census.ts"
import type { Message } from "./connection.ts"
import type { HandOn } from "./handOn.ts"
import { Interest, type Interests } from "./interests.ts"
import type { Peer } from "./peer.ts"
import { type BusMetrics, type BusRuntime, Listeners, Msg } from "@effect-psrpc/core/broker"
import { routeSubject } from "./subjects.ts"

/** One subject, and the channels that share it. */
class Subject {
  readonly interest: Interest
  /** By route. The route "" hears everything. */
  readonly listeners: Listeners.Listeners
  /** How many listeners have another route: for their sake a message is looked into. */
  routed = 0
  /** Where a queue's other members hand on what they lack the route for, by route. */
  readonly routes = new Map<string, Interest>()

  constructor(
    name: string,
    queue: boolean,
    receive: (subject: Subject, message: Message) => void,
    onDefect: (defect: unknown) => void
  ) {
    this.interest = new Interest(name, queue, (message) => receive(this, message))
    this.listeners = new Listeners.Listeners(onDefect)
  }

  add(route: string, listener: MessageBus.Listener): void {
    if (route !== "") this.routed++
    this.listeners.add(route, listener, this.interest.queue)
  }

  delete(route: string, listener: MessageBus.Listener): void {
    if (route !== "") this.routed--
    this.listeners.delete(route, listener, this.interest.queue)
  }

  /** To everybody on the message's channel. */
  giveAll(bytes: Uint8Array): void {
    if (this.routed > 0) {
      const route = Msg.readChannel(bytes)
      if (route !== "") this.listeners.get(route)?.all(bytes)
    }
    this.listeners.get("")?.all(bytes)
  }

  /** To one member of the channel's queue, or to nobody: then it returns the channel's route. */
  giveOne(bytes: Uint8Array): string | undefined {
    const plain = this.listeners.get("")
    const route = Msg.readChannel(bytes)
    // who hears everything has all routes, and is not found by them: a walker that is lost says so
    if (route === walkRoute && plain !== undefined) return undefined
    const group = (route === "" ? undefined : this.listeners.get(route)) ?? plain
    if (group === undefined) return route
    group.one(bytes)
    return undefined
  }
}

/** What is in a message, and not as a Buffer, whose slice() would not copy. */
const bytesOf = ({ data }: Message): Uint8Array =>
  Buffer.isBuffer(data) ? new Uint8Array(data.buffer, data.byteOffset, data.length) : data

/** The receiving side of a bus: gives each message to the listeners of its channel, which it has to look for inside. */
export class Receiver {
  readonly #interests: Interests
  readonly #handOn: HandOn
  readonly #peer: Peer
  readonly #runtime: BusRuntime.BusRuntime
  readonly #metrics: BusMetrics.BusMetrics
  readonly #subjects = new Map<string, Subject>()

  constructor(
    interests: Interests,
    handOn: HandOn,
    peer: Peer,
    runtime: BusRuntime.BusRuntime,
    metrics: BusMetrics.BusMetrics
  ) {
    this.#metrics = metrics
    this.#interests = interests
    this.#handOn = handOn
    this.#peer = peer
    this.#runtime = runtime
  }

  /** Listens, and returns what to wait for and how to end it. */
  listen(
    channel: MessageBus.Channel,
    listener: MessageBus.Listener,
    queue: boolean
  ): {
    readonly acknowledged: Effect.Effect<void, PsrpcError.PsrpcError>
    /** No message is asked for any more; what comes until the server has answered is still given to the listener. */
    readonly leave: () => void
    readonly forget: () => void
  } {
    const name = channel.subject
    // as it is on the wire
    const route = channel.route.toWellFormed()
    const key = queue ? `${name} queue` : name
    let subject = this.#subjects.get(key)
    if (subject === undefined) {
      subject = new Subject(name, queue, this.#receive, (defect) => this.#threw("a listener", defect))
      this.#subjects.set(key, subject)
      if (queue) this.#handOn.join(name)
    }
    const { interest, routes } = subject
    subject.add(route, listener)
    this.#interests.retain(interest)
    let way: Interest | undefined
    if (queue && route !== "") {
      way = routes.get(route)
      if (way === undefined) routes.set(route, (way = new Interest(routeSubject(name, route), true, interest.receive)))
      this.#interests.retain(way)
    }
    return {
      acknowledged: this.#interests.acknowledged(interest),
      leave: () => {
        this.#interests.release(interest)
        if (way === undefined) return
        this.#interests.release(way)
        if (way.users === 0) routes.delete(route)
      },
      forget: () => {
        subject.delete(route, listener)
        if (interest.users > 0 || this.#subjects.get(key) !== subject) return
        this.#subjects.delete(key)
        if (queue) this.#handOn.forget(name)
      }
    }
  }

  readonly #receive = (subject: Subject, message: Message): void => {
    try {
      const bytes = bytesOf(message)
      this.#metrics.received(bytes.length)
      if (!subject.interest.queue) return subject.giveAll(bytes)
      const route = subject.giveOne(bytes)
      if (route !== undefined) this.#handOn.handOn(subject.interest.subject, route, bytes)
    } catch (defect) {
      // thrown on, it would end the client's reading for ever
      this.#threw("receiving", defect)
    }
  }

  #threw(what: string, defect: unknown): void {
    this.#runtime.log("error", this.#peer.message(`${what} threw`), Cause.die(defect))
  }
}
