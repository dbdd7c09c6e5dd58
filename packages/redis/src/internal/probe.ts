import { Effect } from "effect"
import type { Command, Redis } from "ioredis"
import { type Carrier, Outgoing, ping } from "./commands.ts"
import { Turn } from "./turn.ts"

/** A turn that is given up when the probe is over: what ioredis writes after that goes out as it comes. */
class ProbeTurn extends Turn {
  over = false
  readonly #socket: () => Redis["stream"]

  constructor(redis: Redis) {
    super(redis, () => {})
    this.#socket = () => redis.stream
  }

  override write(frame?: string): void {
    if (this.over && frame !== undefined) this.#socket().write(frame)
    else super.write(frame)
  }
}

/** A PING in the manner of our commands. */
class Probe extends Outgoing {
  asked = 0
  readonly #turn: ProbeTurn
  readonly #answered: (reply: unknown) => void

  constructor(turn: ProbeTurn, answered: (reply: unknown) => void) {
    super()
    this.#turn = turn
    this.#answered = answered
  }
  get name(): string {
    return "ping"
  }
  override toWritable(): string | undefined {
    this.asked++
    return this.#turn.over ? ping : super.toWritable()
  }
  protected frame(turn: Turn): void {
    turn.begin(ping.length)
    turn.ascii(ping)
  }
  protected onReply(reply: unknown): void {
    this.#answered(reply)
  }
  protected onError(error: unknown): void {
    this.#answered(error)
  }
  lost(): void {
    this.#answered(undefined)
  }
}

const run = async (redis: Redis, turn: ProbeTurn): Promise<boolean> => {
  const carrier: Carrier = {
    turn,
    settle: () => true,
    receivers: () => 0,
    failed: (_, error) => error as never,
    heard: () => false
  }
  const replies: Array<string> = []
  const commands: Array<Probe> = []
  const asks = (): Array<number> => commands.map(({ asked }) => asked)
  const send = (): Promise<unknown> =>
    new Promise((answered) => {
      const command = new Probe(turn, answered)
      command.carrier = carrier
      commands.push(command)
      redis.sendCommand(command as unknown as Command, turn as never)
    }).then((reply) => replies.push(`ours ${String(reply)}`))
  const written = (): number => turn.batch
  const two = Promise.all([send(), send()])
  two.catch(() => {})
  // the frames are in the slab, and nothing leaves before the turn ends
  if (asks().join() !== "1,1" || written() !== 0) return false
  await two
  const other = redis.ping("its own").then((reply) => replies.push(reply))
  await Promise.all([other, new Promise((resolve) => setImmediate(resolve)).then(send)])
  const inOrder = replies.join() === "ours PONG,ours PONG,its own,ours PONG"
  return inOrder && asks().join() === "1,1,1" && written() === 2
}

/**
 * Tells whether a client does with our commands what ioredis 6 does, which it does not document: `sendCommand` takes a
 * stand-in for a pipeline as its second argument, asks the command for its frame once and at once, hands the answer to
 * `write`, and resolves commands in the order of the replies, also where some are its own.
 *
 * Where it answers `false` the connection may be out of step and has to be made anew.
 */
export const probe = (redis: Redis): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    if (typeof redis.sendCommand !== "function" || redis.sendCommand.length !== 2) return Effect.succeed(false)
    const turn = new ProbeTurn(redis)
    return Effect.promise(() => run(redis, turn).catch(() => false)).pipe(
      Effect.timeoutOrElse({ duration: "2 seconds", orElse: () => Effect.succeed(false) }),
      Effect.tap((works) =>
        Effect.sync(() => {
          turn.over = !works
        })
      )
    )
  })
