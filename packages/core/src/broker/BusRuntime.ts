/**
 * What the callbacks of a broker's client need of Effect, taken once when the bus is made: a message then costs no fiber.
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
 * The clock, a timer, the log and the metrics.
 *
 * @category models
 * @since 0.1.0
 */
export interface BusRuntime {
  /** Unix milliseconds, of the Clock service. */
  readonly now: () => number
  /** Runs a callback after some milliseconds on the Clock service, unless what is returned is called before. */
  readonly after: (millis: number, run: () => void) => () => void
  /** Writes a line to the log of who made the bus. */
  readonly log: (level: "debug" | "info" | "warning" | "error", message: string, cause?: Cause.Cause<unknown>) => void
  /** Adds to a counter. */
  readonly count: (counter: Metric.Counter<number>, by: number) => void
}

/**
 * Takes it from the fiber that makes the bus.
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
