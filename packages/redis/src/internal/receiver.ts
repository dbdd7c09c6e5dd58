import type { MessageBus } from "@effect-psrpc/core"
import { Cause, Effect, Metric } from "effect"
import { hash } from "node:crypto"
import { Lock, lockSeconds } from "./commands.ts"
import type { Peer } from "./peer.ts"
import { type BusRuntime, Listeners, LogThrottle } from "@effect-psrpc/core/broker"

/** Messages of queues that this process had to leave, because it could not learn whether they were its own. */
export const unlockedMessages = Metric.withAttributes(
  Metric.counter("psrpc_messages_dropped", {
    description: "Messages dropped, by reason",
    incremental: true
  }),
  { reason: "unlocked", side: "bus" }
)

/** Lines in the log about lost locks are this far apart, in milliseconds. */
const logInterval = 1000

/** The members of one queue in this process, and the answers of Redis that they wait for. */
class QueueState {
  members = 0
  pending = 0
  /** The last member is leaving and only waits for answers: no more locks. */
  leaving = false
  readonly #waiting = new Set<() => void>()

  done(): void {
    if (--this.pending > 0) return
    for (const resume of this.#waiting) resume()
    this.#waiting.clear()
  }

  /** Waits until no lock is being asked for. */
  readonly idle: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.pending === 0) return resume(Effect.void)
    const done = (): void => resume(Effect.void)
    this.#waiting.add(done)
    return Effect.sync(() => this.#waiting.delete(done))
  })
}

/**
 * The receiving side of a bus: gives each message to its listeners, and to one member of the queue once this process has
 * the message's lock.
 */
export class Receiver {
  readonly #listeners: Listeners.Listeners
  readonly #queues = new Map<string, QueueState>()
  readonly #peer: Peer
  readonly #runtime: BusRuntime.BusRuntime
  readonly #ask: (lock: Lock) => boolean
  readonly #drops = new LogThrottle.EveryInterval(logInterval)

  constructor(peer: Peer, runtime: BusRuntime.BusRuntime, ask: (lock: Lock) => boolean) {
    this.#peer = peer
    this.#runtime = runtime
    this.#ask = ask
    this.#listeners = new Listeners.Listeners((defect) =>
      runtime.log("error", peer.message("a listener threw"), Cause.die(defect))
    )
  }

  /** A message has come. */
  receive(name: string, payload: Buffer): void {
    const group = this.#listeners.get(name)
    if (group === undefined) return
    // not a Buffer, whose slice() would not copy
    const message = new Uint8Array(payload.buffer, payload.byteOffset, payload.length)
    group.all(message)
    const queue = group.hasQueue ? this.#queues.get(name) : undefined
    if (queue === undefined || queue.leaving) return
    const since = this.#runtime.now()
    const lock = new Lock(
      hash("sha256", payload, "base64"),
      (won) => {
        if (won) this.#won(name, message, since)
        queue.done()
      },
      (error) => {
        this.#dropped(this.#peer.reasonOf(error))
        queue.done()
      }
    )
    queue.pending++
    if (this.#ask(lock)) return
    this.#dropped("the connection is down")
    queue.done()
  }

  #won(name: string, message: Uint8Array, since: number): void {
    // an answer that took longer than a lock lives proves nothing: another member may have had it in between
    if (this.#runtime.now() - since >= lockSeconds * 1000) return this.#dropped("the answer came too late")
    const group = this.#listeners.get(name)
    if (group?.hasQueue === true) group.one(message)
    else this.#dropped("every member has left")
  }

  #dropped(reason: string): void {
    this.#runtime.count(unlockedMessages, 1)
    const count = this.#drops.record(this.#runtime.now())
    if (count === undefined) return
    const what = `${count} message(s) of a queue dropped, the lock is not certain: ${reason}`
    this.#runtime.log("warning", this.#peer.message(what))
  }

  add(name: string, listener: MessageBus.Listener, queue: boolean): void {
    this.#listeners.add(name, listener, queue)
    if (!queue) return
    let state = this.#queues.get(name)
    if (state === undefined) this.#queues.set(name, (state = new QueueState()))
    state.members++
    state.leaving = false
  }

  /** Waits for the locks that a leaving member may have to answer for: those of others are answered by them. */
  settled(name: string): Effect.Effect<void> {
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
