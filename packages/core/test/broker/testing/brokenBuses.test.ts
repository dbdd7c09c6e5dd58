/** What the suite is worth: each of these buses breaks one promise, and the test of that promise says so. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as PsrpcError from "../../../src/PsrpcError.ts"
import * as MessageBusSuite from "../../../src/broker/testing/MessageBusSuite.ts"
import { type Bus, fails, flawed, hearing, heedless, local, publishing } from "./broken.ts"
import { connect as connectSubjects, SubjectBroker } from "./subjectBus.ts"

const basic = "a message reaches listeners of every connection once, and its publisher is told once"
const order = "messages of one publisher arrive in order, thousands of them"
const payloads = "payloads arrive as they were: nothing, one byte, a megabyte"
const limit = "a message as large as the bus allows arrives, and a larger one is refused"

describe.concurrent("the suite fails for a bus", () => {
  fails("loses a message", () => {
    let count = 0
    const flaw = hearing((listener) => (message) => {
      if (++count !== 1000) listener(message)
    })
    return flawed(order, /waited in vain for 2000 messages to arrive: got 1999/, flaw)()
  })

  fails(
    "delivers twice",
    flawed(
      basic,
      /listener got: expected \["hello", "end"\], got \["hello", "hello", "end"/,
      hearing((listener) => (message) => {
        listener(message)
        listener(message)
      })
    )
  )

  fails("swaps two messages", () => {
    let kept: Uint8Array | undefined
    let count = 0
    const flaw = hearing((listener) => (message) => {
      count++
      if (count === 1000) kept = message
      else listener(message)
      if (count === 1003) listener(kept!)
    })
    return flawed(order, /messages in order: expected .* they part at 333: expected \["333",/, flaw)()
  })

  fails(
    "tells twice what became of a message",
    flawed(
      basic,
      /times that the fate of "hello" was told: expected 1, got 2/,
      publishing((bus, target, message, expiry, delivery) => {
        bus.publishUnsafe(target, message, expiry, delivery)
        delivery.delivered(1)
      })
    )
  )

  fails(
    "tells nothing",
    flawed(
      basic,
      /waited in vain for the fate of each message to be told: "hello" and others were told nothing/,
      publishing((bus, target, message, expiry) => bus.publishUnsafe(target, message, expiry, heedless))
    )
  )

  fails(
    "says undelivered, and delivers",
    flawed(
      basic,
      /"hello": expected it to be delivered, got undelivered \(Unavailable/,
      publishing((bus, target, message, expiry, delivery) => {
        bus.publishUnsafe(target, message, expiry, heedless)
        delivery.undelivered(PsrpcError.fromCode("unavailable"))
      })
    )
  )

  fails(
    "says that nobody listens where somebody does",
    flawed(
      basic,
      /told that nobody listens, and two do/,
      publishing((bus, target, message, expiry, delivery) =>
        bus.publishUnsafe(target, message, expiry, { ...heedless, delivered: () => delivery.delivered(0) })
      )
    )
  )

  fails(
    "says that somebody listens where nobody does",
    flawed(
      "a publisher that nobody listens to is told so, where the bus can tell",
      /expected 0 receivers, got 1/,
      publishing((bus, target, message, expiry, delivery) =>
        bus.publishUnsafe(target, message, expiry, { ...heedless, delivered: () => delivery.delivered(1) })
      )
    )
  )

  fails(
    "gives a number of receivers that is none",
    flawed(
      basic,
      /expected a number of receivers, or -1, got NaN/,
      publishing((bus, target, message, expiry, delivery) =>
        bus.publishUnsafe(target, message, expiry, { ...heedless, delivered: () => delivery.delivered(NaN) })
      )
    )
  )

  fails(
    "throws at the publisher",
    flawed(
      basic,
      /it is full/,
      publishing(() => {
        throw new Error("it is full")
      })
    )
  )

  fails(
    "has a failure while all is well",
    flawed(basic, /a connection that works says that it does not: unavailable/, () => ({
      failure: () => PsrpcError.fromCode("unavailable")
    }))
  )

  fails(
    "loses empty messages",
    flawed(
      payloads,
      /waited in vain for \d+ messages to arrive/,
      publishing((bus, target, message, expiry, delivery) => {
        if (message.length < 60) delivery.delivered(1)
        else bus.publishUnsafe(target, message, expiry, delivery)
      })
    )
  )

  fails(
    "changes large messages",
    flawed(
      payloads,
      /the message with 500000 bytes in it arrived with 500000, changed from byte \d+ on/,
      publishing((bus, target, message, expiry, delivery) => {
        const changed = message.slice()
        if (message.length > 65_700) changed[65_699]! ^= 1
        bus.publishUnsafe(target, changed, expiry, delivery)
      })
    )
  )

  fails(
    "writes over the bytes that a listener keeps",
    flawed(
      "a listener may keep the bytes of a message",
      /messages as they are now, and as they came/,
      hearing((listener) => (message) => {
        const slab = message.slice()
        listener(slab)
        queueMicrotask(() => slab.fill(1, slab.length - 3))
      })
    )
  )

  fails(
    "takes equal messages for one",
    flawed("equal messages are as many messages", /what arrived: expected \["same", "same", "same", "end"\]/, (bus) => {
      const seen = new Set<string>()
      return {
        publishUnsafe: (target, message, expiry, delivery) => {
          const text = String(message)
          if (seen.has(text)) return delivery.delivered(1)
          seen.add(text)
          bus.publishUnsafe(target, message, expiry, delivery)
        }
      }
    })
  )

  fails(
    "has no limit",
    flawed(limit, /a message of more than 4096 bytes was not refused/, () => ({}), { maxPayload: 4096 })
  )

  fails("refuses too early", () => {
    const tooLarge = { message: "too large", reason: "too_large", mayHaveRun: false } as const
    const flaw = publishing((bus, target, message, expiry, delivery) =>
      message.length > 4095
        ? delivery.undelivered(PsrpcError.fromCode("resource_exhausted", tooLarge))
        : bus.publishUnsafe(target, message, expiry, delivery)
    )
    return flawed(limit, /waited in vain for 1 message of the largest size/, flaw, { maxPayload: 4096 })()
  })

  fails("refuses with an error that says nothing", () => {
    const flaw = publishing((bus, target, message, expiry, delivery) =>
      message.length > 4096
        ? delivery.undelivered(PsrpcError.fromCode("unknown"))
        : bus.publishUnsafe(target, message, expiry, delivery)
    )
    return flawed(limit, /the error's code: expected resource_exhausted, got unknown/, flaw, { maxPayload: 4096 })()
  })

  const renaming =
    (rename: (name: string) => string) =>
    (bus: Bus): Partial<Bus> => ({
      target: (channel, options) => bus.target({ ...channel, name: rename(channel.name) }, options),
      subscribe: (channel, listener, options) =>
        bus.subscribe({ ...channel, name: rename(channel.name) }, listener, options)
    })

  fails(
    "does not care about upper and lower case",
    flawed(
      "topics may be any text, and each is a channel of its own",
      /what arrived for "plain": expected \[.*<another channel's message/,
      renaming((name) => name.toLowerCase())
    )
  )

  fails(
    "cuts long names",
    flawed(
      "methods may have any name, and each is a channel of its own",
      /what arrived for .*<another channel's message/,
      renaming((name) => name.slice(0, 22))
    )
  )

  fails("routes by the subject alone", () => {
    const broker = new SubjectBroker()
    const connect = Effect.map(connectSubjects(broker), (bus) => ({
      ...bus,
      target: (channel: Parameters<Bus["target"]>[0]) => bus.target({ ...channel, route: "" }),
      subscribe: (...[channel, listener, options]: Parameters<Bus["subscribe"]>) =>
        bus.subscribe({ ...channel, route: "" }, listener, options)
    }))
    return {
      test: "what methods and clients have channels for is kept apart",
      says: /what arrived for requests of Hello: .*<another channel's message/,
      options: { connect }
    }
  })

  fails("does not hand on what another member has a route for", () => {
    const broker = new SubjectBroker()
    // hop count at its most: no member hands it on
    const connect = Effect.map(connectSubjects(broker), (bus) => ({
      ...bus,
      publishUnsafe: (...[target, message, expiry, delivery]: Parameters<Bus["publishUnsafe"]>) =>
        bus.publishUnsafe(target, new Uint8Array([...message, 0x80, 0x01, 16]), expiry, delivery)
    }))
    return {
      test: "queues whose members are on different connections get all of their own messages",
      says: /waited in vain for 300 messages to be handled: \d+ were/,
      options: { connect }
    }
  })
})

describe("the suite", () => {
  it("refuses options that cannot be", () => {
    const connect = local
    assert.throws(() => MessageBusSuite.make({ connect, maxPayload: 1.5 }), /maxPayload: 1.5/)
    assert.throws(() => MessageBusSuite.make({ connect, timeout: -1 }), /timeout/)
  })

  it("has tests of outages and of a limit only where there are any", () => {
    const count = (options: Partial<MessageBusSuite.Options>) =>
      MessageBusSuite.make({ connect: local, ...options }).length
    assert.strictEqual(count({ maxPayload: 1024 }), count({}) + 1)
    assert.isAbove(count({ outage: Effect.void }), count({}) + 4)
    const names = MessageBusSuite.make({ connect: local, maxPayload: 1024, outage: Effect.void }).map(
      ({ name }) => name
    )
    assert.strictEqual(new Set(names).size, names.length)
  })
})
