/** What the suite is worth: each of these buses breaks one promise, and the test of that promise says so. */
import { describe } from "@effect/vitest"
import { Effect } from "effect"
import type { Listener } from "../../../src/MessageBus.ts"
import { type Bus, fails, flawed, hearing, heedless, local, subscribing } from "./broken.ts"

const each = "a queue gives each message to one member, across connections and within one"

describe.concurrent("the suite fails for a bus with queues", () => {
  fails(
    "that are none: every member gets everything",
    flawed(
      each,
      /what the members got/,
      subscribing((bus, channel, listener) => bus.subscribe(channel, listener))
    )
  )

  fails("of each connection's own", () => {
    const broker = Effect.runSync(local)
    // each connection has a group, and all groups get everything
    const connect = Effect.map(local, (own) => ({
      ...broker,
      subscribe: (...[channel, listener, options]: Parameters<Bus["subscribe"]>) =>
        options?.queue === true
          ? Effect.andThen(
              own.subscribe(channel, listener, options),
              broker.subscribe(channel, (message) =>
                own.publishUnsafe(own.target(channel), message, Infinity, heedless)
              )
            )
          : broker.subscribe(channel, listener)
    }))
    return { test: each, says: /what the members got/, options: { connect } }
  })

  fails("where one member gets everything", () => {
    const flaw = (bus: Bus): Partial<Bus> => {
      const members = new Map<string, Array<Listener>>()
      return {
        subscribe: (channel, listener, options) => {
          if (options?.queue !== true) return bus.subscribe(channel, listener)
          const all = members.get(channel.name) ?? []
          members.set(channel.name, all)
          all.push(listener)
          return all.length > 1 ? Effect.void : bus.subscribe(channel, (message) => all[0]!(message))
        }
      }
    }
    return flawed(
      "the members of one connection share a queue's messages",
      /of 800 messages for 4 members one got 0/,
      flaw
    )()
  })

  fails(
    "that take messages away from the listeners beside them",
    flawed(
      "listeners beside a queue get every message of its channel",
      /waited in vain for 200 messages to be handled/,
      subscribing((bus, channel, listener) => bus.subscribe(channel, listener, { queue: true }))
    )
  )

  fails("that take messages for one that were made unique", () => {
    const flaw = (bus: Bus): Partial<Bus> => {
      const seen = new Set<string>()
      return hearing((listener, queue) => (message) => {
        if (queue && seen.has(String(message))) return
        seen.add(String(message))
        listener(message)
      })(bus)
    }
    return flawed(
      "equal messages, made unique, are as many messages for a queue",
      /waited in vain for 4 messages to be handled: 1 were/,
      flaw
    )()
  })

  fails(
    "that lose what a leaving member has been given",
    flawed(
      "a member that was alone handles what the broker had given it when it left",
      /messages that it had been given when it left, and did not handle/,
      subscribing((bus, channel, listener, options) => {
        let isOpen = true
        const close = Effect.sync(() => {
          isOpen = false
        })
        return Effect.andThen(
          bus.subscribe(channel, (message) => isOpen && listener(message), options),
          Effect.addFinalizer(() => close)
        )
      })
    )
  )

  fails("that still give to one that has left", () => {
    const flaw = subscribing((bus, channel, listener, options) => {
      const late: Listener = (message) => void setTimeout(() => listener(message), 3)
      return bus.subscribe(channel, options?.queue === true ? late : listener, options)
    })
    return flawed(
      "nothing is lost when members join and leave under load",
      /messages for a listener whose subscription was over: expected \[\], got \["\d+"/,
      flaw
    )()
  })
})
