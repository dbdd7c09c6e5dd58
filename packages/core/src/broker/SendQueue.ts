/**
 * The send queue of a bus: messages that wait for a lost connection, and messages that had no listeners just after a
 * reconnect, when other processes may not have subscribed again yet.
 *
 * A bus publishes through the queue and reports the outcome of each message that the queue has sent. Messages of one
 * channel leave in the order of publishing. A message that has expired, or whose publisher was cancelled, is never sent.
 *
 * **Example** (A bus that buffers messages while it is not connected)
 *
 * ```ts
 * import { type MessageBus, type PsrpcError } from "@effect-psrpc/core"
 * import { type BrokerIdentity, type BusRuntime, type Limits, SendQueue } from "@effect-psrpc/core/broker"
 *
 * interface Connection {
 *   readonly isUp: boolean
 *   readonly publish: (name: string, message: Uint8Array) => void
 * }
 *
 * class Publisher {
 *   readonly #queue: SendQueue.SendQueue<SendQueue.QueuedMessage>
 *   #seq = 0
 *
 *   constructor(
 *     connection: Connection,
 *     broker: BrokerIdentity.BrokerIdentity,
 *     runtime: BusRuntime.BusRuntime,
 *     limits: Limits.Limits
 *   ) {
 *     this.#queue = new SendQueue.SendQueue({
 *       broker,
 *       runtime,
 *       limits,
 *       canSend: () => connection.isUp,
 *       blockedBy: () => "the connection is down",
 *       mayHaveListeners: () => false,
 *       send: (item) => {
 *         connection.publish(item.target.name, item.message)
 *         item.delivery.delivered(-1)
 *       }
 *     })
 *   }
 *
 *   publish(target: MessageBus.Target, message: Uint8Array, expiry: number, delivery: MessageBus.Delivery): void {
 *     const seq = this.#seq++
 *     this.#queue.publish({ target, message, expiry, delivery, seq, hadNoListeners: false, isRetry: false })
 *   }
 *
 *   connected(): void {
 *     this.#queue.resume()
 *   }
 *
 *   close(error: PsrpcError.PsrpcError): void {
 *     this.#queue.failAll(error)
 *   }
 * }
 * ```
 *
 * @since 0.1.0
 */
import type { PsrpcError } from "../PsrpcError.ts"
import type { BrokerIdentity } from "./BrokerIdentity.ts"
import type { BusRuntime } from "./BusRuntime.ts"
import { BufferedMessages, sweepInterval } from "./internal/bufferedMessages.ts"
import { NoListenersRetry, retryInterval } from "./internal/noListenersRetry.ts"
import type { QueuedMessage } from "./internal/queuedMessage.ts"
import type { Limits } from "./Limits.ts"

export {
  /**
   * A message that a bus has to send. A bus may add fields of its own.
   *
   * @category models
   * @since 0.1.0
   */
  type QueuedMessage
} from "./internal/queuedMessage.ts"

/**
 * What a send queue needs from its bus.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Item extends QueuedMessage> {
  readonly broker: BrokerIdentity
  readonly runtime: BusRuntime
  readonly limits: Pick<Limits, "maxBufferedBytes" | "maxBufferedMessages" | "maxPayload">
  /** Returns whether the connection accepts one more message now. */
  readonly canSend: () => boolean
  /** Returns why the connection accepts no message, for error texts: "the connection is down". */
  readonly blockedBy: () => string
  /** Sends a message. From here on the bus reports its outcome. */
  readonly send: (item: Item) => void
  /**
   * Returns whether a message that had no listeners may still get some, because other processes may not have subscribed
   * again yet.
   */
  readonly mayHaveListeners: (item: Item) => boolean
}

/**
 * The messages that one bus cannot send yet.
 *
 * @category models
 * @since 0.1.0
 */
export class SendQueue<Item extends QueuedMessage> {
  readonly #options: Options<Item>
  readonly #buffered: BufferedMessages<Item>
  readonly #noListeners: NoListenersRetry<Item>
  /** Cancels the timer of the next retry. */
  #retrying: (() => void) | undefined
  /** The timer of the next sweep. */
  #alarm: { readonly at: number; readonly cancel: () => void } | undefined

