import { Effect } from "effect"
import type { BusRuntime } from "@effect-psrpc/core/broker"

/** The time that closing may take, all of its steps together. */
export interface Closing {
  /** Waits for an effect until the time is over, which begins with the first. */
  readonly within: <A>(effect: Effect.Effect<A>) => Effect.Effect<void>
}

export const makeClosing = (runtime: BusRuntime.BusRuntime, millis: number): Closing => {
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
