import type { MessageBus } from "@effect-psrpc/core"
import { BusMetrics, type BusRuntime, Listeners, LogThrottle } from "@effect-psrpc/core/broker"
import { Cause, Effect } from "effect"
import { hash } from "node:crypto"
import { LockCommand, lockSeconds } from "../commands/lockCommand.ts"
import type { RedisIdentity } from "../connection/redisIdentity.ts"

/** Counts messages of queues that were dropped because this process could not find out whether it has their lock. */
export const unlockedMessages = BusMetrics.droppedMessages("unlocked")

/** Minimum milliseconds between two log lines about dropped messages. */
const logInterval = 1000

/** The members of one queue in this process, and their lock requests in flight. */
class QueueState {
  members = 0
  pendingLocks = 0
  /** The last member leaves: it requests no more locks, and waits for those in flight. */
  leaving = false
  readonly #waiting = new Set<() => void>()

  lockSettled(): void {
    if (--this.pendingLocks > 0) return
    for (const resume of this.#waiting) resume()
    this.#waiting.clear()
  }

  /** Waits until no lock request is in flight. */
  readonly idle: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.pendingLocks === 0) return resume(Effect.void)
    const done = (): void => resume(Effect.void)
    this.#waiting.add(done)
    return Effect.sync(() => this.#waiting.delete(done))
  })
}

/**
 * The receiving side of a bus: passes each message to its listeners, and to one member of the queue once this process has
 * the message's lock.
 */
export class Receiver {
  readonly #listeners: Listeners.Listeners
  readonly #queues = new Map<string, QueueState>()
  readonly #broker: RedisIdentity
  readonly #runtime: BusRuntime.BusRuntime
  readonly #requestLock: (lock: LockCommand) => boolean
  readonly #drops = new LogThrottle.EveryInterval(logInterval)

  constructor(broker: RedisIdentity, runtime: BusRuntime.BusRuntime, requestLock: (lock: LockCommand) => boolean) {
    this.#broker = broker
    this.#runtime = runtime
    this.#requestLock = requestLock
    this.#listeners = new Listeners.Listeners((defect) =>
      runtime.log("error", broker.message("a listener threw an exception"), Cause.die(defect))
    )
  }

  /** Passes on a message of a channel. */
  receive(name: string, payload: Buffer): void {
    const group = this.#listeners.get(name)
    if (group === undefined) return
    // not a Buffer, whose slice() would not copy
    const message = new Uint8Array(payload.buffer, payload.byteOffset, payload.length)
    group.all(message)
    const queue = group.hasQueue ? this.#queues.get(name) : undefined
    if (queue === undefined || queue.leaving) return
    const since = this.#runtime.now()
    const lock = new LockCommand(
      hash("sha256", payload, "base64"),
      (acquired) => {
        if (acquired) this.#acquired(name, message, since)
        queue.lockSettled()
      },
      (error) => {
        this.#dropped(name, this.#broker.reasonOf(error))
        queue.lockSettled()
      }
    )
    queue.pendingLocks++
    if (this.#requestLock(lock)) return
    this.#dropped(name, "the connection is down")
    queue.lockSettled()
  }

  #acquired(name: string, message: Uint8Array, since: number): void {
    // a lock that took as long as it lives proves nothing: another member may have had it in between
    if (this.#runtime.now() - since >= lockSeconds * 1000) return this.#dropped(name, "Redis replied too late")
    const group = this.#listeners.get(name)
    if (group?.hasQueue === true) group.one(message)
    else this.#dropped(name, "every member has left the queue")
  }

  #dropped(name: string, reason: string): void {
    this.#runtime.count(unlockedMessages, 1)
    const count = this.#drops.record(this.#runtime.now())
    if (count === undefined) return
    const text = `dropped ${count} message(s) of queues, the last of ${name}, without certainty of the lock: ${reason}`
    this.#runtime.log("warning", this.#broker.message(text))
  }

  add(name: string, listener: MessageBus.Listener, queue: boolean): void {
    this.#listeners.add(name, listener, queue)
    if (!queue) return
    let state = this.#queues.get(name)
    if (state === undefined) this.#queues.set(name, (state = new QueueState()))
    state.members++
    state.leaving = false
  }

  /** Waits for the lock requests that a leaving member may have to handle. Those of other members need no wait. */
  locksSettled(name: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      const state = this.#queues.get(name)
      if (state === undefined || state.members > 1) return Effect.void
      state.leaving = true
      return state.idle
    })
  }

  delete(name: string, listener: MessageBus.Listener, queue: boolean): void {
    this.#listeners.delete(name, listener, queue)
    const state = queue ? this.#queues.get(name) : undefined
    if (state !== undefined && --state.members === 0) this.#queues.delete(name)
  }
}
