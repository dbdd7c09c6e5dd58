/** Publishing: receivers, outcomes, order, sizes. */
import { Effect } from "effect"
import { publish } from "../../../../MessageBus.ts"
import { check, equal, fail } from "../harness/assertions.ts"
import type { Bus } from "../harness/run.ts"
import type { BusCase } from "./busCase.ts"
import type { BusMessages } from "./busMessages.ts"
import { bytesOf, encodeMessage } from "./listenerLog.ts"

/** Payload sizes: around the boundaries of varint lengths, and larger than the chunks of brokers. */
const sizes = [0, 1, 2, 127, 128, 255, 256, 16_383, 16_384, 65_535, 65_536, 65_537, 500_000, 1_000_000]

const filled = (size: number): Uint8Array => {
  const bytes = new Uint8Array(size)
  for (let i = 0; i < size; i++) bytes[i] = (i * 7 + size) & 255
  return bytes
}

/** Returns the index of the first different byte, or -1. */
const indexOfDifference = (a: Uint8Array, b: Uint8Array): number => {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i
  return a.length === b.length ? -1 : length
}

/** Fails if a message has other bytes than the sent ones. */
const hasBytes = (message: Uint8Array, sent: Uint8Array) => {
  const value = bytesOf(message)
  const label = `the message of ${sent.length} bytes`
  if (value === undefined) return fail(`${label} arrived malformed`)
  const index = indexOfDifference(value, sent)
  return check(index < 0, `${label} arrived with ${value.length} bytes, changed from index ${index}`)
}

/** Returns a payload whose encoded message has the given size. */
const payloadFor = (messages: BusMessages, bus: Bus, size: number): Uint8Array => {
  const channel = messages.plainChannel("Limit")
  let length = size
  for (;;) {
    const spare = size - encodeMessage(bus.target(channel), channel, new Uint8Array(length)).length
    if (spare >= 0) return filled(length)
    length += spare
  }
}

