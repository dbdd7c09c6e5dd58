/** Subscriptions: acknowledged, closed, interrupted, under load. */
import { Effect, Fiber, Scope } from "effect"
import { check, equal, numbered } from "../harness/assertions.ts"
import type { Bus } from "../harness/run.ts"
import type { BusCase } from "./busCase.ts"
import type { BusMessages } from "./busMessages.ts"
import { ListenerLog } from "./listenerLog.ts"
import type { PublishOutcome } from "./publishOutcome.ts"

/**
 * Waits until all messages of a publisher so far have arrived at the listeners of a connection and channel: another
 * listener there, the witness, has received a later message.
 */
const settle = Effect.fnUntraced(function* (
  messages: BusMessages,
  publisher: Bus,
  witness: ListenerLog,
  channel: Parameters<Bus["target"]>[0]
) {
  const mark = `mark ${witness.count}`
  messages.publish(publisher, channel, mark)
  yield* messages.waitForText(witness, mark)
})

export const subscribing: ReadonlyArray<BusCase> = [
  {
    name: "an acknowledged subscription receives the next message of any publisher",
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b] = yield* run.connections(2)
      for (let i = 0; i < 100; i++) {
        const queue = i % 2 === 1
        const channel = queue ? messages.queueChannel(`Round${i}`) : messages.plainChannel(`Round${i}`)
        const received = yield* messages.listen(b, channel, { queue })
        const outcome = messages.publish(a, channel, "now")
        yield* messages.waitForText(received, "now")
        yield* messages.waitForOutcomes([outcome])
        yield* check(outcome.receivers !== 0, "0 receivers were reported, with one listener")
      }
    })
  },
  {
    name: "every listener of a channel receives every message, on any connection",
    body: Effect.fnUntraced(function* (run, messages) {
      const buses = yield* run.connections(3)
      const channel = messages.plainChannel("News")
      const logs: Array<ListenerLog> = []
      for (const bus of buses) for (let i = 0; i < 3; i++) logs.push(yield* messages.listen(bus, channel))
      const texts = numbered(100)
      const send = messages.sender(buses[0]!, channel)
      for (const text of texts) send(text)
      for (const log of logs) {
        yield* messages.waitForCount(log, texts.length)
        yield* equal("messages of a listener", log.texts, texts)
      }
    })
  },
  {
    name: "unsubscribing ends one subscription, and no other",
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b] = yield* run.connections(2)
      const channel = messages.plainChannel("News")
      const stays = yield* messages.listen(b, channel)
      const { close, scope } = yield* run.closable
      const leaves = yield* Scope.provide(messages.listen(b, channel), scope)
      messages.publish(a, channel, "1")
      yield* messages.waitForText(leaves, "1")
      // twice concurrently, and once more
      yield* Effect.all([close, close], { concurrency: 2 })
      yield* close
      messages.expectNoMore(leaves)
      messages.publish(a, channel, "2")
      yield* settle(messages, a, stays, channel)
      yield* equal("messages of the listener that left", leaves.texts, ["1"])
      yield* equal("messages of the listener that stayed", stays.texts.slice(0, 2), ["1", "2"])
    })
  },
  {
    name: "after the last listener has left there are no listeners, and another can subscribe",
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b] = yield* run.connections(2)
      for (const queue of [false, true]) {
        const channel = queue ? messages.queueChannel("News") : messages.plainChannel("News")
        for (let round = 0; round < 5; round++) {
          const { close, scope } = yield* run.closable
          const received = yield* Scope.provide(messages.listen(b, channel, { queue }), scope)
          messages.publish(a, channel, `round ${round}`)
          yield* messages.waitForText(received, `round ${round}`)
          yield* equal("messages of the listener", received.texts, [`round ${round}`])
          yield* close
          messages.expectNoMore(received)
          if (!run.bus.reportsNoListeners) continue
          let last: PublishOutcome | undefined
          yield* run.waitUntil("0 receivers to be reported", () => {
            if (last === undefined || last.isReported) {
              if (last?.receivers === 0) return true
              last = messages.publish(a, channel, "probe")
            }
            return false
          })
        }
      }
    })
  },
  {
    name: "one function can have two subscriptions, and each ends on its own",
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b] = yield* run.connections(2)
      const channel = messages.plainChannel("News")
      const received = yield* messages.listen(b, channel)
      const { close, scope } = yield* run.closable
      yield* Scope.provide(messages.subscribe(b, channel, received.listener), scope)
      messages.publish(a, channel, "twice")
      yield* messages.waitForCount(received, 2)
      yield* close
      messages.publish(a, channel, "once")
      messages.publish(a, channel, "end")
      yield* messages.waitForText(received, "end")
      yield* equal("messages of the listener", received.texts, ["twice", "twice", "once", "end"])
    })
  },
  {
    name: "thousands of subscriptions",
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b] = yield* run.connections(2)
      const channels = Array.from({ length: 2000 }, (_, i) => messages.plainChannel("News", [String(i)]))
      const all = yield* Effect.forEach(
        channels,
        Effect.fnUntraced(function* (channel) {
          const { close, scope } = yield* run.closable
          return { close, log: yield* Scope.provide(messages.listen(b, channel), scope) }
        }),
        { concurrency: "unbounded" }
      )
      for (const [i, channel] of channels.entries()) {
        messages.publish(a, channel, String(i))
        if (i % 500 === 499) yield* run.turn
      }
      for (const [i, { log }] of all.entries()) {
        yield* messages.waitForText(log, String(i))
        yield* equal("messages of the listener", log.texts, [String(i)])
      }
      yield* Effect.forEach(all, ({ close }) => close, { concurrency: "unbounded" })
      for (const { log } of all) messages.expectNoMore(log)
      const channel = channels[0]!
      const later = yield* messages.listen(b, channel)
      messages.publish(a, channel, "end")
      yield* messages.waitForText(later, "end")
    })
  },
  {
    name: "concurrent subscriptions and unsubscriptions of one channel keep the listeners that stay",
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b] = yield* run.connections(2)
      const channel = messages.plainChannel("News")
      const all = yield* Effect.forEach(
        Array.from({ length: 30 }, (_, i) => i),
        Effect.fnUntraced(function* (i) {
          const { close, scope } = yield* run.closable
          const log = yield* Scope.provide(messages.listen(b, channel), scope)
          if (i % 3 !== 0) yield* close
          return { close, log, stays: i % 3 === 0 }
        }),
        { concurrency: "unbounded" }
      )
      messages.publish(a, channel, "one")
      for (const { log, stays } of all) if (stays) yield* messages.waitForText(log, "one")
      for (const { log, stays } of all) {
        yield* equal(`messages of a listener that ${stays ? "stayed" : "left"}`, log.texts, stays ? ["one"] : [])
      }
      const witness = yield* messages.listen(b, channel)
      yield* Effect.forEach(all, ({ close }) => close, { concurrency: "unbounded" })
      for (const { log } of all) messages.expectNoMore(log)
      messages.publish(a, channel, "two")
      yield* settle(messages, a, witness, channel)
      yield* equal("messages of the last listener", witness.texts.at(-2), "two")
    })
  },
  {
    name: "an interrupted subscribe leaves no listener behind",
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b] = yield* run.connections(2)
      for (const queue of [false, true]) {
        const channel = queue ? messages.queueChannel("News") : messages.plainChannel("News")
        const interrupted = new ListenerLog(channel)
        for (let i = 0; i < 40; i++) {
          const fiber = yield* Effect.forkChild(
            Effect.scoped(
              Effect.andThen(messages.subscribe(b, channel, interrupted.listener, { queue }), Effect.never)
            ),
            { startImmediately: true }
          )
          // before, during and after the acknowledgment
          for (let yields = 0; yields < i; yields++) yield* Effect.yieldNow
          if (i % 10 === 9) yield* run.turn
          yield* run.step("an interrupted subscribe to end", Fiber.interrupt(fiber))
        }
        const witness = yield* messages.listen(b, channel, { queue })
        for (let i = 0; i < 20; i++) messages.publish(a, channel, String(i))
        yield* messages.waitForCount(witness, 20)
        yield* settle(messages, a, witness, channel)
        yield* equal("messages of interrupted subscriptions", interrupted.count, 0)
        yield* equal("messages of the other subscription", witness.count, 21)
      }
    })
  },
  {
    name: "a subscription that closes under load receives what the broker has given it, and nothing afterwards",
    body: Effect.fnUntraced(function* (run, messages) {
      const bus = yield* run.connect
      const channel = messages.plainChannel("News")
      const send = messages.sender(bus, channel)
      // with another listener that stays, and without one
      for (const stays of [false, true]) {
        const witness = stays ? yield* messages.listen(bus, channel) : undefined
        const { close, scope } = yield* run.closable
        const leaves = yield* Scope.provide(messages.listen(bus, channel), scope)
        const outcomes: Array<PublishOutcome> = []
        let stop = false
        const load = yield* Effect.forkChild(
          Effect.gen(function* () {
            while (!stop) {
              for (let i = 0; i < 100; i++) outcomes.push(send(String(outcomes.length)))
              yield* run.turn
            }
          }),
          { startImmediately: true }
        )
        yield* run.waitUntil(
          "500 messages to be delivered",
          () => outcomes.length >= 500 && outcomes[499]!.isReported,
          () => `delivered ${outcomes.filter(({ isReported }) => isReported).length}`
        )
        const reached = outcomes.filter((outcome) => messages.hasReachedListeners(outcome)).length
        yield* close
        messages.expectNoMore(leaves)
        const after = leaves.count
        stop = true
        yield* Fiber.join(load)
        yield* check(
          after >= reached,
          `the broker gave it ${reached} messages before it closed, and it received ${after}`
        )
        yield* equal("messages of the listener", leaves.texts.slice(0, after), numbered(after))
        yield* messages.waitForOutcomes(outcomes)
        yield* settle(messages, bus, witness ?? (yield* messages.listen(bus, channel)), channel)
      }
    })
  },
  {
    name: "closing a connection under load reports the outcome of every message",
    body: Effect.fnUntraced(function* (run, messages) {
      const reader = yield* run.connect
      const channel = messages.plainChannel("News")
      const received = yield* messages.listen(reader, channel)
      const { close, scope } = yield* run.closable
      const bus = yield* Scope.provide(run.connect, scope)
      const send = messages.sender(bus, channel, { expected: undefined })
      const outcomes: Array<PublishOutcome> = []
      for (let i = 0; i < 2000; i++) outcomes.push(send(String(i)))
      yield* close
      yield* messages.waitForOutcomes(outcomes)
      for (let i = 0; i < 10; i++) outcomes.push(send(`late ${i}`))
      yield* messages.waitForOutcomes(outcomes)
      // delivered messages have arrived, and messages with mayHaveRun false have not
      const delivered = outcomes.filter(({ error }) => error === undefined).map(({ label }) => label)
      const certain = outcomes.filter(({ error }) => error?.mayHaveRun === false).map(({ label }) => label)
      yield* run.waitUntil(
        `${delivered.length} delivered messages to arrive`,
        () => received.count >= delivered.length,
        () => `received ${received.count}`
      )
      messages.publish(reader, channel, "end")
      yield* messages.waitForText(received, "end")
      const arrived = new Set(received.texts.map((text) => `"${text}"`))
      yield* equal("messages that arrived twice", received.count - arrived.size, 0)
      const lost = delivered.filter((label) => !arrived.has(label))
      yield* equal("delivered messages that did not arrive", lost, [])
      const sent = certain.filter((label) => arrived.has(label))
      yield* equal("messages that arrived, and were reported with mayHaveRun false", sent, [])
    })
  }
]
