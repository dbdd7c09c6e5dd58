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

export const fails = (what: string, make: () => Broken): void => {
  it.live(what, () =>
    Effect.gen(function* () {
      const { options, says, test } = make()
      const found = MessageBusSuite.make({ timeout: "300 millis", ...options }).filter(({ name }) => name === test)
      assert.strictEqual(found.length, 1, `there is no test "${test}"`)
      const exit = yield* Effect.exit(found[0]!.effect)
      assert.isTrue(Exit.isFailure(exit), "the suite has not noticed")
      if (Exit.isFailure(exit)) assert.match(String(exit.cause), says)
    })
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
