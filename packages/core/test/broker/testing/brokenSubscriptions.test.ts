/** Each of these buses breaks one promise, and the test of that promise fails. */
import { describe } from "@effect/vitest"
import { Effect, Scope } from "effect"
import type { Listener } from "../../../src/MessageBus.ts"
import * as PsrpcError from "../../../src/PsrpcError.ts"
import { type Bus, fails, flawed, forever, listening, ignoreOutcome, publishing, subscribing } from "./broken.ts"

const acknowledged = "an acknowledged subscription receives the next message of any publisher"
const unsubscribing = "unsubscribing ends one subscription, and no other"
const underLoad = "a subscription that closes under load receives what the broker has given it, and nothing afterwards"

describe.concurrent("the suite fails for a bus whose subscriptions", () => {
  const after = (millis: number, run: () => void): void => void setTimeout(run, millis)

  fails(
    "succeed before they receive messages",
    flawed(acknowledged, /waiting for "now" to arrive: received 0 others/, (bus) => {
      // each begins after the next message
      const late: Array<Effect.Effect<void, unknown>> = []
      return {
        subscribe: (channel, listener, options) =>
          Effect.map(Effect.scope, (scope) => {
            late.push(Effect.provideService(bus.subscribe(channel, listener, options), Scope.Scope, scope))
          }),
        publishUnsafe: (...args) => {
          bus.publishUnsafe(...args)
          for (const subscribe of late.splice(0)) Effect.runFork(subscribe)
        }
      }
    })
  )

  fails(
    "are never acknowledged",
    flawed(acknowledged, /no progress, waiting for the acknowledgment of the subscription to /, () => ({
      subscribe: () => Effect.never
    }))
  )

  fails(
    "hang when they are closed",
    flawed(
      unsubscribing,
      /no progress, waiting for a scope to close/,
      subscribing((bus, channel, listener, options) =>
        Effect.andThen(
          bus.subscribe(channel, listener, options),
          Effect.addFinalizer(() => Effect.never)
        )
      )
    )
  )

  fails(
    "continue after they are closed",
    flawed(
      unsubscribing,
      /messages of the listener that left: expected \["1"\], got \["1", "2"/,
      subscribing((bus, channel, listener, options) =>
        Effect.provideService(bus.subscribe(channel, listener, options), Scope.Scope, forever)
      )
    )
  )

  fails("end the other subscriptions of the channel", () => {
    const flaw = (bus: Bus): Partial<Bus> => {
      const gone = new Set<string>()
      return {
        subscribe: (channel, listener, options) =>
          Effect.andThen(
            bus.subscribe(channel, (message) => gone.has(channel.name) || listener(message), options),
            Effect.addFinalizer(() => Effect.sync(() => gone.add(channel.name)))
          )
      }
    }
    return flawed(unsubscribing, /waiting for "mark \d+" to arrive/, flaw)()
  })

  fails("are shared by equal functions", () => {
    const flaw = (bus: Bus): Partial<Bus> => {
      const known = new Set<Listener>()
      return {
        subscribe: (channel, listener, options) => {
          if (known.has(listener)) return Effect.void
          known.add(listener)
          return bus.subscribe(channel, listener, options)
        }
      }
    }
    return flawed("one function can have two subscriptions, and each ends on its own", /waiting for 2/, flaw)()
  })

  fails("cannot be made again", () => {
    const flaw = (bus: Bus): Partial<Bus> => {
      const known = new Set<string>()
      return {
        subscribe: (channel, listener, options) => {
          if (known.has(channel.name)) return Effect.void
          known.add(channel.name)
          return bus.subscribe(channel, listener, options)
        }
      }
    }
    return flawed(
      "after the last listener has left there are no listeners, and another can subscribe",
      /waiting for "round 1" to arrive/,
      flaw
    )()
  })

  fails(
    "count as receivers after their end",
    flawed(
      "after the last listener has left there are no listeners, and another can subscribe",
      /waiting for 0 receivers to be reported/,
      publishing((bus, target, message, expiry, delivery) =>
        bus.publishUnsafe(target, message, expiry, { ...ignoreOutcome, delivered: () => delivery.delivered(1) })
      )
    )
  )

  fails("are at most 1000", () => {
    const flaw = (bus: Bus): Partial<Bus> => {
      let count = 0
      return subscribing((bus, channel, listener, options) =>
        ++count > 1000 ? Effect.void : bus.subscribe(channel, listener, options)
      )(bus)
    }
    return flawed("thousands of subscriptions", /waiting for "1000" to arrive/, flaw)()
  })

  fails(
    "stay after an interrupted subscribe",
    flawed(
      "an interrupted subscribe leaves no listener behind",
      /messages of interrupted subscriptions: expected 0, got \d+/,
      subscribing((bus, channel, listener, options) =>
        Effect.andThen(
          Effect.provideService(bus.subscribe(channel, listener, options), Scope.Scope, forever),
          Effect.sleep(2)
        )
      )
    )
  )

  fails(
    "lose messages when they are closed",
    flawed(
      underLoad,
      /the broker gave it \d+ messages before it closed, and it received \d+/,
      subscribing((bus, channel, listener, options) => {
        // the last 100 messages wait for later ones
        const waiting: Array<Uint8Array> = []
        const late: Listener = (message) => {
          if (waiting.push(message) > 100) listener(waiting.shift()!)
        }
        return bus.subscribe(channel, late, options)
      })
    )
  )

  fails(
    "receive messages after they are closed",
    flawed(
      underLoad,
      /messages of a listener after the end of its subscription: expected \[\], got \["<a foreign message>"/,
      subscribing((bus, channel, listener, options) =>
        Effect.andThen(
          bus.subscribe(channel, listener, options),
          Effect.addFinalizer(() => Effect.sync(() => after(1, () => listener(new Uint8Array(0)))))
        )
      )
    )
  )

  fails("end when a listener throws", () => {
    const flaw = (bus: Bus): Partial<Bus> => {
      let isBroken = false
      return listening((listener) => (message) => {
        if (isBroken) return
        try {
          listener(message)
        } catch {
          isBroken = true
        }
      })(bus)
    }
    return flawed(
      "an exception of a listener affects neither other listeners nor later messages",
      /waiting for 3 messages to arrive/,
      flaw
    )()
  })

  fails("lose messages while the thread is blocked", () => {
    const flaw = (bus: Bus): Partial<Bus> => {
      const queue: Array<() => void> = []
      return listening((listener) => (message) => {
        const due = performance.now() + 40
        queue.push(() => performance.now() < due && listener(message))
        queueMicrotask(() => queue.shift()!())
      })(bus)
    }
    return flawed(
      "a listener that blocks the thread loses no message of other listeners",
      /waiting for 300 messages to arrive/,
      flaw
    )()
  })

  fails("do not receive the messages of a listener", () => {
    const flaw = (bus: Bus): Partial<Bus> => {
      let isBusy = false
      return {
        ...listening((listener) => (message) => {
          isBusy = true
          listener(message)
          isBusy = false
        })(bus),
        publishUnsafe: (target, message, expiry, delivery) =>
          isBusy ? delivery.delivered(0) : bus.publishUnsafe(target, message, expiry, delivery)
      }
    }
    return flawed("a listener can publish", /waiting for 500 round trips: received 0/, flaw)()
  })

  fails("refuse the subscription of a listener", () => {
    const flaw = (bus: Bus): Partial<Bus> => {
      let isBusy = false
      return {
        subscribe: (channel, listener, options) => {
          if (isBusy) return Effect.fail(PsrpcError.fromCode("internal", { message: "not from a listener" }))
          const busy: Listener = (message) => {
            isBusy = true
            listener(message)
            isBusy = false
          }
          return bus.subscribe(channel, busy, options)
        }
      }
    }
    return flawed("a listener can subscribe, and unsubscribe itself and others", /not from a listener/, flaw)()
  })
})
