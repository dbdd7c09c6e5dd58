import type { BusRuntime } from "@effect-psrpc/core/broker"
import { Effect } from "effect"

/** The close timeout of a bus, shared by all steps of closing it. */
export interface CloseDeadline {
  /** Waits for an effect until the deadline. The first call starts the timeout. */
  readonly within: <A>(effect: Effect.Effect<A>) => Effect.Effect<void>
}

/** `timeout` is in milliseconds. */
export const makeCloseDeadline = (runtime: BusRuntime.BusRuntime, timeout: number): CloseDeadline => {
  let deadline: number | undefined
  return {
    within: (effect) =>
      Effect.suspend(() => {
        const now = runtime.now()
        deadline ??= now + timeout
        return Effect.asVoid(Effect.timeoutOption(effect, Math.max(0, deadline - now)))
      })
  }
}
