import { Effect } from "effect"
import type { Runtime } from "./runtime.ts"

/** The time that closing may take, all of its steps together. */
export interface Closing {
  /** Waits for an effect until the time is over, which begins with the first. */
  readonly within: <A>(effect: Effect.Effect<A>) => Effect.Effect<void>
}

export const makeClosing = (runtime: Runtime, millis: number): Closing => {
  let end: number | undefined
  return {
    within: (effect) =>
      Effect.suspend(() => {
        const now = runtime.now()
        end ??= now + millis
        return Effect.asVoid(Effect.timeoutOption(effect, Math.max(0, end - now)))
      })
  }
}
