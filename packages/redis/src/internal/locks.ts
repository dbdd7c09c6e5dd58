import { type Lock, lockSeconds } from "./commands.ts"
import type { BusRuntime } from "@effect-psrpc/core/broker"

interface HeldLock {
  readonly lock: Lock
  readonly since: number
}

/**
 * The locks that wait for the publishing connection, which may come back after the one that subscribes. A lock that is
 * asked for later than it lives would prove nothing: so long, and no longer, they wait.
 */
export class HeldLocks {
  readonly #runtime: BusRuntime.BusRuntime
  readonly #most: number
  #items: Array<HeldLock> = []
  #cancel: (() => void) | undefined

  constructor(runtime: BusRuntime.BusRuntime, most: number) {
    this.#runtime = runtime
    this.#most = most
  }

  /** Keeps a lock, where there is room. */
  push(lock: Lock): boolean {
    if (this.#items.length >= this.#most) return false
    this.#items.push({ lock, since: this.#runtime.now() })
    if (this.#cancel === undefined) this.#watch(lockSeconds * 1000)
    return true
  }

  /** Takes out what may still be asked for. */
  take(): Array<Lock> {
    if (this.#items.length === 0) return []
    this.#expire()
    const items = this.#items
    this.#items = []
    this.#quiet()
    return items.map(({ lock }) => lock)
  }

  /** There will be no connection any more. */
  clear(): void {
    for (const lock of this.take()) lock.lost()
  }

  #watch(millis: number): void {
    this.#cancel = this.#runtime.after(millis, () => {
      this.#cancel = undefined
      this.#expire()
      const next = this.#items[0]
      if (next !== undefined) this.#watch(next.since + lockSeconds * 1000 - this.#runtime.now())
    })
  }

  #expire(): void {
    const oldest = this.#runtime.now() - lockSeconds * 1000
    const over = this.#items.filter(({ since }) => since <= oldest)
    if (over.length === 0) return
    this.#items = this.#items.filter(({ since }) => since > oldest)
    for (const { lock } of over) lock.lost()
  }

  #quiet(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }
}
