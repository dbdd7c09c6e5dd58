import type { MessageBus, PsrpcError } from "@effect-psrpc/core"
import type { SendQueue } from "@effect-psrpc/core/broker"
import { Turn } from "./turn.ts"

const noArgs: ReadonlyArray<string> = Object.freeze([])
/** What goes out where ioredis sends a command of ours a second time: something that nobody notices. */
export const ping = "*1\r\n$4\r\nPING\r\n"

/** A channel ready for publishing: the frame of its PUBLISH up to the message. */
export class RedisTarget implements MessageBus.Target {
  readonly name: string
  readonly tail: Uint8Array = new Uint8Array(0)
  readonly unique: boolean
  readonly head: Buffer

  constructor(name: string, unique: boolean) {
    this.name = name
    this.unique = unique
    this.head = Buffer.from(`*3\r\n$7\r\nPUBLISH\r\n$${Buffer.byteLength(name)}\r\n${name}\r\n$`)
  }
}

/** The connection that a command goes out on, as the command sees it. */
export interface Carrier {
  /** Where frames are written; none where ioredis makes its own. */
  readonly turn: Turn | undefined
  /** Takes the command off the list of what is in flight; `false` where it is not on it any more. */
  readonly settle: (command: Outgoing) => boolean
  /** How many got a message, by Redis' reply. */
  readonly receivers: (reply: unknown) => number
  readonly failed: (what: string, error: unknown) => PsrpcError.PsrpcError
  /**
   * Hears of a message that nobody got, and of the end of an attempt with one: `-1` receivers where it failed. `true`
   * says that the message is kept, to be sent again.
   */
  readonly heard: (message: Publish, receivers: number) => boolean
}

/**
 * A command on its way, which is told once what became of it.
 *
 * It has the part of ioredis' Command that ioredis' queues use, without its promise, its handling of arguments, its
 * transformers and its tracing.
 */
export abstract class Outgoing {
  /** Where it was sent. */
  carrier: Carrier | undefined = undefined
  /** The batch of the turn that its bytes are in; -1 before it has any. */
  batch = -1

  abstract readonly name: string
  /** Writes its frame into the turn. */
  protected abstract frame(turn: Turn): void
  protected abstract onReply(reply: unknown): void
  protected abstract onError(error: unknown): void
  /** The connection broke after it may have been sent. */
  abstract lost(error: PsrpcError.PsrpcError): void

  resolve(reply: unknown): void {
    if (this.carrier!.settle(this)) this.onReply(reply)
  }

  reject(error: unknown): void {
    if (this.carrier!.settle(this)) this.onError(error)
  }

  toWritable(): string | undefined {
    if (this.batch >= 0) return ping
    const turn = this.carrier!.turn!
    this.frame(turn)
    this.batch = turn.batch
    return undefined
  }

  // what ioredis reads and calls besides
  get args(): ReadonlyArray<string> {
    return noArgs
  }
  get isTraced(): boolean {
    return true
  }
  get inTransaction(): boolean {
    return false
  }
  get promise(): undefined {
    return undefined
  }
  setReplyContext(): void {}
  setTimeout(): void {}
}

/** A message to a channel. */
export class Publish extends Outgoing implements SendQueue.QueuedMessage {
  readonly target: MessageBus.Target
  readonly message: Uint8Array
  readonly expiry: number
  readonly delivery: MessageBus.Delivery
  readonly seq: number
  hadNoListeners = false
  isRetry = false

  constructor(
    target: MessageBus.Target,
    message: Uint8Array,
    expiry: number,
    delivery: MessageBus.Delivery,
    seq: number
  ) {
    super()
    this.target = target
    this.message = message
    this.expiry = expiry
    this.delivery = delivery
    this.seq = seq
  }

  get name(): string {
    return "publish"
  }

  /** Itself, or another in its place where it was sent before: ioredis may still have it. */
  unused(): Publish {
    if (this.carrier === undefined) return this
    const other = new Publish(this.target, this.message, this.expiry, this.delivery, this.seq)
    other.hadNoListeners = this.hadNoListeners
    other.isRetry = this.isRetry
    return other
  }

  protected frame(turn: Turn): void {
    const { message } = this
    const target = this.target instanceof RedisTarget ? this.target : new RedisTarget(this.target.name, false)
    turn.begin(target.head.length + Turn.sizeOf(message) + 24)
    turn.bytes(target.head)
    turn.ascii(`${message.length}\r\n`)
    turn.bytes(message)
    turn.ascii("\r\n")
  }

  protected onReply(reply: unknown): void {
    const receivers = this.carrier!.receivers(reply)
    if ((receivers === 0 || this.isRetry) && this.carrier!.heard(this, receivers)) return
    this.delivery.delivered(receivers)
  }

  protected onError(error: unknown): void {
    if (this.isRetry) this.carrier!.heard(this, -1)
    this.delivery.undelivered(this.carrier!.failed("publish", error))
  }

  lost(error: PsrpcError.PsrpcError): void {
    if (this.isRetry) this.carrier!.heard(this, -1)
    this.delivery.undelivered(error)
  }
}

/** How long a lock keeps the other members of a queue away, in seconds: Go psrpc's number. */
export const lockSeconds = 5

/** Asks for the lock of one message of a queue: who gets it handles the message. */
export class Lock extends Outgoing {
  /** Standard base64 of the SHA-256 of the message: 44 characters. */
  readonly key: string
  readonly #onAnswer: (won: boolean) => void
  readonly #onLost: (error: unknown) => void

  constructor(key: string, onAnswer: (won: boolean) => void, onLost: (error: unknown) => void) {
    super()
    this.key = key
    this.#onAnswer = onAnswer
    this.#onLost = onLost
  }

  get name(): string {
    return "set"
  }

  protected frame(turn: Turn): void {
    turn.begin(112)
    turn.ascii(`*6\r\n$3\r\nSET\r\n$44\r\n${this.key}\r\n$1\r\n1\r\n$2\r\nEX\r\n$1\r\n${lockSeconds}\r\n$2\r\nNX\r\n`)
  }

  protected onReply(reply: unknown): void {
    this.#onAnswer(reply !== null)
  }

  protected onError(error: unknown): void {
    this.#onLost(error)
  }

  lost(): void {
    this.#onLost(new Error("the connection broke before the answer came"))
  }
}
