/** Makes tests for any test runner from the cases of a suite. */
import { Clock, type Duration, Effect, Fiber, identity, Logger, type Scope } from "effect"
import { millisOf } from "../../../../internal/time/millis.ts"
import type { MessageBus } from "../../../../MessageBus.ts"
import { fail } from "./assertions.ts"
import { type BusUnderTest, Run } from "./run.ts"

/**
 * The bus to test, and its properties.
 *
 * @category models
 * @since 0.1.0
 */
export interface SuiteOptions<out R = never> {
  /**
   * Makes a new connection to the broker each time it runs. The suite uses one connection for each of its processes. Use
   * `Effect.succeed(bus)` for a bus that all processes share.
   */
  readonly connect: Effect.Effect<MessageBus["Service"], unknown, R | Scope.Scope>
  /**
   * The size of the largest message that the bus sends, envelope included, in bytes. Default: no limit; messages of 1 MB
   * have to arrive, and the tests of refused messages are left out.
   */
  readonly maxPayload?: number | undefined
  /** Whether the bus reports 0 receivers if there are no listeners, rather than `-1`. Default: `true`. */
  readonly reportsNoListeners?: boolean | undefined
  /**
   * The maximum duration of one test. Give the test runner 2 seconds more. Every wait of a test ends as soon as its
   * condition is met, so a longer timeout slows down failing tests alone. Default: `defaultTimeout`.
   */
  readonly timeout?: Duration.Input | undefined
}

/**
 * One test of a suite.
 *
 * @category models
 * @since 0.1.0
 */
export interface Test<out R = never> {
  /** The promise that the test verifies. */
  readonly name: string
  /**
   * Succeeds if the bus keeps the promise. Fails with the expected and the actual value, or with the waits that did not end
   * in time. Takes real time, also under TestClock, and ends even if the bus hangs.
   */
  readonly effect: Effect.Effect<void, unknown, R>
}

export interface SuiteCase {
  readonly name: string
  /** Disables logging: the test provokes the messages. */
  readonly quiet?: boolean
  /** The property of the bus without which the case is left out. */
  readonly needs?: "maxPayload"
  readonly body: (run: Run) => Effect.Effect<void, unknown>
}

/** Checks options, and applies defaults. Throws a `TypeError` for invalid options. */
export const busUnderTest = <R>(
  options: SuiteOptions<R> & { readonly outage?: Effect.Effect<void, unknown, R | Scope.Scope> | undefined },
  limits: { readonly minPayload: number; readonly defaultTimeout: Duration.Input }
): BusUnderTest => {
  const { maxPayload } = options
  if (maxPayload !== undefined && !(Number.isInteger(maxPayload) && maxPayload >= limits.minPayload)) {
    throw new TypeError(
      `maxPayload: ${String(maxPayload)}: expected a whole number of bytes, ${limits.minPayload} at least`
    )
  }
  return {
    // a test runs with the services of its runner
    connect: options.connect as BusUnderTest["connect"],
    outage: options.outage as BusUnderTest["outage"],
    maxPayload,
    reportsNoListeners: options.reportsNoListeners ?? true,
    timeout: millisOf("timeout", options.timeout ?? limits.defaultTimeout)
  }
}

/** Waits until a run has to be given up. Returns the reason. */
export type Deadline = (run: Run) => Effect.Effect<string>

const afterTimeout: Deadline = ({ bus: { timeout } }) =>
  Effect.as(Effect.sleep(timeout), `timed out after ${timeout} ms`)

/** Maximum time for scopes to close after a timeout, in milliseconds. */
const closeTimeout = 1000

/** Runs a case on the real clock, until its end or its deadline. A run that cannot be interrupted is left behind. */
const perform = (suiteCase: SuiteCase, bus: BusUnderTest, deadline: Deadline): Effect.Effect<void, unknown> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const run = new Run(bus, () => clock.currentTimeMillisUnsafe())
    const fiber = yield* Effect.forkDetach(suiteCase.body(run), { startImmediately: true })
    yield* Effect.gen(function* () {
      const reason = yield* Effect.raceFirst(Effect.as(Fiber.await(fiber), undefined), deadline(run))
      if (reason === undefined) return yield* Fiber.join(fiber)
      const failure =
        run.failure === undefined ? fail(`${reason}, waiting for ${run.waitingFor}`) : Effect.failCause(run.failure)
      yield* Effect.timeoutOption(Fiber.interrupt(fiber), closeTimeout)
      return yield* failure
    }).pipe(Effect.onExit(() => Effect.sync(() => fiber.interruptUnsafe())))
  }).pipe(
    suiteCase.quiet === true ? Effect.provide(Logger.layer([])) : identity,
    Effect.provideService(Clock.Clock, Clock.Clock.defaultValue())
  )

/** Makes the tests of a bus. */
export const testsOf = (
  cases: ReadonlyArray<SuiteCase>,
  bus: BusUnderTest,
  deadline: Deadline = afterTimeout
): ReadonlyArray<Test> =>
  cases
    .filter(({ needs }) => bus.maxPayload !== undefined || needs !== "maxPayload")
    .map((suiteCase) => ({ name: suiteCase.name, effect: perform(suiteCase, bus, deadline) }))
