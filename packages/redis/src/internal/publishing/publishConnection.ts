import type { PsrpcError } from "@effect-psrpc/core"
import { Effect } from "effect"
import type { Command as IoRedisCommand, Redis } from "ioredis"
import type { Command } from "../commands/command.ts"
import { type LockCommand, lockSeconds } from "../commands/lockCommand.ts"
import { PublishCommand, type PublishingConnection } from "../commands/publishCommand.ts"
import { WriteBatch } from "../commands/writeBatch.ts"
import { connectionLost, type RedisIdentity } from "../connection/redisIdentity.ts"

/** Unsent bytes in the socket above which further messages are held back, because Redis does not read. */
const congestionLimit = 4 * 1024 * 1024

export interface PublishConnectionOptions {
  /** Whether commands are written in batches, see the class. */
  readonly batched: boolean
  /** Whether a reply to PUBLISH counts all receivers. A node of a Cluster counts only its own. */
  readonly countsReceivers: boolean
}

/**
 * A connection that publishes: sends commands and keeps those in flight.
 *
 * In batched mode, ioredis gets commands without a promise, and all of a turn of the event loop leaves in one write. That
 * needs a connection that only the bus writes to, and a version of ioredis that passes `supportsWriteBatches`. Otherwise
 * it calls `publish` and `set`, with the socket corked until the end of the turn.
 */
export class PublishConnection implements PublishingConnection {
  readonly redis: Redis
  readonly batch: WriteBatch | undefined
  readonly #broker: RedisIdentity
  readonly #countsReceivers: boolean
  readonly #inFlight = new Set<Command>()
  #congested = false
  #corked: Redis["stream"] | undefined
  /** Called when the socket accepts more data after a congestion. */
  onDrain: () => void = () => {}
  onReceivers: PublishingConnection["onReceivers"] = () => false
  #onIdle: (() => void) | undefined
  readonly #uncork = (): void => {
    const stream = this.#corked
    this.#corked = undefined
    stream?.uncork()
    this.#checkCongestion()
  }

  constructor(redis: Redis, broker: RedisIdentity, options: PublishConnectionOptions) {
    this.redis = redis
    this.#broker = broker
    this.#countsReceivers = options.countsReceivers
    this.batch = options.batched ? new WriteBatch(redis, () => this.#checkCongestion()) : undefined
  }

  /** Whether a command is sent at once. Otherwise ioredis would queue it. */
  get isReady(): boolean {
    const { redis } = this
    return redis.status === "ready" && redis.stream.writable
  }

  get isCongested(): boolean {
    return this.#congested
  }

  /** Waits until Redis has replied to every command, or the connection is lost. */
  readonly idle: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.#inFlight.size === 0) return resume(Effect.void)
    this.#onIdle = () => resume(Effect.void)
  })

  send(command: PublishCommand | LockCommand): void {
    command.connection = this
    this.#inFlight.add(command)
    try {
      if (this.batch !== undefined) this.redis.sendCommand(command as unknown as IoRedisCommand, this.batch as never)
      else this.#sendUnbatched(command)
    } catch (error) {
      command.reject(error)
    }
  }

  #sendUnbatched(command: PublishCommand | LockCommand): void {
    const { redis } = this
    if (this.#corked === undefined) {
      this.#corked = redis.stream
      redis.stream.cork()
      setImmediate(this.#uncork)
    }
    let reply: Promise<unknown>
    if (command instanceof PublishCommand) {
      const { message, target } = command
      reply = redis.publish(target.name, Buffer.from(message.buffer, message.byteOffset, message.byteLength))
    } else {
      reply = redis.set(command.key, "1", "EX", lockSeconds, "NX")
    }
    this.#checkCongestion()
    reply.then(
      (value) => command.resolve(value),
      (error: unknown) => command.reject(error)
    )
  }

  #checkCongestion(): void {
    const { stream } = this.redis
    if (this.#congested || stream === undefined || stream.writableLength < congestionLimit) return
    this.#congested = true
    stream.once("drain", () => {
      this.#congested = false
      this.onDrain()
    })
  }

  /** Writes the commands of this turn to the socket now. */
  flush(): void {
    this.batch?.flush()
    if (this.#corked !== undefined) this.#uncork()
  }

  /** The connection is lost. Returns the messages that were certainly not sent; other commands in flight fail. */
  connectionLost(): Array<PublishCommand> {
    const unsent: Array<PublishCommand> = []
    const batchNumber = this.batch?.number
    const commands = [...this.#inFlight]
    this.#inFlight.clear()
    this.#congested = false
    this.batch?.discard()
    let error: PsrpcError.PsrpcError | undefined
    for (const command of commands) {
      if (command.batchNumber === batchNumber && command instanceof PublishCommand) unsent.push(command)
      else command.connectionLost((error ??= this.#broker.unreachable(connectionLost, true)))
    }
    this.#onIdle?.()
    return unsent
  }

  settle(command: Command): boolean {
    const found = this.#inFlight.delete(command)
    if (this.#onIdle !== undefined && this.#inFlight.size === 0) this.#onIdle()
    return found
  }

  receiversIn(reply: unknown): number {
    // with the option `stringNumbers` of ioredis, the reply is text
    return this.#countsReceivers ? Number(reply) : -1
  }

  failure(operation: string, error: unknown): PsrpcError.PsrpcError {
    return this.#broker.failure(operation, error)
  }
}
