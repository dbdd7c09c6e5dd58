import type { MessageBus, PsrpcError } from "@effect-psrpc/core"
import type { SendQueue } from "@effect-psrpc/core/broker"
import { Command, type CommandConnection } from "./command.ts"
import { WriteBatch } from "./writeBatch.ts"

/** A channel prepared for publishing: the frame of its PUBLISH up to the message. */
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

/** A connection that messages are sent on. */
export interface PublishingConnection extends CommandConnection {
  /**
   * Called for a message that had no receivers, and at the end of each retry; then `receivers` is -1 if the send failed.
   * Returns `true` if the message is kept for another retry, so that its outcome is not final.
   */
  readonly onReceivers: (message: PublishCommand, receivers: number) => boolean
}

/** PUBLISH: a message to a channel. */
export class PublishCommand extends Command<PublishingConnection> implements SendQueue.QueuedMessage {
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

  /** Returns this command, or a copy if it was sent before: ioredis may still hold it. */
  toSend(): PublishCommand {
    if (this.connection === undefined) return this
    const { delivery, expiry, message, seq, target } = this
    const copy = new PublishCommand(target, message, expiry, delivery, seq)
    copy.hadNoListeners = this.hadNoListeners
    copy.isRetry = this.isRetry
    return copy
  }

  protected frame(batch: WriteBatch): void {
    const { message } = this
    const target = this.target instanceof RedisTarget ? this.target : new RedisTarget(this.target.name, false)
    batch.begin(target.head.length + WriteBatch.sizeOf(message) + 24)
    batch.bytes(target.head)
    batch.ascii(`${message.length}\r\n`)
    batch.bytes(message)
    batch.ascii("\r\n")
  }

  protected onReply(reply: unknown): void {
    const receivers = this.connection!.receiversIn(reply)
    if ((receivers === 0 || this.isRetry) && this.connection!.onReceivers(this, receivers)) return
    this.delivery.delivered(receivers)
  }

  protected onError(error: unknown): void {
    if (this.isRetry) this.connection!.onReceivers(this, -1)
    this.delivery.undelivered(this.connection!.failure(`publish to ${this.target.name}`, error))
  }

  connectionLost(error: PsrpcError.PsrpcError): void {
    if (this.isRetry) this.connection!.onReceivers(this, -1)
    this.delivery.undelivered(error)
  }
}
