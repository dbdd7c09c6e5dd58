import { Effect } from "effect"
import type { Command as IoRedisCommand, Redis } from "ioredis"
import { Command, type CommandConnection, ping } from "./command.ts"
import { WriteBatch } from "./writeBatch.ts"

/** A batch that can be abandoned when the probe fails: frames that ioredis writes later go to the socket one by one. */
class ProbeBatch extends WriteBatch {
  isAbandoned = false
  readonly #socket: () => Redis["stream"]

  constructor(redis: Redis) {
    super(redis, () => {})
    this.#socket = () => redis.stream
  }

  override write(frame?: string): void {
    if (this.isAbandoned && frame !== undefined) this.#socket().write(frame)
    else super.write(frame)
  }
}

/** A PING that is sent the way this package sends its commands. */
class ProbeCommand extends Command {
  /** How often ioredis has asked for the frame. */
  framesTaken = 0
  readonly #batch: ProbeBatch
  readonly #onOutcome: (outcome: unknown) => void

  constructor(batch: ProbeBatch, onOutcome: (outcome: unknown) => void) {
    super()
    this.#batch = batch
    this.#onOutcome = onOutcome
  }
  get name(): string {
    return "ping"
  }
  override toWritable(): string | undefined {
    this.framesTaken++
    return this.#batch.isAbandoned ? ping : super.toWritable()
  }
  protected frame(batch: WriteBatch): void {
    batch.begin(ping.length)
    batch.ascii(ping)
  }
  protected onReply(reply: unknown): void {
    this.#onOutcome(reply)
  }
  protected onError(error: unknown): void {
    this.#onOutcome(error)
  }
  connectionLost(): void {
    this.#onOutcome(undefined)
  }
}

const run = async (redis: Redis, batch: ProbeBatch): Promise<boolean> => {
  const connection: CommandConnection = {
    batch,
    settle: () => true,
    receiversIn: () => 0,
    failure: (_, error) => error as never
  }
  const replies: Array<string> = []
  const commands: Array<ProbeCommand> = []
  const framesTaken = (): string => commands.map((command) => command.framesTaken).join()
  const send = (): Promise<unknown> =>
    new Promise((onOutcome) => {
      const command = new ProbeCommand(batch, onOutcome)
      command.connection = connection
      commands.push(command)
      redis.sendCommand(command as unknown as IoRedisCommand, batch as never)
    }).then((reply) => replies.push(`ours ${String(reply)}`))
  const written = (): number => batch.number
  const two = Promise.all([send(), send()])
  two.catch(() => {})
  // the frames are in the slab, and nothing is written before the turn ends
  if (framesTaken() !== "1,1" || written() !== 0) return false
  await two
  const other = redis.ping("ioredis").then((reply) => replies.push(reply))
  await Promise.all([other, new Promise((resolve) => setImmediate(resolve)).then(send)])
  const isInOrder = replies.join() === "ours PONG,ours PONG,ioredis,ours PONG"
  return isInOrder && framesTaken() === "1,1,1" && written() === 2
}

/**
 * Checks whether a client handles our commands as ioredis 6 does. ioredis does not document that `sendCommand` accepts a
 * substitute for a pipeline as its second argument, takes the frame of a command once and at once, passes it to `write`,
 * and resolves commands in the order of replies, mixed with its own.
 *
 * If the result is `false`, replies on the connection may be out of step: it must be opened again.
 */
export const supportsWriteBatches = (redis: Redis): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    if (typeof redis.sendCommand !== "function" || redis.sendCommand.length !== 2) return Effect.succeed(false)
    const batch = new ProbeBatch(redis)
    return Effect.promise(() => run(redis, batch).catch(() => false)).pipe(
      Effect.timeoutOrElse({ duration: "2 seconds", orElse: () => Effect.succeed(false) }),
      Effect.tap((isSupported) =>
        Effect.sync(() => {
          batch.isAbandoned = !isSupported
        })
      )
    )
  })
