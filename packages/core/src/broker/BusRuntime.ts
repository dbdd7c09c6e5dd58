/**
 * The parts of Effect that callbacks of a broker's client use. They are captured once, when the bus is made, so that no
 * message needs a fiber.
 *
 * **Example** (Counting from a callback)
 *
 * ```ts
 * import { BusRuntime } from "@effect-psrpc/core/broker"
 * import { Effect, Metric } from "effect"
 *
 * const received = Metric.counter("received")
 *
 * const program = Effect.gen(function*() {
 *   const runtime = yield* BusRuntime.make
 *   const onMessage = () => runtime.count(received, 1)
 *   onMessage()
 * })
 * ```
 *
 * @since 0.1.0
 */
import { type Cause, Clock, Effect, type Metric } from "effect"

/**
 * Clock, timers, log and counters, to be used from callbacks.
 *
 * @category models
 * @since 0.1.0
 */
export interface BusRuntime {
  /** Returns the time of the Clock service in Unix milliseconds. */
  readonly now: () => number
  /** Calls `run` after a delay in milliseconds on the Clock service. The returned function cancels it. */
  readonly after: (millis: number, run: () => void) => () => void
  /** Writes a line to the log of the fiber that made the bus. */
  readonly log: (level: "debug" | "info" | "warning" | "error", message: string, cause?: Cause.Cause<unknown>) => void
  /** Adds to a counter. */
  readonly count: (counter: Metric.Counter<number>, by: number) => void
}

/**
 * Captures the runtime of the current fiber.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<BusRuntime> = Effect.gen(function* () {
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
