import type { PsrpcError } from "@effect-psrpc/core"
import type { BusRuntime } from "@effect-psrpc/core/broker"
import { Effect } from "effect"
import { isReply, type RedisIdentity } from "../connection/redisIdentity.ts"

/** The members of a client that subscribe. */
export interface SubscribingClient {
  readonly status: string
  subscribe(...channels: Array<string>): Promise<unknown>
  unsubscribe(...channels: Array<string>): Promise<unknown>
}

/** A channel with listeners. */
interface Channel {
  readonly name: string
  listeners: number
  /** Whether Redis has acknowledged it on the current connection. */
  acknowledged: boolean
  /** Callers of `subscribe` that wait for the acknowledgment. */
  readonly waiting: Set<(result: Effect.Effect<void, PsrpcError.PsrpcError>) => void>
}

/** Channels per SUBSCRIBE after a reconnect. */
const batchSize = 256
/** Milliseconds before a SUBSCRIBE that failed in this process is repeated, if no event of the connection causes it. */
const retryDelay = 100

/**
 * The channels that a connection is subscribed to. Each channel is subscribed once for all its listeners, and requests
 * leave in the order in which they are made. After a lost connection all channels are subscribed again: ioredis would do
 * that too, but not for requests in flight. The subscriptions are incomplete until all of them are acknowledged again.
 */
export class Subscriptions {
  readonly #client: SubscribingClient
  readonly #broker: RedisIdentity
  readonly #runtime: BusRuntime.BusRuntime
  readonly #channels = new Map<string, Channel>()
  /** Channels that were given up while the connection was down: ioredis may have subscribed them again. */
  readonly #stale = new Set<string>()
  /** Callbacks for the next reply to a request, or for the loss of the connection. */
  readonly #barriers = new Set<() => void>()
  /** Channels that were acknowledged before the connection was lost, and are not acknowledged again. */
  readonly #missing = new Set<Channel>()
  #down = false
  /** Called when all channels are acknowledged again. */
  onRestored: () => void = () => {}
  /** The number of the connection: replies to requests of earlier ones are ignored. */
  #generation = 0
  #retrying = false

  constructor(client: SubscribingClient, broker: RedisIdentity, runtime: BusRuntime.BusRuntime) {
    this.#client = client
    this.#broker = broker
    this.#runtime = runtime
  }

  get #isReady(): boolean {
    return this.#client.status === "ready"
  }

  /**
   * Whether all channels are acknowledged again after a lost connection. New channels, and channels that Redis refuses, do
   * not count.
   */
  get isComplete(): boolean {
    return !this.#down && this.#missing.size === 0 && this.#isReady
  }

  /** Why the subscriptions are not complete. */
  get problem(): string {
    return this.#down || !this.#isReady
      ? "the subscribing connection is down (reconnecting)"
      : "the subscribing connection is back, but not all of its subscriptions"
  }

  #restored(channel: Channel): void {
    if (this.#missing.delete(channel) && this.isComplete) this.onRestored()
  }

  /** Adds a listener to a channel. */
  retain(name: string): void {
    const channel = this.#channels.get(name)
    if (channel !== undefined) {
      channel.listeners++
      return
    }
    const created: Channel = { name, listeners: 1, acknowledged: false, waiting: new Set() }
    this.#channels.set(name, created)
    if (this.#isReady) this.#subscribe([created])
  }

  /** Waits until Redis has acknowledged a channel. */
  acknowledged(name: string): Effect.Effect<void, PsrpcError.PsrpcError> {
    return Effect.callback((resume) => {
      const channel = this.#channels.get(name)
      if (channel === undefined || channel.acknowledged) return resume(Effect.void)
      channel.waiting.add(resume)
      return Effect.sync(() => channel.waiting.delete(resume))
    })
  }

  /**
   * Removes a listener from a channel. Waits until Redis has replied, so that all messages that it had sent by then have
   * arrived. Does not wait if the connection is down.
   */
  release(name: string): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const channel = this.#channels.get(name)
      if (channel === undefined) return resume(Effect.void)
      const isLast = --channel.listeners === 0
      if (isLast) {
        this.#channels.delete(name)
        this.#stale.add(name)
        this.#restored(channel)
      }
      if (!this.#isReady) return resume(Effect.void)
      const done = (): void => {
        this.#barriers.delete(done)
        resume(Effect.void)
      }
      this.#barriers.add(done)
      const generation = this.#generation
      // a channel that stays is subscribed again: Redis replies after the messages that it has sent before
      const reply = isLast ? this.#client.unsubscribe(name) : this.#client.subscribe(name)
      reply.then(
        () => {
          if (isLast && generation === this.#generation && !this.#channels.has(name)) this.#stale.delete(name)
          done()
        },
        () => done()
      )
      return Effect.sync(() => this.#barriers.delete(done))
    })
  }

  /** Subscribes all channels again: the connection is ready. */
  restore(): void {
    this.#down = false
    const gone = [...this.#stale].filter((name) => !this.#channels.has(name))
    this.#stale.clear()
    if (gone.length > 0) this.#client.unsubscribe(...gone).catch(() => {})
    this.#subscribeInBatches([...this.#channels.values()])
    if (this.isComplete) this.onRestored()
  }

  /** Subscribes all channels again: the connection may have been replaced without an event. */
  replaced(): void {
    this.#resetAcknowledgments()
    this.restore()
  }

  connectionLost(): void {
    this.#down = true
    this.#resetAcknowledgments()
    for (const done of [...this.#barriers]) done()
  }

  #resetAcknowledgments(): void {
    this.#generation++
    for (const channel of this.#channels.values()) {
      if (channel.acknowledged) this.#missing.add(channel)
      channel.acknowledged = false
    }
  }

  #subscribeInBatches(channels: ReadonlyArray<Channel>): void {
    for (let i = 0; i < channels.length; i += batchSize) this.#subscribe(channels.slice(i, i + batchSize))
  }

  #subscribe(channels: ReadonlyArray<Channel>): void {
    const generation = this.#generation
    this.#client.subscribe(...channels.map(({ name }) => name)).then(
      () => {
        if (generation !== this.#generation) return
        for (const channel of channels) {
          channel.acknowledged = true
          this.#restored(channel)
          this.#resume(channel, Effect.void)
        }
      },
      (error: unknown) => {
        if (generation !== this.#generation) return
        if (!isReply(error)) return this.#retry()
        // Redis refuses the whole request for one channel
        if (channels.length > 1) for (const channel of channels) this.#subscribe([channel])
        else this.#refused(channels[0]!, error)
      }
    )
  }

  #refused(channel: Channel, error: unknown): void {
    const failure = this.#broker.failure(`subscribe to ${channel.name}`, error)
    if (channel.waiting.size === 0) this.#runtime.log("error", failure.message)
    this.#resume(channel, Effect.fail(failure))
    this.#restored(channel)
  }

  #resume(channel: Channel, result: Effect.Effect<void, PsrpcError.PsrpcError>): void {
    for (const resume of channel.waiting) resume(result)
    channel.waiting.clear()
  }

  #retry(): void {
    if (this.#retrying) return
    this.#retrying = true
    this.#runtime.after(retryDelay, () => {
      this.#retrying = false
      // a connection that is down subscribes when it is back
      if (!this.#isReady) return
      this.#subscribeInBatches([...this.#channels.values()].filter((channel) => !channel.acknowledged))
    })
  }
}
