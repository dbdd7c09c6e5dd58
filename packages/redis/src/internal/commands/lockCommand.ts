import { connectionLost } from "../connection/redisIdentity.ts"
import { Command } from "./command.ts"
import type { WriteBatch } from "./writeBatch.ts"

/** How long a lock excludes the other members of a queue, in seconds. The number is Go psrpc's. */
export const lockSeconds = 5

/** SET … EX NX: requests the lock of one message of a queue. The process that gets the lock handles the message. */
export class LockCommand extends Command {
  /** Standard base64 of the SHA-256 of the message: 44 characters. */
  readonly key: string
  readonly #onResult: (acquired: boolean) => void
  readonly #onFailure: (error: unknown) => void

  constructor(key: string, onResult: (acquired: boolean) => void, onFailure: (error: unknown) => void) {
    super()
    this.key = key
    this.#onResult = onResult
    this.#onFailure = onFailure
  }

  get name(): string {
    return "set"
  }

  protected frame(batch: WriteBatch): void {
    batch.begin(112)
    batch.ascii(`*6\r\n$3\r\nSET\r\n$44\r\n${this.key}\r\n$1\r\n1\r\n$2\r\nEX\r\n$1\r\n${lockSeconds}\r\n$2\r\nNX\r\n`)
  }

  protected onReply(reply: unknown): void {
    this.#onResult(reply !== null)
  }

  protected onError(error: unknown): void {
    this.#onFailure(error)
  }

  connectionLost(): void {
    this.#onFailure(new Error(connectionLost))
  }
}
