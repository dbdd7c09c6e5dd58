/** Buses with one flaw each, and the test of a suite that has to fail for it. */
import { assert, it } from "@effect/vitest"
import { Effect, Exit, Logger, Scope } from "effect"
import { busTests } from "../../../src/broker/testing/internal/busSuite/busSuite.ts"
import type { Deadline, Test } from "../../../src/broker/testing/internal/harness/suiteTests.ts"
import type * as MessageBusSuite from "../../../src/broker/testing/MessageBusSuite.ts"
import * as LocalMessageBus from "../../../src/LocalMessageBus.ts"
import { type Delivery, type Listener, type MessageBus } from "../../../src/MessageBus.ts"

export type Bus = MessageBus["Service"]

export const local = LocalMessageBus.make.pipe(Effect.provide(Logger.layer([])))

/**
 * Ends a run whose waits do not change for a number of turns of the event loop. A busy machine makes the turns longer, and
 * not more: a bus in memory makes progress in every turn. (A timeout in milliseconds can expire before the flaw shows.)
 */
export const stalled =
  (turns: number): Deadline =>
  (run) =>
    Effect.gen(function* () {
      let { progress } = run
      for (let i = 0; i < turns; i++) {
        yield* run.turn
        if (run.progress === progress) continue
        progress = run.progress
        i = 0
      }
      return "no progress"
    })

/** Verifies that a test of a suite fails with a message. */
export const failsWith = Effect.fnUntraced(function* (
  tests: ReadonlyArray<Test>,
  isTest: (name: string) => boolean,
  message: RegExp
) {
  const found = tests.filter(({ name }) => isTest(name))
  assert.strictEqual(found.length, 1, "the number of tests with this name")
  const exit = yield* Effect.exit(found[0]!.effect)
  assert.isTrue(Exit.isFailure(exit), "the suite has not detected the flaw")
  if (Exit.isFailure(exit)) assert.match(String(exit.cause), message)
})

export interface Broken {
  /** The test that has to fail, and its message. */
  readonly test: string
  readonly message: RegExp
  readonly options: MessageBusSuite.Options
}

export const fails = (what: string, make: () => Broken): void => {
  it.live(what, () => {
    const { message, options, test } = make()
    return failsWith(busTests(options, stalled(300)), (name) => name === test, message)
  })
}

/** A local bus with a flaw, shared by all connections. */
export const flawed = (
  test: string,
  message: RegExp,
  flaw: (bus: Bus) => Partial<Bus>,
  options: Partial<MessageBusSuite.Options> = {}
): (() => Broken) => {
  return () => {
    const bus = Effect.runSync(local)
    return { test, message, options: { connect: Effect.succeed({ ...bus, ...flaw(bus) }), ...options } }
  }
}

/** A scope that is never closed. */
export const forever = Scope.makeUnsafe()

export const ignoreOutcome: Delivery = { wanted: () => true, delivered() {}, undelivered() {} }

export const publishing =
  (publish: (bus: Bus, ...args: Parameters<Bus["publishUnsafe"]>) => void) =>
  (bus: Bus): Partial<Bus> => ({ publishUnsafe: (...args) => publish(bus, ...args) })

export const listening =
  (change: (listener: Listener, queue: boolean) => Listener) =>
  (bus: Bus): Partial<Bus> => ({
    subscribe: (channel, listener, options) =>
      bus.subscribe(channel, change(listener, options?.queue === true), options)
  })

export const subscribing =
  (subscribe: (bus: Bus, ...args: Parameters<Bus["subscribe"]>) => ReturnType<Bus["subscribe"]>) =>
  (bus: Bus): Partial<Bus> => ({ subscribe: (...args) => subscribe(bus, ...args) })
