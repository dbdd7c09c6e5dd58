/** Fibers that wait for a condition. */
import { Effect } from "effect"

interface Waiter {
  readonly predicate: () => boolean
  readonly resume: (effect: Effect.Effect<void>) => void
}

export class Waiters {
  readonly #waiters = new Set<Waiter>()

  /** Waits until the predicate returns `true` in a check. Dies if it throws. */
  wait(predicate: () => boolean): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const waiter: Waiter = { predicate, resume }
      this.#waiters.add(waiter)
      this.#check(waiter)
      return Effect.sync(() => this.#waiters.delete(waiter))
    })
  }

  /** Checks all predicates again. */
  check(): void {
    for (const waiter of this.#waiters) this.#check(waiter)
  }

  #check(waiter: Waiter): void {
    let result: Effect.Effect<void> = Effect.void
    try {
      if (!waiter.predicate()) return
    } catch (defect) {
      result = Effect.die(defect)
    }
    this.#waiters.delete(waiter)
    waiter.resume(result)
  }
}
