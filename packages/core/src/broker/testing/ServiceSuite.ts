/**
 * The tests of the whole library on a bus, for authors of buses: each kind of method with each routing, with and without
 * topics, and calls and streams while servers start and end. Run it after `MessageBusSuite`, which defines what a bus has
 * to do.
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
import type { Duration, Scope } from "effect"
import type { SuiteOptions, Test } from "./internal/harness/suiteTests.ts"
import * as Suite from "./internal/serviceSuite/serviceSuite.ts"

export type { Test } from "./internal/harness/suiteTests.ts"

/**
 * The bus to test, and its properties.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<out R = never> extends SuiteOptions<R> {}

/**
 * Default maximum duration of one test: 60 seconds. On an idle machine few tests take more than 3. The windows in which the
 * tests collect claims and responses are one thirtieth of the timeout.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultTimeout: Duration.Input = Suite.defaultTimeout

/**
 * Makes the tests. They use services of their own, so that they can run concurrently, and on a broker that other programs
 * use.
 *
 * Throws a `TypeError` for invalid options; `maxPayload` is at least 65,536 bytes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <R = never>(options: Options<R>): ReadonlyArray<Test<Exclude<R, Scope.Scope>>> =>
  Suite.serviceTests(options)
