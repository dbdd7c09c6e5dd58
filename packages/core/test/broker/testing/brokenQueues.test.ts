/** Each of these buses breaks one promise, and the test of that promise fails. */
import { describe } from "@effect/vitest"
import { Effect } from "effect"
import type { Listener } from "../../../src/MessageBus.ts"
import { type Bus, fails, flawed, listening, ignoreOutcome, local, subscribing } from "./broken.ts"

const each = "each message goes to one member, across connections and within one connection"

describe.concurrent("the suite fails for a bus with queues", () => {
  fails(
    "whose members all receive every message",
    flawed(
      each,
      /messages of all members/,
      subscribing((bus, channel, listener) => bus.subscribe(channel, listener))
    )
  )

  fails("that are separate for each connection", () => {
    const broker = Effect.runSync(local)
    // each connection has a group, and each group receives all messages
    const connect = Effect.map(local, (own) => ({
      ...broker,
      subscribe: (...[channel, listener, options]: Parameters<Bus["subscribe"]>) =>
        options?.queue === true
          ? Effect.andThen(
              own.subscribe(channel, listener, options),
              broker.subscribe(channel, (message) =>
                own.publishUnsafe(own.target(channel), message, Infinity, ignoreOutcome)
              )
            )
          : broker.subscribe(channel, listener)
    }))
    return { test: each, message: /messages of all members/, options: { connect } }
  })

  fails("of which one member receives all messages", () => {
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
      "the members on one connection share the messages of a queue",
      /800 messages, 4 members: one received 0/,
      flaw
    )()
  })

  fails(
    "that take the messages of other listeners",
    flawed(
      "listeners outside the queue group receive every message of its channel",
      /waiting for 200 messages to be received/,
      subscribing((bus, channel, listener) => bus.subscribe(channel, listener, { queue: true }))
    )
  )

  fails("that drop equal messages that were made unique", () => {
    const flaw = (bus: Bus): Partial<Bus> => {
      const seen = new Set<string>()
      return listening((listener, queue) => (message) => {
        if (queue && seen.has(String(message))) return
        seen.add(String(message))
        listener(message)
      })(bus)
    }
    return flawed(
      "equal messages that are made unique arrive as separate messages in a queue",
      /waiting for 4 messages to be received: received 1/,
      flaw
    )()
  })

  fails(
    "that lose the messages of a member that leaves",
    flawed(
      "a last member that leaves handles the messages that the broker has given it",
      /messages that the broker gave to the member, and that it did not receive/,
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

  fails("that send messages to a member that has left", () => {
    const flaw = subscribing((bus, channel, listener, options) => {
      // a message waits for the next one, and the last one for some time
      let last: (() => void) | undefined
      const flush = (): void => {
        last?.()
        last = undefined
      }
      const late: Listener = (message) => {
        flush()
        last = () => listener(message)
        setTimeout(flush, 100)
      }
      return bus.subscribe(channel, options?.queue === true ? late : listener, options)
    })
    return flawed(
      "no message is lost while members join and leave under load",
      /messages of a listener after the end of its subscription: expected \[\], got \["\d+"/,
      flaw
    )()
  })
})
