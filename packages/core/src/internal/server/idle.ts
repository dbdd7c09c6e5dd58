import { Effect } from "effect"

/** Waits until counts reach 0. `check` must be called after each decrement, if `isAwaited`. */
export class Idle {
  /** Whether a fiber waits. */
  isAwaited = false
  readonly #waiting = new Set<() => void>()

  /** Resumes the fibers whose count has reached 0. */
  check(): void {
    for (const look of Array.from(this.#waiting)) look()
  }

  /** Completes when `count` returns 0: at once, or in a later `check`. */
  when(count: () => number): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (count() === 0) return resume(Effect.void)
      const look = (): void => {
        if (count() > 0) return
        stop()
        resume(Effect.void)
      }
      const stop = (): void => {
        this.#waiting.delete(look)
        this.isAwaited = this.#waiting.size > 0
      }
      this.#waiting.add(look)
      this.isAwaited = true
      return Effect.sync(stop)
    })
  }
}
