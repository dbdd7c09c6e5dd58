import type { MessageBus, PsrpcError } from "@effect-psrpc/core"
import { type BusRuntime, type ConnectionLog, type Limits, SendQueue } from "@effect-psrpc/core/broker"
import { Effect } from "effect"
import type { LockCommand } from "../commands/lockCommand.ts"
import { PublishCommand } from "../commands/publishCommand.ts"
import type { RedisIdentity } from "../connection/redisIdentity.ts"
import { BufferedLocks } from "./bufferedLocks.ts"
import type { PublishConnection } from "./publishConnection.ts"

export interface PublisherOptions extends Limits.Limits {
  /** Milliseconds after a reconnect in which a message without receivers is sent again. */
  readonly gracePeriod: number
}

/** The state of the subscribing side. Messages wait for it, because responses to them would be lost. */
export interface SubscriptionState {
  /** Whether every subscription is acknowledged. */
  readonly isComplete: boolean
  /** Why not every subscription is acknowledged. */
  readonly problem: string
}

/**
 * The publishing side of a bus: sends messages while both connections work, and buffers them otherwise. It does not use
 * ioredis' own queue, which sends expired messages, and never sends a message again that may have been received.
 */
export class Publisher {
  readonly #broker: RedisIdentity
  readonly #runtime: BusRuntime.BusRuntime
  readonly #options: PublisherOptions
  readonly #subscriptions: SubscriptionState
  readonly #log: ConnectionLog.ConnectionLog
  readonly #queue: SendQueue.SendQueue<PublishCommand>
  readonly #locks: BufferedLocks
  #connection: PublishConnection | undefined
  #seq = 0
  /** End of the grace period, in which a message without receivers may still get some. */
  #graceUntil = -Infinity
  /** Why no more messages are accepted: the bus is closed, or a client will not reconnect. */
  readonly #ends = new Set<string>()
  #ended: string | undefined

  constructor(
    broker: RedisIdentity,
    runtime: BusRuntime.BusRuntime,
    options: PublisherOptions,
    subscriptions: SubscriptionState,
    log: ConnectionLog.ConnectionLog
  ) {
    this.#broker = broker
    this.#runtime = runtime
    this.#options = options
    this.#subscriptions = subscriptions
    this.#log = log
    this.#locks = new BufferedLocks(runtime, options.maxBufferedMessages)
    this.#queue = new SendQueue.SendQueue({
      broker,
      runtime,
      limits: options,
      canSend: () => this.#canSend(),
      blockedBy: () => this.#problem(),
      send: (item) => this.#connection!.send(item.toSend()),
      mayHaveListeners: () => this.#inGracePeriod
    })
  }

  /** Sets the connection to publish on from now on. */
  attach(connection: PublishConnection): void {
    this.#connection = connection
    connection.onDrain = () => this.resume()
    connection.onReceivers = (message, receivers) => this.#onReceivers(message, receivers)
    this.resume()
  }

  publish(target: MessageBus.Target, message: Uint8Array, expiry: number, delivery: MessageBus.Delivery): void {
    if (this.#ended !== undefined) return delivery.undelivered(this.#broker.unreachable(this.#ended, false))
    this.#queue.publish(new PublishCommand(target, message, expiry, delivery, this.#seq++))
  }

  #canSend(): boolean {
    const connection = this.#connection
    return connection !== undefined && connection.isReady && !connection.isCongested && this.#subscriptions.isComplete
  }

  /** Starts the grace period: a connection of this process is back, those of others may not be. */
  startGracePeriod(): void {
    this.#graceUntil = this.#runtime.now() + this.#options.gracePeriod
  }

  get #inGracePeriod(): boolean {
    return this.#runtime.now() < this.#graceUntil || !this.#subscriptions.isComplete
  }

  #onReceivers(message: PublishCommand, receivers: number): boolean {
    if (receivers === 0 && this.#ended === undefined) return this.#queue.retryLater(message)
    this.#queue.settled(message, receivers > 0)
    return false
  }

  /** Sends a lock request, or buffers it until the connection is back. Returns `false` if it cannot. */
  lock(lock: LockCommand): boolean {
    if (this.#ended !== undefined) return false
    const connection = this.#connection
    if (connection === undefined || !connection.isReady) return this.#locks.push(lock)
    connection.send(lock)
    return true
  }

  /** Sends buffered commands for as long as the connection accepts them. */
  resume(): void {
    const connection = this.#connection
    if (connection === undefined || this.#ended !== undefined) return
    if (connection.isReady) for (const lock of this.#locks.take()) connection.send(lock)
    this.#queue.resume()
  }

  /** A connection is lost: messages that were certainly not sent go back to the queue. */
  connectionLost(connection: PublishConnection): void {
    const unsent = connection.connectionLost()
    if (unsent.length === 0) return
    if (this.#ended !== undefined) {
      const error = this.#broker.unreachable(this.#ended, false)
      for (const { delivery } of unsent) delivery.undelivered(error)
      return
    }
    this.#queue.putBack(unsent)
  }

  /** Accepts no more messages, and waits until Redis has replied to those in flight, at most `timeout` milliseconds. */
  close(timeout: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.end("the bus is closed")
      const connection = this.#connection
      if (connection === undefined) return Effect.void
      connection.flush()
      const replied = connection.isReady ? Effect.timeoutOption(connection.idle, timeout) : Effect.void
      return Effect.andThen(
        replied,
        Effect.sync(() => this.connectionLost(connection))
      )
    })
  }

  /** Accepts no more messages, for the given reason, and fails those that wait. */
  end(reason: string): void {
    this.#ends.add(reason)
    this.#ended ??= reason
    this.#locks.failAll()
    this.#queue.failAll(this.#broker.unreachable(this.#ended, false))
  }

  /** Accepts messages again if no other reason holds: a closed client was connected again. */
  revive(reason: string): void {
    this.#ends.delete(reason)
    this.#ended = this.#ends.values().next().value
  }

  failure(): PsrpcError.PsrpcError | undefined {
    return this.#ended === undefined && this.#canSend() ? undefined : this.#broker.unreachable(this.#problem(), false)
  }

  /** Returns why messages are not sent. */
  #problem(): string {
    if (this.#ended !== undefined) return this.#ended
    if (this.#connection?.isReady !== true) {
      const { reason } = this.#log
      return `the connection is down (reconnecting)${reason === undefined ? "" : `: ${reason}`}`
    }
    if (!this.#subscriptions.isComplete) return this.#subscriptions.problem
    return this.#connection.isCongested ? "Redis does not read from the connection" : "there are no listeners yet"
  }
}
