import { type Cause, Clock, Effect, type Metric } from "effect"

/** What callbacks need of Effect: the clock, a timer, a log. */
export interface Runtime {
  /** Unix milliseconds. */
  readonly now: () => number
  /** Runs a callback after some milliseconds on the Clock service, unless what is returned is called before. */
  readonly after: (millis: number, run: () => void) => () => void
  readonly log: (level: "debug" | "info" | "warning" | "error", message: string, cause?: Cause.Cause<unknown>) => void
  readonly count: (counter: Metric.Counter<number>, by: number) => void
}

export const makeRuntime: Effect.Effect<Runtime> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const context = yield* Effect.context<never>()
  const runFork = Effect.runForkWith(context)
  const levels = {
    debug: Effect.logDebug,
    info: Effect.logInfo,
    warning: Effect.logWarning,
    error: Effect.logError
  }
  return {
    now: () => clock.currentTimeMillisUnsafe(),
    after: (millis, run) => {
      const fiber = runFork(Effect.andThen(Effect.sleep(millis), Effect.sync(run)))
      return () => fiber.interruptUnsafe()
    },
    log: (level, message, cause) => {
      runFork(cause === undefined ? levels[level](message) : levels[level](message, cause))
    },
    count: (counter, by) => counter.updateUnsafe(by, context)
  }
})
