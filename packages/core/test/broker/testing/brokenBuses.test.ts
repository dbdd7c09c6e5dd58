/** Each of these buses breaks one promise, and the test of that promise fails. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as PsrpcError from "../../../src/PsrpcError.ts"
import * as MessageBusSuite from "../../../src/broker/testing/MessageBusSuite.ts"
import { type Bus, fails, flawed, listening, ignoreOutcome, local, publishing } from "./broken.ts"
import { connect as connectSubjects, SubjectBroker } from "./subjectBus.ts"

const basic = "a message reaches the listeners of every connection once, and its outcome is reported once"
const order = "thousands of messages of one publisher arrive in order"
const payloads = "payloads of 0 bytes to 1 MB arrive unchanged"
const limit = "a message of the maximum size arrives, and a larger one is refused"

describe.concurrent("the suite fails for a bus", () => {
  fails("loses a message", () => {
    let count = 0
    const flaw = listening((listener) => (message) => {
      if (++count !== 1000) listener(message)
    })
    return flawed(order, /waiting for 2000 messages to arrive: received 1999/, flaw)()
  })

  fails(
    "delivers twice",
    flawed(
      basic,
      /messages of the listener on .* connection: expected \["hello", "end"\], got \["hello", "hello", "end"/,
      listening((listener) => (message) => {
        listener(message)
        listener(message)
      })
    )
  )

  fails("swaps two messages", () => {
    let kept: Uint8Array | undefined
    let count = 0
    const flaw = listening((listener) => (message) => {
      count++
      if (count === 1000) kept = message
      else listener(message)
      if (count === 1003) listener(kept!)
    })
    return flawed(order, /messages in order: expected .* first difference at index 333: expected \["333",/, flaw)()
  })

  fails(
    "reports an outcome twice",
    flawed(
      basic,
      /reports of the outcome of "hello": expected 1, got 2/,
      publishing((bus, target, message, expiry, delivery) => {
        bus.publishUnsafe(target, message, expiry, delivery)
        delivery.delivered(1)
      })
    )
  )

  fails(
    "reports no outcome",
    flawed(
      basic,
      /waiting for the outcome of each message to be reported: no report for 1 messages, the first is "hello"/,
      publishing((bus, target, message, expiry) => bus.publishUnsafe(target, message, expiry, ignoreOutcome))
    )
  )

  fails(
    "reports undelivered, and delivers",
    flawed(
      basic,
      /"hello": expected delivered, got undelivered \(Unavailable/,
      publishing((bus, target, message, expiry, delivery) => {
        bus.publishUnsafe(target, message, expiry, ignoreOutcome)
        delivery.undelivered(PsrpcError.fromCode("unavailable"))
      })
    )
  )

  fails(
    "reports 0 receivers with listeners",
    flawed(
      basic,
      /0 receivers were reported, with two listeners/,
      publishing((bus, target, message, expiry, delivery) =>
        bus.publishUnsafe(target, message, expiry, { ...ignoreOutcome, delivered: () => delivery.delivered(0) })
      )
    )
  )

  fails(
    "reports a receiver without listeners",
    flawed(
      "a message without listeners is reported with 0 receivers, if the bus can report them",
      /expected 0 receivers, got 1/,
      publishing((bus, target, message, expiry, delivery) =>
        bus.publishUnsafe(target, message, expiry, { ...ignoreOutcome, delivered: () => delivery.delivered(1) })
      )
    )
  )

  fails(
    "reports an invalid number of receivers",
    flawed(
      basic,
      /expected a number of receivers, or -1, got NaN/,
      publishing((bus, target, message, expiry, delivery) =>
        bus.publishUnsafe(target, message, expiry, { ...ignoreOutcome, delivered: () => delivery.delivered(NaN) })
      )
    )
  )

  fails(
    "throws when it publishes",
    flawed(
      basic,
      /it is full/,
      publishing(() => {
        throw new Error("it is full")
      })
    )
  )

  fails(
    "returns a failure of a working connection",
    flawed(basic, /failure\(\) of a working connection returned an error: unavailable/, () => ({
      failure: () => PsrpcError.fromCode("unavailable")
    }))
  )

  fails(
    "loses empty messages",
    flawed(
      payloads,
      /waiting for \d+ messages to arrive/,
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
      /the message of 500000 bytes arrived with 500000 bytes, changed from index \d+/,
      publishing((bus, target, message, expiry, delivery) => {
        const changed = message.slice()
        if (message.length > 65_700) changed[65_699]! ^= 1
        bus.publishUnsafe(target, changed, expiry, delivery)
      })
    )
  )

  fails(
    "overwrites the bytes that a listener keeps",
    flawed(
      "a listener can keep the bytes of a message",
      /the messages now, and at their arrival/,
      listening((listener) => (message) => {
        const slab = message.slice()
        listener(slab)
        queueMicrotask(() => slab.fill(1, slab.length - 3))
      })
    )
  )

  fails(
    "drops equal messages",
    flawed(
      "equal messages arrive as separate messages",
      /messages that arrived: expected \["same", "same", "same", "end"\]/,
      (bus) => {
        const seen = new Set<string>()
        return {
          publishUnsafe: (target, message, expiry, delivery) => {
            const text = String(message)
            if (seen.has(text)) return delivery.delivered(1)
            seen.add(text)
            bus.publishUnsafe(target, message, expiry, delivery)
          }
        }
      }
    )
  )

  fails(
    "has no limit",
    flawed(limit, /a message of more than 4096 bytes was not refused/, () => ({}), { maxPayload: 4096 })
  )

  fails("refuses messages of the maximum size", () => {
    const tooLarge = { message: "too large", reason: "too_large", mayHaveRun: false } as const
    const flaw = publishing((bus, target, message, expiry, delivery) =>
      message.length > 4095
        ? delivery.undelivered(PsrpcError.fromCode("resource_exhausted", tooLarge))
        : bus.publishUnsafe(target, message, expiry, delivery)
    )
    return flawed(limit, /waiting for 1 message of the maximum size to arrive/, flaw, { maxPayload: 4096 })()
  })

  fails("refuses with an unspecific error", () => {
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
    "ignores the case of names",
    flawed(
      "topics can be any text, and each has its own channel",
      /messages for "plain": expected \[.*<another channel's message/,
      renaming((name) => name.toLowerCase())
    )
  )

  fails(
    "cuts long names",
    flawed(
      "methods can have any name, and each has its own channel",
      /messages for .*<another channel's message/,
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
      test: "the channels of methods and clients are separate",
      message: /messages for requests of Hello: .*<another channel's message/,
      options: { connect }
    }
  })

  fails("does not forward misrouted messages", () => {
    const broker = new SubjectBroker()
    // at the maximum of hops no member forwards it
    const connect = Effect.map(connectSubjects(broker), (bus) => ({
      ...bus,
      publishUnsafe: (...[target, message, expiry, delivery]: Parameters<Bus["publishUnsafe"]>) =>
        bus.publishUnsafe(target, new Uint8Array([...message, 0x80, 0x01, 16]), expiry, delivery)
    }))
    return {
      test: "queues with members on different connections receive all of their messages",
      message: /waiting for 300 messages to be received: received \d+/,
      options: { connect }
    }
  })
})

describe("the suite", () => {
  it("refuses invalid options", () => {
    const connect = local
    assert.throws(() => MessageBusSuite.make({ connect, maxPayload: 1.5 }), /maxPayload: 1.5/)
    assert.throws(() => MessageBusSuite.make({ connect, timeout: -1 }), /timeout/)
  })

  it("leaves out the tests of outages and of a maximum size by the options", () => {
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
