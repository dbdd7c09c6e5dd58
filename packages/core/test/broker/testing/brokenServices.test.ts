/** Each of these buses has a flaw, and a test of the whole library on it fails. */
import { describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { serviceTests } from "../../../src/broker/testing/internal/serviceSuite/serviceSuite.ts"
import { type Bus, failsWith, listening, local, publishing, stalled, subscribing } from "./broken.ts"

const fails = (what: string, test: RegExp, message: RegExp, flaw: (bus: Bus) => Partial<Bus>): void => {
  it.live(what, () =>
    Effect.gen(function* () {
      const bus = yield* local
      const connect = Effect.succeed({ ...bus, ...flaw(bus) })
      // more turns than the longest time in which the tests collect claims
      yield* failsWith(serviceTests({ connect }, stalled(3000)), (name) => test.test(name), message)
    }).pipe(Effect.provide(Logger.layer([])))
  )
}

/** A bus that maps several names to one. */
const confusing =
  (confuse: (name: string) => string) =>
  (bus: Bus): Partial<Bus> => ({
    target: (channel, options) => bus.target({ ...channel, name: confuse(channel.name) }, options),
    subscribe: (channel, ...rest) => bus.subscribe({ ...channel, name: confuse(channel.name) }, ...rest)
  })

describe.concurrent("the service suite fails for a bus that", () => {
  fails(
    "sends the updates of a queue to all subscribers",
    /^subscription, queue, without topics/,
    /updates that were read/,
    subscribing((bus, channel, listener) => bus.subscribe(channel, listener))
  )

  fails(
    "confuses topics with a common prefix",
    /^unary, queue, with plain topics/,
    /topic of the response: expected/,
    confusing((name) => name.replace("euu+002dwest", "eu"))
  )

  fails(
    "ignores the case of names",
    /^subscription, multi, with plain topics/,
    /updates of one publisher at a subscriber|updates that were read/,
    confusing((name) => name.toLowerCase())
  )

  fails(
    "delivers twice",
    /^subscription, multi, without topics/,
    /updates of one publisher at a subscriber/,
    listening((listener) => (message) => {
      listener(message)
      listener(message)
    })
  )

  fails(
    "swaps two messages of a stream",
    /^stream: messages of concurrent sends arrive in order/,
    /messages at the (server|client)/,
    (bus) => {
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
    }
  )

  fails("reports 0 receivers with listeners", /^multi, without topics/, /no listeners/, (bus) => ({
    publishUnsafe: (target, message, expiry, delivery) =>
      bus.publishUnsafe(target, message, expiry, {
        wanted: () => delivery.wanted(),
        delivered: () => delivery.delivered(0),
        undelivered: (error) => delivery.undelivered(error)
      })
  }))

  fails(
    "loses the cancellation of a call",
    /^a call that is canceled/,
    /the handler to be interrupted/,
    publishing((bus, target, message, expiry, delivery) => {
      if (target.name.endsWith("RCLAIM") && !Buffer.from(message).includes("SRV_")) delivery.delivered(1)
      else bus.publishUnsafe(target, message, expiry, delivery)
    })
  )
})
