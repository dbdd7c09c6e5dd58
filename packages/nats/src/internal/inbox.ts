import { randomBytes } from "node:crypto"
import { type Connection, noResponders, type Subscription } from "./connection.ts"
import type { Link, LinkListener } from "./link.ts"
import type { Peer } from "./peer.ts"
import type { BusRuntime } from "@effect-psrpc/core/broker"

/**
 * Where the server tells that nobody listens: it answers a message that has a subject to reply to, and that it can give
 * to nobody. Nobody else writes there; a receiver leaves the subject alone.
 */
export class Inbox implements LinkListener {
  readonly #connection: Connection
  readonly #link: Link
  readonly #peer: Peer
  readonly #runtime: BusRuntime.BusRuntime
  readonly #prefix: string
  #subscription: Subscription | undefined
  #isOn = false
  /** Hears the number of a message that nobody listens to. */
  onUnheard: (number: number) => void = () => {}

  constructor(link: Link, prefix: string, peer: Peer, runtime: BusRuntime.BusRuntime) {
    this.#connection = link.connection
    this.#link = link
    this.#peer = peer
    this.#runtime = runtime
    this.#prefix = `${prefix}.${randomBytes(9).toString("base64url")}.`
    link.listen(this)
  }

  /** Whether the server tells that nobody listens. */
  get isOn(): boolean {
    return this.#isOn
  }

  /** Where the server answers the message with this number. */
  replyTo(number: number): string | undefined {
    return this.#isOn ? this.#prefix + number.toString(36) : undefined
  }

  open(): void {
    this.#subscription = this.#connection.subscribe(`${this.#prefix}*`, {
      callback: (error, message) => {
        if (error !== null) return this.#denied()
        if (message.data.length > 0 || message.headers?.code !== noResponders) return
        this.onUnheard(Number.parseInt(message.subject.slice(this.#prefix.length), 36))
      }
    })
    this.up()
  }

  close(): void {
    this.#isOn = false
    const subscription = this.#subscription
    this.#subscription = undefined
    subscription?.drain().catch(() => {})
  }

  up(): void {
    // a server may have been replaced by an older one
    this.#isOn = this.#subscription !== undefined && this.#link.info?.headers === true
  }

  #denied(): void {
    this.#subscription = undefined
    this.#isOn = false
    const what = `not allowed to subscribe to ${this.#prefix}*, so nobody is told that nobody listens`
    this.#runtime.log("warning", this.#peer.message(what))
  }
}
