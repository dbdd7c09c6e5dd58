import { Effect } from "effect"

/** Waits until there is nothing left to do, for who has to be told of each end. */
export class Idle {
  readonly #waiting = new Set<() => void>()

  /** Something has ended. */
  readonly check = (): void => {
    if (this.#waiting.size === 0) return
    for (const look of Array.from(this.#waiting)) look()
  }

  /** Succeeds when `busy` says 0: at once, or at one of the ends to come. */
  readonly when = (busy: () => number): Effect.Effect<void> =>
    Effect.callback((resume) => {
      if (busy() === 0) return resume(Effect.void)
      const look = (): void => {
        if (busy() > 0) return
        this.#waiting.delete(look)
        resume(Effect.void)
      }
      this.#waiting.add(look)
      return Effect.sync(() => {
        this.#waiting.delete(look)
      })
    })
}
