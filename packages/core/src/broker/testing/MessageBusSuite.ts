/**
 * The tests that define a `MessageBus`, for authors of buses: each promise of the interface is a test. They run against a
 * real broker, with any test runner.
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
 *     it.live(test.name, () => test.effect, 32_000)
 *   }
 * })
 *
 * // a bus in memory is shared by all processes of the suite
 * const local = Effect.runSync(LocalMessageBus.make)
 *
 * describe("the local bus", () => {
 *   for (const test of MessageBusSuite.make({ connect: Effect.succeed(local) })) {
 *     it.live(test.name, () => test.effect, 32_000)
 *   }
 * })
 * ```
 *
 * @since 0.1.0
 */
import type { Duration, Effect, Scope } from "effect"
import * as BusSuite from "./internal/busSuite/busSuite.ts"
import type { SuiteOptions, Test } from "./internal/harness/suiteTests.ts"

export type { Test } from "./internal/harness/suiteTests.ts"

/**
 * The bus to test, and its properties.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<out R = never> extends SuiteOptions<R> {
  /**
   * Cuts every connection of `connect`, and prevents new ones, until its scope closes: by a proxy in front of the broker,
   * for example. Default: none, and the tests of outages are left out.
   */
  readonly outage?: Effect.Effect<void, unknown, R | Scope.Scope> | undefined
}

/**
 * Default maximum duration of one test: 30 seconds. On an idle machine no test takes more than 3.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultTimeout: Duration.Input = BusSuite.defaultTimeout

/**
 * Makes the tests. They use channels of their own, so that they can run concurrently, and on a broker that other programs
 * use.
 *
 * They cover the receivers and the outcome of a message; order, sizes and names; queue groups whose members come and go;
 * subscriptions that are acknowledged, closed under load and interrupted; listeners that throw, block, publish and
 * subscribe; and, with `outage`, lost connections.
 *
 * Throws a `TypeError` for invalid options; `maxPayload` is at least 1024 bytes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <R = never>(options: Options<R>): ReadonlyArray<Test<Exclude<R, Scope.Scope>>> =>
  BusSuite.busTests(options)
