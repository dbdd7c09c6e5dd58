import { Effect } from "effect"
import { publish } from "../../../../MessageBus.ts"
import { check, equal, fail } from "./failure.ts"
import type { Bus, Case, Run } from "./run.ts"

/** Sizes of what is in a message: around the lengths of a length, and what brokers cut into pieces. */
const sizes = [0, 1, 2, 127, 128, 255, 256, 16_383, 16_384, 65_535, 65_536, 65_537, 500_000, 1_000_000]

const filled = (size: number): Uint8Array => {
  const bytes = new Uint8Array(size)
  for (let i = 0; i < size; i++) bytes[i] = (i * 7 + size) & 255
  return bytes
}

/** The first place where bytes differ, -1 where they do not. */
const difference = (a: Uint8Array, b: Uint8Array): number => {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i
  return a.length === b.length ? -1 : length
}

/** Fails unless a message has these bytes in it. */
const holds = (run: Run, message: Uint8Array, sent: Uint8Array) => {
  const value = run.decode(message)
  const size = `the message with ${sent.length} bytes in it`
  if (value === undefined) return fail(`${size} arrived as something else`)
  const at = difference(value, sent)
  return check(at < 0, `${size} arrived with ${value.length}, changed from byte ${at} on`)
}

/** Bytes that make an encoded message as large as it is to be. */
const fitting = (run: Run, bus: Bus, size: number): Uint8Array => {
  const channel = run.fan("Limit")
  let length = size
  for (;;) {
    const spare = size - run.encode(bus, channel, new Uint8Array(length)).length
    if (spare >= 0) return filled(length)
    length += spare
  }
}

