/**
 * The suite for the whole library on a bus: each kind of method, with each routing, with and without topics, and what
 * becomes of calls and streams when servers come and go. For whoever makes a `MessageBus`, after `MessageBusSuite`, which
 * says what a bus is: here is what it is for.
 *
 * **Example** (A bus of your own, with vitest)
 *
 * ```ts
 * import type { MessageBus } from "@effect-psrpc/core"
 * import { ServiceSuite } from "@effect-psrpc/core/broker/testing"
 * import { describe, it } from "@effect/vitest"
 * import type { Effect, Scope } from "effect"
 *
 * declare const connectMyBus: Effect.Effect<MessageBus.MessageBus["Service"], Error, Scope.Scope>
 *
 * describe("the library on my bus", () => {
 *   for (const test of ServiceSuite.make({ connect: connectMyBus, maxPayload: 1024 * 1024 })) {
 *     it.live(test.name, () => test.effect, 62_000)
 *   }
 * })
 * ```
 *
 * @since 0.1.0
 */
import type { Duration, Effect, Scope } from "effect"
import { millisOf } from "../../internal/time/millis.ts"
import type { MessageBus } from "../../MessageBus.ts"
import { calls } from "./internal/serviceSuite/calls.ts"
import { closing } from "./internal/serviceSuite/closing.ts"
import { draining } from "./internal/serviceSuite/draining.ts"
import { flow } from "./internal/serviceSuite/flow.ts"
import { load } from "./internal/serviceSuite/load.ts"
import { multi } from "./internal/serviceSuite/multi.ts"
import { payloads } from "./internal/serviceSuite/payloads.ts"
import { registering } from "./internal/serviceSuite/registering.ts"
import { streams } from "./internal/serviceSuite/streams.ts"
import { subscriptions } from "./internal/serviceSuite/subscriptions.ts"
import { unary } from "./internal/serviceSuite/unary.ts"
import { perform } from "./internal/busSuite/run.ts"
import type { Test } from "./MessageBusSuite.ts"

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
   * The largest message that the bus takes, in bytes, what is around its contents included. Default: none that matters;
   * messages of a megabyte have to arrive, and none is refused.
   */
  readonly maxPayload?: number | undefined
  /**
   * Whether the bus can tell that nobody listens. Default: `true`.
   */
  readonly reportsNoListeners?: boolean | undefined
  /** How long one test may take; give the runner a second or two more. Default: 60 seconds. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * How long one test may take, where nothing else is given: 60 seconds. Few take more than three.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultTimeout: Duration.Input = "60 seconds"

/**
 * The tests. They use services of their own, so that they may run at the same time, on a broker that others use too.
 *
 * Throws a `TypeError` for options that cannot be.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <R = never>(options: Options<R>): ReadonlyArray<Test<Exclude<R, Scope.Scope>>> => {
  const { maxPayload } = options
  if (maxPayload !== undefined && !(Number.isInteger(maxPayload) && maxPayload >= 65_536)) {
    throw new TypeError(`maxPayload: ${String(maxPayload)}: expected a whole number of bytes, 65536 at least`)
  }
  // a test runs with the services of whoever runs it
  const connect = options.connect as Effect.Effect<MessageBus["Service"], unknown, Scope.Scope>
  const traits = {
    connect,
    maxPayload,
    outage: undefined,
    reportsNoListeners: options.reportsNoListeners ?? true,
    timeout: millisOf("timeout", options.timeout ?? defaultTimeout)
  }
  return [unary, multi, subscriptions, streams, calls, payloads, closing, flow, draining, registering, load]
    .flat()
    .filter((test) => maxPayload !== undefined || test.needs !== "maxPayload")
    .map((test) => ({ name: test.name, effect: perform(test, traits) }))
}
