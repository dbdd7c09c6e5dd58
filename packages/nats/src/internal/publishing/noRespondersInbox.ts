import type { BusRuntime } from "@effect-psrpc/core/broker"
import { randomBytes } from "node:crypto"
import type { ConnectionListener, ConnectionMonitor } from "../connection/connectionMonitor.ts"
import { type Connection, noResponders, type Subscription } from "../connection/natsConnection.ts"
import type { NatsIdentity } from "../connection/natsIdentity.ts"

/**
 * Receives the server's reports of messages without listeners. The server sends a report to the reply subject of a
 * message that it can deliver to nobody. No other process uses these reply subjects.
 */
export class NoRespondersInbox implements ConnectionListener {
  readonly #connection: Connection
  readonly #monitor: ConnectionMonitor
  readonly #broker: NatsIdentity
  readonly #runtime: BusRuntime.BusRuntime
  readonly #prefix: string
  #subscription: Subscription | undefined
  #isOn = false
  /** Called with the number of a message that had no listeners. */
  onNoResponders: (number: number) => void = () => {}

  constructor(monitor: ConnectionMonitor, prefix: string, broker: NatsIdentity, runtime: BusRuntime.BusRuntime) {
    this.#connection = monitor.connection
    this.#monitor = monitor
    this.#broker = broker
    this.#runtime = runtime
    this.#prefix = `${prefix}.${randomBytes(9).toString("base64url")}.`
    monitor.listen(this)
  }

  /** Whether the server reports messages without listeners. */
  get isOn(): boolean {
    return this.#isOn
  }

  /** Returns the reply subject of the message with this number. */
  replyTo(number: number): string | undefined {
    return this.#isOn ? this.#prefix + number.toString(36) : undefined
  }

  open(): void {
    this.#subscription = this.#connection.subscribe(`${this.#prefix}*`, {
      callback: (error, message) => {
        if (error !== null) return this.#denied()
        if (message.data.length > 0 || message.headers?.code !== noResponders) return
        this.onNoResponders(Number.parseInt(message.subject.slice(this.#prefix.length), 36))
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
    // after a reconnect the server may be an older one
    this.#isOn = this.#subscription !== undefined && this.#monitor.info?.headers === true
  }

  #denied(): void {
    this.#subscription = undefined
    this.#isOn = false
    const text =
      `the user has no permission to subscribe to ${this.#prefix}*: calls without a server time out instead of ` +
      "failing at once; allow it, or set inboxPrefix"
    this.#runtime.log("warning", this.#broker.message(text))
  }
}