export const delivery: ReadonlyArray<Case> = [
  {
    name: "a message reaches listeners of every connection once, and its publisher is told once",
    body: Effect.fnUntraced(function* (run) {
      const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
      const channel = run.fan("News")
      const own = yield* run.listen(a, channel)
      const other = yield* run.listen(b, channel)
      const fate = run.post(a, channel, "hello")
      yield* run.heard(own, "hello")
      yield* run.heard(other, "hello")
      yield* run.told([fate])
      yield* check(fate.receivers !== 0, "the publisher was told that nobody listens, and two do")
      yield* check(a.failure() === undefined, `a connection that works says that it does not: ${a.failure()?.message}`)
      run.post(b, channel, "end")
      yield* run.heard(own, "end")
      yield* run.heard(other, "end")
      yield* equal("what the publisher's own listener got", own.texts, ["hello", "end"])
      yield* equal("what the other connection's listener got", other.texts, ["hello", "end"])
    })
  },
  {
    name: "publishing as an Effect succeeds with the receivers",
    body: Effect.fnUntraced(function* (run) {
      const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
      const channel = run.fan("News")
      const got = yield* run.listen(b, channel)
      const message = run.encode(a, channel, "hello")
      const receivers = yield* run.step(
        "a message to be published",
        publish(a, a.target(channel), message, { timeout: "1 hour" })
      )
      yield* check(receivers === -1 || receivers >= 1, `expected at least one receiver, or -1, got ${receivers}`)
      yield* run.heard(got, "hello")
    })
  },
  {
    name: "a publisher that nobody listens to is told so, where the bus can tell",
    body: Effect.fnUntraced(function* (run) {
      const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
      const quiet = run.post(a, run.fan("Nobody", ["here"]), "hello")
      yield* run.told([quiet])
      // a listener elsewhere changes nothing
      yield* run.listen(b, run.fan("Somebody", ["elsewhere"]))
      const still = run.post(a, run.fan("Nobody", ["here"]), "hello again")
      yield* run.told([still])
      const expected = run.traits.reportsNoListeners ? [0] : [0, -1]
      for (const { receivers } of [quiet, still]) {
        yield* check(expected.includes(receivers!), `expected ${expected.join(" or ")} receivers, got ${receivers}`)
      }
    })
  },
  {
    name: "messages of one publisher arrive in order, thousands of them",
    body: Effect.fnUntraced(function* (run) {
      const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
      const channels = ["First", "Second", "Third"].map((method) => run.fan(method))
      const recorders = yield* Effect.forEach(channels, (channel) => run.listen(b, channel))
      const senders = channels.map((channel) => run.sender(a, channel))
      const count = 2000
      for (let i = 0; i < count; i++) {
        for (const send of senders) send(String(i))
        if (i % 250 === 249) yield* run.turn
      }
      const expected = Array.from({ length: count }, (_, i) => String(i))
      for (const recorder of recorders) {
        yield* run.arrived(recorder, count)
        yield* equal("messages in order", recorder.texts, expected)
      }
    })
  },
  {
    name: "payloads arrive as they were: nothing, one byte, a megabyte",
    body: Effect.fnUntraced(function* (run) {
      const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
      const fan = run.fan("Payloads")
      const queue = run.queue("Payloads")
      const all = yield* run.listen(b, fan)
      const one = yield* run.listen(b, queue, { queue: true })
      const send = run.sender(a, fan)
      const sendUnique = run.sender(a, queue, { unique: true })
      const limit = run.traits.maxPayload ?? Infinity
      // besides what is in it, a message has its type, its channel and a nonce
      const sent = sizes.filter((size) => size <= limit - 1024).map(filled)
      for (const bytes of sent) {
        send(bytes)
        sendUnique(bytes)
      }
      for (const recorder of [all, one]) {
        yield* run.arrived(recorder, sent.length)
        yield* equal("messages that arrived", recorder.count, sent.length)
        // a queue promises no order
        const messages = recorder.messages.toSorted((a, b) => a.length - b.length)
        for (const [i, bytes] of sent.entries()) yield* holds(run, messages[i]!, bytes)
      }
    })
  },
  {
    name: "a message as large as the bus allows arrives, and a larger one is refused",
    needs: "maxPayload",
    body: Effect.fnUntraced(function* (run) {
      const limit = run.traits.maxPayload ?? 0
      const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
      const channel = run.fan("Limit")
      const got = yield* run.listen(b, channel)
      const largest = fitting(run, a, limit)
      run.sender(a, channel)(largest)
      yield* run.arrived(got, 1, "message of the largest size")
      yield* holds(run, got.messages[0]!, largest)
      const fate = run.sender(a, channel, { expected: "undelivered" })(filled(largest.length + 1))
      yield* run.told([fate])
      yield* check(fate.error !== undefined, `a message of more than ${limit} bytes was not refused`)
      yield* equal("the error's code", fate.error?.code, "resource_exhausted")
      yield* equal("the error's reason", fate.error?.reason, "too_large")
      yield* equal("whether it may have run", fate.error?.mayHaveRun, false)
      run.post(a, channel, "end")
      yield* run.heard(got, "end")
      yield* equal("messages that arrived", got.count, 2)
    })
  },
  {
    name: "equal messages are as many messages",
    body: Effect.fnUntraced(function* (run) {
      const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
      const channel = run.fan("News")
      const got = yield* run.listen(b, channel)
      const send = run.sender(a, channel)
      for (let i = 0; i < 3; i++) send("same")
      send("end")
      yield* run.heard(got, "end")
      yield* equal("what arrived", got.texts, ["same", "same", "same", "end"])
    })
  },
  {
    name: "a listener may keep the bytes of a message",
    body: Effect.fnUntraced(function* (run) {
      const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
      const channel = run.fan("News")
      const got = yield* run.listen(b, channel)
      const send = run.sender(a, channel)
      for (let i = 0; i < 1000; i++) {
        send(`${i} ${"x".repeat(i % 300)}`)
        if (i % 100 === 99) yield* run.turn
      }
      yield* run.arrived(got, 1000)
      const now = got.messages.map((message) => got.read(message))
      yield* equal("messages as they are now, and as they came", now, got.texts)
    })
  }
]
