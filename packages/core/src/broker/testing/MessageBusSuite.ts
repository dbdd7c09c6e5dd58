/**
 * The suite that says what a `MessageBus` is, for whoever makes one: each promise of the interface is a test, which runs
 * against a real broker with any test runner.
 *
 * **Example** (A bus of your own, with vitest)
 *
 * ```ts
 * import { LocalMessageBus, type MessageBus } from "@effect-psrpc/core"
 * import { MessageBusSuite } from "@effect-psrpc/core/broker/testing"
 * import { describe, it } from "@effect/vitest"
 * import { Effect, type Scope } from "effect"
 *
 * declare const connectMyBus: Effect.Effect<MessageBus.MessageBus["Service"], Error, Scope.Scope>
 *
 * describe("my bus", () => {
 *   for (const test of MessageBusSuite.make({ connect: connectMyBus, maxPayload: 1024 * 1024 })) {
 *     it.live(test.name, () => test.effect, 30_000)
 *   }
 * })
 *
 * // in one process there is one bus, and everybody is connected to it
 * const local = Effect.runSync(LocalMessageBus.make)
 *
 * describe("the local bus", () => {
 *   for (const test of MessageBusSuite.make({ connect: Effect.succeed(local) })) it.live(test.name, () => test.effect)
 * })
 * ```
 *
 * @since 0.1.0
 */
import type { Duration, Effect, Scope } from "effect"
import { millisOf } from "../../internal/time/millis.ts"
import type { MessageBus } from "../../MessageBus.ts"
import { delivery } from "./internal/busSuite/delivery.ts"
import { listening } from "./internal/busSuite/listening.ts"
import { names } from "./internal/busSuite/names.ts"
import { outages } from "./internal/busSuite/outages.ts"
import { queues } from "./internal/busSuite/queues.ts"
import { perform } from "./internal/busSuite/run.ts"
import { subscribing } from "./internal/busSuite/subscribing.ts"

/**
 * What to test, and what the bus cannot do.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<out R = never> {
  /**
   * Connects to the broker, anew each time it runs: a connection is what a process has, so the suite's several processes
   * are as many connections. Where all share one bus, give that.
   */
  readonly connect: Effect.Effect<MessageBus["Service"], unknown, R | Scope.Scope>
  /**
   * Cuts every connection that `connect` has made, and lets none be made, until its scope closes: a proxy in front of
   * the broker, for instance, that refuses. The suite then tests what the bus promises while it cannot reach the broker.
   * Default: none, and no such tests.
   */
  readonly outage?: Effect.Effect<void, unknown, R | Scope.Scope> | undefined
  /**
   * The largest message that the bus takes, in bytes, what is around its contents included. Default: none that matters;
   * messages of a megabyte have to arrive.
   */
  readonly maxPayload?: number | undefined
  /**
   * Whether the bus can tell that nobody listens: `0` receivers. One that cannot says `-1`. Default: `true`.
   */
  readonly reportsNoListeners?: boolean | undefined
  /** How long one test may take; give the runner a second or two more. Default: 10 seconds. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * One test of the suite.
 *
 * @category models
 * @since 0.1.0
 */
export interface Test<out R = never> {
  /** What a user of the bus would see. */
  readonly name: string
  /**
   * Succeeds where the bus does so, and fails with what was expected, what came, or what was waited for in vain. It
   * takes real time, also under TestClock, and comes to an end whatever the bus does.
   */
  readonly effect: Effect.Effect<void, unknown, R>
}

/**
 * How long one test may take, where nothing else is given: 10 seconds.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultTimeout: Duration.Input = "10 seconds"

/**
 * The tests. They use channels of their own, so that they may run at the same time, on a broker that others use too.
 *
 * What they are about: whose listeners get a message, and how often; what its publisher is told; order, sizes and names;
 * queues, whose members come and go; subscriptions that are acknowledged, closed under load, interrupted; listeners that
 * throw, block, publish and subscribe; and, with `outage`, lost connections.
 *
 * Throws a `TypeError` for options that cannot be.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <R = never>(options: Options<R>): ReadonlyArray<Test<Exclude<R, Scope.Scope>>> => {
  const { maxPayload } = options
  if (maxPayload !== undefined && !(Number.isInteger(maxPayload) && maxPayload >= 1024)) {
    throw new TypeError(`maxPayload: ${String(maxPayload)} is no size: expected a whole number of bytes, 1024 at least`)
  }
  const timeout = millisOf("timeout", options.timeout ?? defaultTimeout)
  // a test runs with the services of whoever runs it
  const connect = options.connect as Effect.Effect<MessageBus["Service"], unknown, Scope.Scope>
  const outage = options.outage as Effect.Effect<void, unknown, Scope.Scope> | undefined
  const traits = { connect, maxPayload, outage, reportsNoListeners: options.reportsNoListeners ?? true, timeout }
  return [delivery, names, queues, subscribing, listening, outage === undefined ? [] : outages]
    .flat()
    .filter((test) => maxPayload !== undefined || test.needs !== "maxPayload")
    .map((test) => ({ name: test.name, effect: perform(test, traits) }))
}
