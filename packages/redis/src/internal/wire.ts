import type { PsrpcError } from "@effect-psrpc/core"
import { Effect } from "effect"
import type { Command, Redis } from "ioredis"
import { type Carrier, type Lock, lockSeconds, type Outgoing, Publish } from "./commands.ts"
import type { Peer } from "./peer.ts"
import { Turn } from "./turn.ts"

/** Unsent bytes in the socket beyond which Redis counts as not reading: what comes then is held back. */
const congestion = 4 * 1024 * 1024

/**
 * One connection that publishes: what of it is in flight, and how a command gets onto it.
 *
 * The lean way hands ioredis commands without a promise and writes a whole turn of the event loop in one piece; it needs
 * a connection that is ours alone, and an ioredis that `probe` has found to work with it. The ordinary way calls
 * `publish` and `set` with the socket corked until the end of the turn.
 */
export class Wire implements Carrier {
  readonly redis: Redis
  readonly turn: Turn | undefined
  readonly #peer: Peer
  readonly #countsReceivers: boolean
  readonly #inFlight = new Set<Outgoing>()
  #congested = false
  #corked: Redis["stream"] | undefined
  /** Called when the socket takes more again. */
  onDrain: () => void = () => {}
  heard: Carrier["heard"] = () => false
  #onIdle: (() => void) | undefined
  readonly #uncork = (): void => {
    const stream = this.#corked
    this.#corked = undefined
    stream?.uncork()
    this.#measure()
  }

  constructor(redis: Redis, peer: Peer, options: { readonly lean: boolean; readonly countsReceivers: boolean }) {
    this.redis = redis
    this.#peer = peer
    this.#countsReceivers = options.countsReceivers
    this.turn = options.lean ? new Turn(redis, () => this.#measure()) : undefined
  }

  /** Whether a command given to it now goes to Redis at once: ioredis would put it off while this is false. */
  get isReady(): boolean {
    const { redis } = this
    return redis.status === "ready" && redis.stream.writable
  }

  get isCongested(): boolean {
    return this.#congested
  }

  /** Waits until Redis has answered everything, or the connection has broken. */
  readonly idle: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.#inFlight.size === 0) return resume(Effect.void)
    this.#onIdle = () => resume(Effect.void)
  })

  send(command: Outgoing): void {
    command.carrier = this
    this.#inFlight.add(command)
    try {
      if (this.turn !== undefined) this.redis.sendCommand(command as unknown as Command, this.turn as never)
      else this.#sendOrdinary(command)
    } catch (error) {
      command.reject(error)
    }
  }

  #sendOrdinary(command: Outgoing): void {
    const { redis } = this
    if (this.#corked === undefined) {
      this.#corked = redis.stream
      redis.stream.cork()
      setImmediate(this.#uncork)
    }
    let reply: Promise<unknown>
    if (command instanceof Publish) {
      const { message, target } = command
      reply = redis.publish(target.name, Buffer.from(message.buffer, message.byteOffset, message.byteLength))
    } else {
      reply = redis.set((command as Lock).key, "1", "EX", lockSeconds, "NX")
    }
    this.#measure()
    reply.then(
      (value) => command.resolve(value),
      (error: unknown) => command.reject(error)
    )
  }

  #measure(): void {
    const { stream } = this.redis
    if (this.#congested || stream === undefined || stream.writableLength < congestion) return
    this.#congested = true
    stream.once("drain", () => {
      this.#congested = false
      this.onDrain()
    })
  }

  /** Hands what this turn has written to the socket, now. */
  flush(): void {
    this.turn?.flush()
    if (this.#corked !== undefined) this.#uncork()
  }

  /** The connection has closed. Returns the messages that have certainly not left; whatever else is in flight is lost. */
  broken(): Array<Publish> {
    const unsent: Array<Publish> = []
    const batch = this.turn?.batch
    const commands = [...this.#inFlight]
    this.#inFlight.clear()
    this.#congested = false
    this.turn?.discard()
    let error: PsrpcError.PsrpcError | undefined
    for (const command of commands) {
      if (command.batch === batch && command instanceof Publish) unsent.push(command)
      else command.lost((error ??= this.#peer.unreachable("the connection broke before the answer came", true)))
    }
    this.#onIdle?.()
    return unsent
  }

  settle(command: Outgoing): boolean {
    const found = this.#inFlight.delete(command)
    if (this.#onIdle !== undefined && this.#inFlight.size === 0) this.#onIdle()
    return found
  }

  receivers(reply: unknown): number {
    // a client with `stringNumbers` gives text
    return this.#countsReceivers ? Number(reply) : -1
  }

  failed(what: string, error: unknown): PsrpcError.PsrpcError {
    return this.#peer.failed(what, error)
  }
}
