/** What the suite is worth: each of these buses breaks one promise, and the test of that promise says so. */
import { describe } from "@effect/vitest"
import { Effect, Scope } from "effect"
import type { Listener } from "../../../src/MessageBus.ts"
import * as PsrpcError from "../../../src/PsrpcError.ts"
import { type Bus, fails, flawed, forever, hearing, heedless, publishing, subscribing } from "./broken.ts"

const acknowledged = "a subscription that has succeeded hears the next message, whoever publishes it"
const unsubscribing = "unsubscribing ends it, and leaves the other listeners alone"
const underLoad = "a subscription that closes under load gets what it was given, and nothing afterwards"

describe.concurrent("the suite fails for a bus whose subscriptions", () => {
  const after = (millis: number, run: () => void): void => void setTimeout(run, millis)

  fails(
    "are not there yet when subscribe succeeds",
    flawed(acknowledged, /waited in vain for "now" to arrive: got 0 others/, (bus) => {
      // each begins with the next message, and misses it
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
    flawed(acknowledged, /ms were not enough: waited in vain for the subscription of .* to be acknowledged/, () => ({
      subscribe: () => Effect.never
    }))
  )

  fails(
    "hang when they are closed",
    flawed(
      unsubscribing,
      /ms were not enough: waited in vain for a scope to close/,
      subscribing((bus, channel, listener, options) =>
        Effect.andThen(
          bus.subscribe(channel, listener, options),
          Effect.addFinalizer(() => Effect.never)
        )
      )
    )
  )

  fails(
    "go on after they were closed",
    flawed(
      unsubscribing,
      /what the one that left got: expected \["1"\], got \["1", "2"/,
      subscribing((bus, channel, listener, options) =>
        Effect.provideService(bus.subscribe(channel, listener, options), Scope.Scope, forever)
      )
    )
  )

  fails("take their neighbours with them", () => {
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
    return flawed(unsubscribing, /waited in vain for "mark \d+" to arrive/, flaw)()
  })

  fails("are one for each function", () => {
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
    return flawed(
      "one function may listen twice, and each subscription ends on its own",
      /waited in vain for 2/,
      flaw
    )()
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
      "when the last listener has gone nobody listens, and another may begin anew",
      /waited in vain for "round 1" to arrive/,
      flaw
    )()
  })

  fails(
    "still count when they are over",
    flawed(
      "when the last listener has gone nobody listens, and another may begin anew",
      /waited in vain for a publisher to be told that nobody listens any more/,
      publishing((bus, target, message, expiry, delivery) =>
        bus.publishUnsafe(target, message, expiry, { ...heedless, delivered: () => delivery.delivered(1) })
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
    return flawed("thousands of subscriptions", /waited in vain for "1000" to arrive/, flaw)()
  })

  fails(
    "stay when subscribe is interrupted",
    flawed(
      "a subscribe that is interrupted leaves nothing behind",
      /messages for those that were interrupted: expected 0, got \d+/,
      subscribing((bus, channel, listener, options) =>
        Effect.andThen(
          Effect.provideService(bus.subscribe(channel, listener, options), Scope.Scope, forever),
          Effect.sleep(2)
        )
      )
    )
  )

  fails(
    "lose what they were given when they are closed",
    flawed(
      underLoad,
      /it had been given \d+ messages when it closed, and got \d+/,
      subscribing((bus, channel, listener, options) => {
        let isOpen = true
        const late: Listener = (message) => after(20, () => isOpen && listener(message))
        return Effect.andThen(
          bus.subscribe(channel, late, options),
          Effect.addFinalizer(() =>
            Effect.sync(() => {
              isOpen = false
            })
          )
        )
      })
    )
  )

  fails(
    "get more after they were closed",
    flawed(
      underLoad,
      /messages for a listener whose subscription was over: expected \[\], got \["<a foreign message>"/,
      subscribing((bus, channel, listener, options) =>
        Effect.andThen(
          bus.subscribe(channel, listener, options),
          Effect.addFinalizer(() => Effect.sync(() => after(1, () => listener(new Uint8Array(0)))))
        )
      )
    )
  )

  fails("are lost when one of them throws", () => {
    const flaw = (bus: Bus): Partial<Bus> => {
      let isBroken = false
      return hearing((listener) => (message) => {
        if (isBroken) return
        try {
          listener(message)
        } catch {
          isBroken = true
        }
      })(bus)
    }
    return flawed(
      "a listener that throws stops nobody, not even itself",
      /waited in vain for 3 messages to arrive/,
      flaw
    )()
  })

  fails("lose messages while the thread is blocked", () => {
    const flaw = (bus: Bus): Partial<Bus> => {
      const queue: Array<() => void> = []
      return hearing((listener) => (message) => {
        const due = performance.now() + 40
        queue.push(() => performance.now() < due && listener(message))
        queueMicrotask(() => queue.shift()!())
      })(bus)
    }
    return flawed(
      "a listener that blocks the thread loses nothing for its neighbours",
      /waited in vain for 300 messages to arrive/,
      flaw
    )()
  })

  fails("do not hear what a listener publishes", () => {
    const flaw = (bus: Bus): Partial<Bus> => {
      let isBusy = false
      return {
        ...hearing((listener) => (message) => {
          isBusy = true
          listener(message)
          isBusy = false
        })(bus),
        publishUnsafe: (target, message, expiry, delivery) =>
          isBusy ? delivery.delivered(0) : bus.publishUnsafe(target, message, expiry, delivery)
      }
    }
    return flawed("a listener may publish", /waited in vain for 500 round trips: got 0/, flaw)()
  })

  fails("refuse what a listener subscribes", () => {
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
    return flawed("a listener may subscribe, and unsubscribe itself and others", /not from a listener/, flaw)()
  })
})
