/** Buses with one flaw each, and the test of the suite that is to notice. */
import { assert, it } from "@effect/vitest"
import { Effect, Exit, Logger, Scope } from "effect"
import * as LocalMessageBus from "../../../src/LocalMessageBus.ts"
import { type Delivery, type Listener, type MessageBus } from "../../../src/MessageBus.ts"
import * as MessageBusSuite from "../../../src/broker/testing/MessageBusSuite.ts"

export type Bus = MessageBus["Service"]

export const local = LocalMessageBus.make.pipe(Effect.provide(Logger.layer([])))

export interface Broken {
  /** The test that is to fail, and how. */
  readonly test: string
  readonly says: RegExp
  readonly options: MessageBusSuite.Options
}

/**
 * The time that a test of a suite gets, in milliseconds: the first is enough where the machine has nothing else to do,
 * and is how long a test waits that waits in vain. A busy machine needs more until the flaw shows.
 */
const timeouts = [300, 1500, 6000, 20_000]

/** Waits until a test of a suite fails as it should, with more time in each try. */
export const untilNoticed = Effect.fnUntraced(function* (
  says: RegExp,
  attempt: (timeout: number) => Effect.Effect<void, unknown>
) {
  let cause = ""
  for (const timeout of timeouts) {
    const exit = yield* Effect.exit(attempt(timeout))
    assert.isTrue(Exit.isFailure(exit), "the suite has not noticed")
    if (Exit.isFailure(exit)) cause = String(exit.cause)
    // more time makes a difference only where it ran out
    if (says.test(cause) || !cause.includes("waited in vain")) break
  }
  assert.match(cause, says)
})

export const fails = (what: string, make: () => Broken): void => {
  it.live(
    what,
    () => {
      const { says } = make()
      return untilNoticed(says, (timeout) => {
        const { options, test } = make()
        const found = MessageBusSuite.make({ timeout, ...options }).filter(({ name }) => name === test)
        assert.strictEqual(found.length, 1, `there is no test "${test}"`)
        return found[0]!.effect
      })
    },
    60_000
  )
}

/** A local bus with a flaw, which all share. */
export const flawed = (
  test: string,
  says: RegExp,
  flaw: (bus: Bus) => Partial<Bus>,
  options: Partial<MessageBusSuite.Options> = {}
): (() => Broken) => {
  return () => {
    const bus = Effect.runSync(local)
    return { test, says, options: { connect: Effect.succeed({ ...bus, ...flaw(bus) }), ...options } }
  }
}

/** A scope that nobody closes. */
export const forever = Scope.makeUnsafe()

export const heedless: Delivery = { wanted: () => true, delivered() {}, undelivered() {} }

export const publishing =
  (publish: (bus: Bus, ...args: Parameters<Bus["publishUnsafe"]>) => void) =>
  (bus: Bus): Partial<Bus> => ({ publishUnsafe: (...args) => publish(bus, ...args) })

export const hearing =
  (change: (listener: Listener, queue: boolean) => Listener) =>
  (bus: Bus): Partial<Bus> => ({
    subscribe: (channel, listener, options) =>
      bus.subscribe(channel, change(listener, options?.queue === true), options)
  })

export const subscribing =
  (subscribe: (bus: Bus, ...args: Parameters<Bus["subscribe"]>) => ReturnType<Bus["subscribe"]>) =>
  (bus: Bus): Partial<Bus> => ({ subscribe: (...args) => subscribe(bus, ...args) })
