import type { BusRuntime } from "@effect-psrpc/core/broker"
import { type LockCommand, lockSeconds } from "../commands/lockCommand.ts"

interface BufferedLock {
  readonly lock: LockCommand
  readonly since: number
}

/**
 * Lock requests that wait for the publishing connection, which may reconnect later than the subscribing one. They wait no
 * longer than a lock lives: after that, a lock would not prove that no other member has handled the message.
 */
export class BufferedLocks {
  readonly #runtime: BusRuntime.BusRuntime
  readonly #maxLocks: number
  #items: Array<BufferedLock> = []
  #cancelTimer: (() => void) | undefined

  constructor(runtime: BusRuntime.BusRuntime, maxLocks: number) {
    this.#runtime = runtime
    this.#maxLocks = maxLocks
  }

  /** Adds a lock request. Returns `false` if there is no room. */
  push(lock: LockCommand): boolean {
    if (this.#items.length >= this.#maxLocks) return false
    this.#items.push({ lock, since: this.#runtime.now() })
    if (this.#cancelTimer === undefined) this.#expireAfter(lockSeconds * 1000)
    return true
  }

  /** Removes and returns the lock requests that have not expired. */
  take(): Array<LockCommand> {
    if (this.#items.length === 0) return []
    this.#expire()
    const items = this.#items
    this.#items = []
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    return items.map(({ lock }) => lock)
  }

  /** Fails all lock requests: the connection will not come back. */
  failAll(): void {
    for (const lock of this.take()) lock.connectionLost()
  }

  #expireAfter(millis: number): void {
    this.#cancelTimer = this.#runtime.after(millis, () => {
      this.#cancelTimer = undefined
      this.#expire()
      const next = this.#items[0]
      if (next !== undefined) this.#expireAfter(next.since + lockSeconds * 1000 - this.#runtime.now())
    })
  }

  #expire(): void {
    const oldest = this.#runtime.now() - lockSeconds * 1000
    const expired = this.#items.filter(({ since }) => since <= oldest)
    if (expired.length === 0) return
    this.#items = this.#items.filter(({ since }) => since > oldest)
    for (const { lock } of expired) lock.connectionLost()
  }
}