export const publishing: ReadonlyArray<BusCase> = [
  {
    name: "a message reaches the listeners of every connection once, and its outcome is reported once",
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b] = yield* run.connections(2)
      const channel = messages.plainChannel("News")
      const own = yield* messages.listen(a, channel)
      const other = yield* messages.listen(b, channel)
      const outcome = messages.publish(a, channel, "hello")
      yield* messages.waitForText(own, "hello")
      yield* messages.waitForText(other, "hello")
      yield* messages.waitForOutcomes([outcome])
      yield* check(outcome.receivers !== 0, "0 receivers were reported, with two listeners")
      yield* check(
        a.failure() === undefined,
        `failure() of a working connection returned an error: ${a.failure()?.message}`
      )
      messages.publish(b, channel, "end")
      yield* messages.waitForText(own, "end")
      yield* messages.waitForText(other, "end")
      yield* equal("messages of the listener on the publisher's connection", own.texts, ["hello", "end"])
      yield* equal("messages of the listener on the other connection", other.texts, ["hello", "end"])
    })
  },
  {
    name: "publishing as an Effect succeeds with the number of receivers",
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b] = yield* run.connections(2)
      const channel = messages.plainChannel("News")
      const received = yield* messages.listen(b, channel)
      const target = a.target(channel)
      const message = encodeMessage(target, channel, "hello")
      const receivers = yield* run.step("a message to be published", publish(a, target, message, { timeout: "1 hour" }))
      yield* check(receivers === -1 || receivers >= 1, `expected 1 or more receivers, or -1, got ${receivers}`)
      yield* messages.waitForText(received, "hello")
    })
  },
  {
    name: "a message without listeners is reported with 0 receivers, if the bus can report them",
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b] = yield* run.connections(2)
      const first = messages.publish(a, messages.plainChannel("Without", ["here"]), "hello")
      yield* messages.waitForOutcomes([first])
      // a listener of another channel changes nothing
      yield* messages.listen(b, messages.plainChannel("With", ["elsewhere"]))
      const second = messages.publish(a, messages.plainChannel("Without", ["here"]), "hello again")
      yield* messages.waitForOutcomes([second])
      const expected = run.bus.reportsNoListeners ? [0] : [0, -1]
      for (const { receivers } of [first, second]) {
        yield* check(expected.includes(receivers!), `expected ${expected.join(" or ")} receivers, got ${receivers}`)
      }
    })
  },
  {
    name: "thousands of messages of one publisher arrive in order",
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b] = yield* run.connections(2)
      const channels = ["First", "Second", "Third"].map((method) => messages.plainChannel(method))
      const logs = yield* Effect.forEach(channels, (channel) => messages.listen(b, channel))
      const senders = channels.map((channel) => messages.sender(a, channel))
      const count = 2000
      for (let i = 0; i < count; i++) {
        for (const send of senders) send(String(i))
        if (i % 250 === 249) yield* run.turn
      }
      const expected = Array.from({ length: count }, (_, i) => String(i))
      for (const log of logs) {
        yield* messages.waitForCount(log, count)
        yield* equal("messages in order", log.texts, expected)
      }
    })
  },
  {
    name: "payloads of 0 bytes to 1 MB arrive unchanged",
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b] = yield* run.connections(2)
      const fan = messages.plainChannel("Payloads")
      const queue = messages.queueChannel("Payloads")
      const all = yield* messages.listen(b, fan)
      const one = yield* messages.listen(b, queue, { queue: true })
      const send = messages.sender(a, fan)
      const sendUnique = messages.sender(a, queue, { unique: true })
      const limit = run.bus.maxPayload ?? Infinity
      // a message has a type, a channel and a nonce beside its payload
      const sent = sizes.filter((size) => size <= limit - 1024).map(filled)
      for (const bytes of sent) {
        send(bytes)
        sendUnique(bytes)
      }
      for (const log of [all, one]) {
        yield* messages.waitForCount(log, sent.length)
        yield* equal("messages that arrived", log.count, sent.length)
        // a queue does not keep the order
        const bySize = log.messages.toSorted((a, b) => a.length - b.length)
        for (const [i, bytes] of sent.entries()) yield* hasBytes(bySize[i]!, bytes)
      }
    })
  },
  {
    name: "a message of the maximum size arrives, and a larger one is refused",
    needs: "maxPayload",
    body: Effect.fnUntraced(function* (run, messages) {
      const limit = run.bus.maxPayload ?? 0
      const [a, b] = yield* run.connections(2)
      const channel = messages.plainChannel("Limit")
      const received = yield* messages.listen(b, channel)
      const largest = payloadFor(messages, a, limit)
      messages.sender(a, channel)(largest)
      yield* messages.waitForCount(received, 1, "message of the maximum size to arrive")
      yield* hasBytes(received.messages[0]!, largest)
      const outcome = messages.sender(a, channel, { expected: "undelivered" })(filled(largest.length + 1))
      yield* messages.waitForOutcomes([outcome])
      yield* check(outcome.error !== undefined, `a message of more than ${limit} bytes was not refused`)
      yield* equal("the error's code", outcome.error?.code, "resource_exhausted")
      yield* equal("the error's reason", outcome.error?.reason, "too_large")
      yield* equal("whether it may have run", outcome.error?.mayHaveRun, false)
      messages.publish(a, channel, "end")
      yield* messages.waitForText(received, "end")
      yield* equal("messages that arrived", received.count, 2)
    })
  },
  {
    name: "equal messages arrive as separate messages",
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b] = yield* run.connections(2)
      const channel = messages.plainChannel("News")
      const received = yield* messages.listen(b, channel)
      const send = messages.sender(a, channel)
      for (let i = 0; i < 3; i++) send("same")
      send("end")
      yield* messages.waitForText(received, "end")
      yield* equal("messages that arrived", received.texts, ["same", "same", "same", "end"])
    })
  },
  {
    name: "a listener can keep the bytes of a message",
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b] = yield* run.connections(2)
      const channel = messages.plainChannel("News")
      const received = yield* messages.listen(b, channel)
      const send = messages.sender(a, channel)
      for (let i = 0; i < 1000; i++) {
        send(`${i} ${"x".repeat(i % 300)}`)
        if (i % 100 === 99) yield* run.turn
      }
      yield* messages.waitForCount(received, 1000)
      const now = received.messages.map((message) => received.read(message))
      yield* equal("the messages now, and at their arrival", now, received.texts)
    })
  }
]