  constructor(options: Options<Item>) {
    this.#options = options
    const { blockedBy, broker, canSend, limits, mayHaveListeners, runtime, send } = options
    this.#noListeners = new NoListenersRetry({
      now: () => runtime.now(),
      notSent: (item) => broker.notSent(item.target.name),
      canSend,
      send,
      mayHaveListeners
    })
    this.#buffered = new BufferedMessages({
      maxMessages: limits.maxBufferedMessages,
      maxBytes: limits.maxBufferedBytes,
      besides: this.#noListeners,
      expired: () => broker.unreachable(`a message expired in the send queue: ${blockedBy()}`, false),
      overflow: (item) => broker.overflow(item.target.name, blockedBy())
    })
  }

  /** Sends a message, buffers it until it can be sent, or fails it if it is too large or there is no room. */
  publish(item: Item): void {
    const { canSend, limits, send } = this.#options
    if (
      item.message.length <= limits.maxPayload &&
      this.#noListeners.isEmpty &&
      this.#buffered.size === 0 &&
      canSend()
    ) {
      send(item)
    } else this.#publishLater(item)
  }

  #publishLater(item: Item): void {
    const { blockedBy, broker, canSend, limits, runtime, send } = this.#options
    const { delivery, expiry, message, target } = item
    if (message.length > limits.maxPayload) {
      return delivery.undelivered(
        broker.tooLarge(target.name, message.length, `the bus's maxPayload of ${limits.maxPayload} bytes`)
      )
    }
    if (this.#noListeners.hasChannel(target.name)) {
      if (this.#buffered.hasRoom(message)) this.#noListeners.add(item)
      else delivery.undelivered(broker.overflow(target.name, blockedBy()))
      return
    }
    if (this.#buffered.size === 0 && canSend()) return send(item)
    this.#buffered.push(item, runtime.now())
    this.#watch(expiry)
    // the connection may work already, with its event still to come
    this.resume()
  }

  /** Sends buffered messages for as long as the connection accepts them. Call it when the connection works again. */
  resume(): void {
    if (this.#buffered.size === 0) return
    const { canSend, runtime, send } = this.#options
    this.#buffered.drain(runtime.now(), canSend, (item) => {
      if (this.#noListeners.hasChannel(item.target.name)) this.#noListeners.add(item)
      else send(item)
    })
    if (this.#buffered.size === 0) this.#cancelAlarm()
  }

  /**
   * Takes back a message that was sent and had no listeners. Returns `true` if it is kept for a retry, because it may
   * still get listeners. Otherwise the bus reports to its publisher that it had no listeners.
   */
  retryLater(item: Item): boolean {
    const { mayHaveListeners, runtime } = this.#options
    const isKept =
      mayHaveListeners(item) &&
      item.expiry > runtime.now() + retryInterval &&
      this.#buffered.hasRoom(item.message) &&
      item.delivery.wanted()
    if (isKept) {
      item.hadNoListeners = true
      this.#noListeners.add(item)
      this.#startRetrying()
    } else this.settled(item, false)
    return isKept
  }

  /**
   * Ends the send of a message, whatever its outcome. Messages of its channel that wait for it are sent if it had
   * listeners.
   */
  settled(item: Item, hadListeners: boolean): void {
    if (item.isRetry) this.#noListeners.settled(item, hadListeners)
  }

  /** Takes back messages that were certainly not sent, in order. */
  putBack(items: ReadonlyArray<Item>): void {
    for (const item of items) if (item.isRetry) this.#noListeners.add(item)
    this.#buffered.prepend(items.filter((item) => !item.isRetry))
    for (const { expiry } of items) this.#watch(expiry)
  }

  /** Fails all messages with an error: the bus is closed, or its connection will not come back. */
  failAll(error: PsrpcError): void {
    this.#cancelAlarm()
    this.#retrying?.()
    this.#retrying = undefined
    for (const { delivery } of [...this.#noListeners.clear(), ...this.#buffered.clear()]) delivery.undelivered(error)
  }

  #startRetrying(): void {
    this.#retrying ??= this.#options.runtime.after(retryInterval, () => {
      this.#retrying = undefined
      this.#noListeners.retry()
      if (!this.#noListeners.isEmpty) this.#startRetrying()
    })
  }

  /** Schedules a sweep for the earliest expiry. */
  #watch(expiry: number): void {
    const { runtime } = this.#options
    const now = runtime.now()
    const at = Math.max(expiry, now + sweepInterval)
    if (this.#buffered.size === 0 || at === Infinity || (this.#alarm !== undefined && this.#alarm.at <= at)) return
    this.#cancelAlarm()
    const cancel = runtime.after(at - now, () => {
      this.#alarm = undefined
      this.#watch(this.#buffered.sweep(runtime.now()))
    })
    this.#alarm = { at, cancel }
  }

  #cancelAlarm(): void {
    this.#alarm?.cancel()
    this.#alarm = undefined
  }
}
