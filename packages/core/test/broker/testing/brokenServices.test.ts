/** What the suite of the whole library is worth: on each of these buses a test of it fails, and says what is wrong. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import * as ServiceSuite from "../../../src/broker/testing/ServiceSuite.ts"
import { type Bus, hearing, local, publishing, subscribing, untilNoticed } from "./broken.ts"

const fails = (what: string, test: RegExp, says: RegExp, flaw: (bus: Bus) => Partial<Bus>): void => {
  it.live(
    what,
    () =>
      untilNoticed(says, (timeout) => {
        const bus = Effect.runSync(local)
        const connect = Effect.succeed({ ...bus, ...flaw(bus) })
        const found = ServiceSuite.make({ connect, timeout }).filter(({ name }) => test.test(name))
        assert.strictEqual(found.length, 1, `the tests ${String(test)}`)
        return found[0]!.effect
      }).pipe(Effect.provide(Logger.layer([]))),
    60_000
  )
}

/** A bus that takes some names for one. */
const confusing =
  (confuse: (name: string) => string) =>
  (bus: Bus): Partial<Bus> => ({
    target: (channel, options) => bus.target({ ...channel, name: confuse(channel.name) }, options),
    subscribe: (channel, ...rest) => bus.subscribe({ ...channel, name: confuse(channel.name) }, ...rest)
  })

describe.concurrent("the suite of the library fails for a bus that", () => {
  fails(
    "gives the updates of a queue to all",
    /^subscription, queue, without topics/,
    /what was handled/,
    subscribing((bus, channel, listener) => bus.subscribe(channel, listener))
  )

  fails(
    "takes one topic for another that begins alike",
    /^unary, queue, with plain topics/,
    /the topic that answers: expected|waited in vain|what was handled/,
    confusing((name) => name.replace("euu+002dwest", "eu"))
  )

  fails(
    "does not tell capital letters from small ones",
    /^subscription, multi, with plain topics/,
    /what a subscriber read|what was handled/,
    confusing((name) => name.toLowerCase())
  )

  fails(
    "delivers twice",
    /^subscription, multi, without topics/,
    /what a subscriber read/,
    hearing((listener) => (message) => {
      listener(message)
      listener(message)
    })
  )

  fails("swaps two messages of a stream", /^stream: messages come in order/, /what the (server|client) got/, (bus) => {
    const kept = new Map<string, () => void>()
    let count = 0
    return publishing((bus, target, ...rest) => {
      const send = () => bus.publishUnsafe(target, ...rest)
      const before = kept.get(target.name)
      if (before !== undefined) {
        kept.delete(target.name)
        send()
        before()
      } else if (target.name.endsWith("STR") && ++count % 500 === 0) kept.set(target.name, send)
      else send()
    })(bus)
  })

  fails("says that nobody listens where somebody does", /^multi, without topics/, /nobody listens/, (bus) => ({
    publishUnsafe: (target, message, expiry, delivery) =>
      bus.publishUnsafe(target, message, expiry, {
        wanted: () => delivery.wanted(),
        delivered: () => delivery.delivered(0),
        undelivered: (error) => delivery.undelivered(error)
      })
  }))

  fails(
    "loses the withdrawal of a call",
    /^a call that is given up/,
    /the handler to be interrupted/,
    publishing((bus, target, message, expiry, delivery) => {
      if (target.name.endsWith("RCLAIM") && !Buffer.from(message).includes("SRV_")) delivery.delivered(1)
      else bus.publishUnsafe(target, message, expiry, delivery)
    })
  )
})
