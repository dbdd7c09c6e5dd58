import type { PsrpcError } from "@effect-psrpc/core"
import { Effect } from "effect"
import { isReply, type Peer } from "./peer.ts"
import type { BusRuntime } from "@effect-psrpc/core/broker"

/** The part of a client that subscribes. */
export interface SubscribingClient {
  readonly status: string
  subscribe(...channels: Array<string>): Promise<unknown>
  unsubscribe(...channels: Array<string>): Promise<unknown>
}

/** A channel that somebody listens on. */
interface Channel {
  readonly name: string
  listeners: number
  /** Redis has acknowledged it, on the connection of now. */
  acknowledged: boolean
  readonly waiting: Set<(result: Effect.Effect<void, PsrpcError.PsrpcError>) => void>
}

/** Channels in one SUBSCRIBE after a connection came back. */
const batchSize = 256
/** Milliseconds until a SUBSCRIBE that failed on this side is tried again, where no event of the connection says when. */
const retryDelay = 100

/**
 * Which channels the connection is subscribed to. Each is asked for once however many listen, what is asked goes out in
 * the order of asking, and after a lost connection everything is asked for again: ioredis does too, but not for what
 * was under way. Until all of it is acknowledged again the connection is not whole.
 */
export class Subscriptions {
  readonly #client: SubscribingClient
  readonly #peer: Peer
  readonly #runtime: BusRuntime.BusRuntime
  readonly #channels = new Map<string, Channel>()
  /** Given up while the connection could not be told: ioredis may have subscribed them again. */
  readonly #stale = new Set<string>()
  /** Who waits for the connection to answer, or to break. */
  readonly #barriers = new Set<() => void>()
  /** Channels that Redis had acknowledged before the connection broke, and has not since. */
  readonly #missing = new Set<Channel>()
  #down = false
  /** Called when everything is as it was before the connection broke. */
  onRestored: () => void = () => {}
  #generation = 0
  #retrying = false

  constructor(client: SubscribingClient, peer: Peer, runtime: BusRuntime.BusRuntime) {
    this.#client = client
    this.#peer = peer
    this.#runtime = runtime
  }

  get #isReady(): boolean {
    return this.#client.status === "ready"
  }

  /**
   * Whether everything that was subscribed to is. A channel that is asked for the first time does not count, nor one that
   * Redis refuses.
   */
  get isWhole(): boolean {
    return !this.#down && this.#missing.size === 0 && this.#isReady
  }

  get trouble(): string {
    return this.#down || !this.#isReady
      ? "the subscribing connection is down (reconnecting)"
      : "the subscribing connection is back, its subscriptions are not yet"
  }

  #found(channel: Channel): void {
    if (this.#missing.delete(channel) && this.isWhole) this.onRestored()
  }

  /** One listener more. */
  retain(name: string): void {
    const channel = this.#channels.get(name)
    if (channel !== undefined) {
      channel.listeners++
      return
    }
    const made: Channel = { name, listeners: 1, acknowledged: false, waiting: new Set() }
    this.#channels.set(name, made)
    if (this.#isReady) this.#ask([made])
  }

  /** Waits until Redis has acknowledged the channel. */
  acknowledged(name: string): Effect.Effect<void, PsrpcError.PsrpcError> {
    return Effect.callback((resume) => {
      const channel = this.#channels.get(name)
      if (channel === undefined || channel.acknowledged) return resume(Effect.void)
      channel.waiting.add(resume)
      return Effect.sync(() => channel.waiting.delete(resume))
    })
  }

  /**
   * One listener less. Waits until Redis has answered, and with that until all it had sent by then is here. Does not wait
   * for a connection that is down.
   */
  release(name: string): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const channel = this.#channels.get(name)
      if (channel === undefined) return resume(Effect.void)
      const isLast = --channel.listeners === 0
      if (isLast) {
        this.#channels.delete(name)
        this.#stale.add(name)
        this.#found(channel)
      }
      if (!this.#isReady) return resume(Effect.void)
      const done = (): void => {
        this.#barriers.delete(done)
        resume(Effect.void)
      }
      this.#barriers.add(done)
      const generation = this.#generation
      // a channel that stays is subscribed to once more: Redis just answers, behind what it has sent before
      const answer = isLast ? this.#client.unsubscribe(name) : this.#client.subscribe(name)
      answer.then(
        () => {
          if (isLast && generation === this.#generation && !this.#channels.has(name)) this.#stale.delete(name)
          done()
        },
        () => done()
      )
      return Effect.sync(() => this.#barriers.delete(done))
    })
  }

  /** The connection is ready: everything is asked for. */
  restore(): void {
    this.#down = false
    const gone = [...this.#stale].filter((name) => !this.#channels.has(name))
    this.#stale.clear()
    if (gone.length > 0) this.#client.unsubscribe(...gone).catch(() => {})
    const channels = [...this.#channels.values()]
    for (let i = 0; i < channels.length; i += batchSize) this.#ask(channels.slice(i, i + batchSize))
    if (this.isWhole) this.onRestored()
  }

  /** The connection may have been replaced, without a word. */
  replaced(): void {
    this.#forget()
    this.restore()
  }

  /** The connection is gone. */
  broken(): void {
    this.#down = true
    this.#forget()
    for (const done of [...this.#barriers]) done()
  }

  #forget(): void {
    this.#generation++
    for (const channel of this.#channels.values()) {
      if (channel.acknowledged) this.#missing.add(channel)
      channel.acknowledged = false
    }
  }

  #ask(channels: ReadonlyArray<Channel>): void {
    const generation = this.#generation
    this.#client.subscribe(...channels.map(({ name }) => name)).then(
      () => {
        if (generation !== this.#generation) return
        for (const channel of channels) {
          channel.acknowledged = true
          this.#found(channel)
          this.#tell(channel, Effect.void)
        }
      },
      (error: unknown) => {
        if (generation !== this.#generation) return
        if (!isReply(error)) return this.#retry()
        // Redis refuses all of them for one
        if (channels.length > 1) for (const channel of channels) this.#ask([channel])
        else this.#refused(channels[0]!, error)
      }
    )
  }

  #refused(channel: Channel, error: unknown): void {
    const failure = this.#peer.failed(`subscribe to ${channel.name}`, error)
    if (channel.waiting.size === 0) this.#runtime.log("error", failure.message)
    this.#tell(channel, Effect.fail(failure))
    this.#found(channel)
  }

  #tell(channel: Channel, result: Effect.Effect<void, PsrpcError.PsrpcError>): void {
    for (const resume of channel.waiting) resume(result)
    channel.waiting.clear()
  }

  #retry(): void {
    if (this.#retrying) return
    this.#retrying = true
    this.#runtime.after(retryDelay, () => {
      this.#retrying = false
      // a connection that is down asks when it is back
      if (!this.#isReady) return
      const missing = [...this.#channels.values()].filter((channel) => !channel.acknowledged)
      for (let i = 0; i < missing.length; i += batchSize) this.#ask(missing.slice(i, i + batchSize))
    })
  }
}
