import type { PsrpcError } from "@effect-psrpc/core"
import type { WriteBatch } from "./writeBatch.ts"

const noArgs: ReadonlyArray<string> = Object.freeze([])
/** Written if ioredis sends one of our commands a second time: a command without an effect. */
export const ping = "*1\r\n$4\r\nPING\r\n"

/** The connection that a command is sent on, as far as commands use it. */
export interface CommandConnection {
  /** The batch that frames are written to; `undefined` if ioredis encodes the command. */
  readonly batch: WriteBatch | undefined
  /** Removes a command from those in flight. Returns `false` if it is not among them any more. */
  readonly settle: (command: Command) => boolean
  /** Returns the number of receivers in a reply to PUBLISH; -1 if the reply does not count all of them. */
  readonly receiversIn: (reply: unknown) => number
  readonly failure: (operation: string, error: unknown) => PsrpcError.PsrpcError
}

/**
 * A command in flight. Exactly one of `onReply`, `onError` and `connectionLost` is called.
 *
 * It has the members of ioredis' Command that ioredis' queues use, without its promise, its argument handling, its
 * transformers and its tracing.
 */
export abstract class Command<Connection extends CommandConnection = CommandConnection> {
  connection: Connection | undefined = undefined
  /** The number of the write batch that its frame is in; -1 before it is in one. */
  batchNumber = -1

  abstract readonly name: string
  /** Writes the frame into a batch. */
  protected abstract frame(batch: WriteBatch): void
  protected abstract onReply(reply: unknown): void
  protected abstract onError(error: unknown): void
  /** The connection broke after the command may have been sent. */
  abstract connectionLost(error: PsrpcError.PsrpcError): void

  resolve(reply: unknown): void {
    if (this.connection!.settle(this)) this.onReply(reply)
  }

  reject(error: unknown): void {
    if (this.connection!.settle(this)) this.onError(error)
  }

  toWritable(): string | undefined {
    if (this.batchNumber >= 0) return ping
    const batch = this.connection!.batch!
    this.frame(batch)
    this.batchNumber = batch.number
    return undefined
  }

  // further members that ioredis reads and calls
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
