/** Outages: the bus cannot reach the broker for some time. */
import { Effect, Fiber, Scope } from "effect"
import { publish } from "../../../../MessageBus.ts"
import { check, equal, numbered } from "../harness/assertions.ts"
import type { Bus, Run } from "../harness/run.ts"
import type { BusCase } from "./busCase.ts"
import { encodeMessage } from "./listenerLog.ts"
import type { PublishOutcome } from "./publishOutcome.ts"

/** Begins an outage, and waits until the buses report it. Returns an Effect that ends it. */
const cut = Effect.fnUntraced(function* (run: Run, ...buses: ReadonlyArray<Bus>) {
  const { close, scope } = yield* run.closable
  yield* run.step("the outage to begin", Scope.provide(run.bus.outage ?? Effect.void, scope))
  yield* run.waitUntil("failure() to report the outage", () => buses.every((bus) => bus.failure() !== undefined))
  return Effect.andThen(
    close,
    run.waitUntil(
      "the reconnect",
      () => buses.every((bus) => bus.failure() === undefined),
      () => buses.map((bus) => bus.failure()?.message)[0] ?? ""
    )
  )
})

export const outages: ReadonlyArray<BusCase> = [
  {
    name: "during an outage messages are queued, and arrive in order after it",
    quiet: true,
    body: Effect.fnUntraced(function* (run, messages) {
      const bus = yield* run.connect
      const fan = messages.plainChannel("News")
      const queue = messages.queueChannel("Work")
      const received = yield* messages.listen(bus, fan)
      const member = yield* messages.listen(bus, queue, { queue: true })
      const restore = yield* cut(run, bus)
      const error = bus.failure()
      yield* equal("the failure's code", error?.code, "unavailable")
      yield* equal("mayHaveRun of the failure", error?.mayHaveRun, false)
      const texts = numbered(200)
      const outcomes = texts.flatMap((text) => [messages.publish(bus, fan, text), messages.publish(bus, queue, text)])
      yield* run.turn
      yield* equal(
        "outcomes that were reported during the outage",
        outcomes.filter(({ isReported }) => isReported).length,
        0
      )
      yield* restore
      yield* messages.waitForOutcomes(outcomes)
      yield* messages.waitForCount(received, texts.length)
      yield* messages.waitForCount(member, texts.length)
      messages.publish(bus, fan, "end")
      messages.publish(bus, queue, "end")
      yield* messages.waitForText(received, "end")
      yield* messages.waitForText(member, "end")
      yield* equal("messages that arrived", received.texts, [...texts, "end"])
      yield* equal("messages of the queue's member", member.texts.toSorted(), [...texts, "end"].toSorted())
    })
  },
  {
    name: "during an outage a message is reported when it expires, and is not sent later",
    quiet: true,
    body: Effect.fnUntraced(function* (run, messages) {
      const bus = yield* run.connect
      const channel = messages.plainChannel("News")
      const received = yield* messages.listen(bus, channel)
      const restore = yield* cut(run, bus)
      const send = messages.sender(bus, channel, { lifetime: 100, expected: "undelivered" })
      const kept = messages.publish(bus, channel, "kept")
      const outcomes = numbered(20).map((text) => send(text))
      yield* messages.waitForOutcomes(outcomes)
      for (const { error } of outcomes) {
        yield* equal("the error's code", error?.code, "unavailable")
        yield* equal("mayHaveRun of the error", error?.mayHaveRun, false)
      }
      yield* equal("reports of the message that has not expired", kept.reports, 0)
      yield* restore
      messages.publish(bus, channel, "end")
      yield* messages.waitForText(received, "end")
      yield* equal("messages that arrived", received.texts, ["kept", "end"])
    })
  },
  {
    name: "during an outage a canceled message is dropped",
    quiet: true,
    body: Effect.fnUntraced(function* (run, messages) {
      const bus = yield* run.connect
      const channel = messages.plainChannel("News")
      const received = yield* messages.listen(bus, channel)
      const restore = yield* cut(run, bus)
      const send = messages.sender(bus, channel, { expected: "unreported" })
      messages.publish(bus, channel, "kept")
      const outcomes: Array<PublishOutcome> = numbered(20).map((text) => send(text))
      const target = bus.target(channel)
      const message = encodeMessage(target, channel, "interrupted")
      const publishing = yield* Effect.forkChild(publish(bus, target, message, { timeout: "1 hour" }), {
        startImmediately: true
      })
      for (const outcome of outcomes) outcome.isWanted = false
      yield* run.step("an interrupted publish to end", Fiber.interrupt(publishing))
      yield* restore
      messages.publish(bus, channel, "end")
      yield* messages.waitForText(received, "end")
      yield* equal("messages that arrived", received.texts, ["kept", "end"])
    })
  },
  {
    name: "after an outage all subscriptions are restored, including those requested during it",
    quiet: true,
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b] = yield* run.connections(2)
      const before = yield* Effect.forEach(numbered(100), (text) =>
        messages.listen(b, messages.plainChannel("News", [text]))
      )
      const { close, scope } = yield* run.closable
      const left = yield* Scope.provide(messages.listen(b, messages.plainChannel("News", ["left"])), scope)
      const restore = yield* cut(run, a, b)
      const meanwhile = yield* Effect.forkChild(
        messages.listen(b, messages.plainChannel("News", ["new"])).pipe(Scope.provide(yield* Effect.scope)),
        { startImmediately: true }
      )
      yield* close
      messages.expectNoMore(left)
      yield* restore
      const added = yield* run.step(
        "the acknowledgment of a subscription that was requested during the outage",
        Fiber.join(meanwhile)
      )
      messages.publish(a, messages.plainChannel("News", ["new"]), "new")
      yield* messages.waitForText(added, "new")
      for (const [i, log] of before.entries()) {
        messages.publish(a, messages.plainChannel("News", [String(i)]), String(i))
        yield* messages.waitForText(log, String(i))
      }
      const again = yield* messages.listen(b, messages.plainChannel("News", ["left"]))
      messages.publish(a, messages.plainChannel("News", ["left"]), "left")
      yield* messages.waitForText(again, "left")
    })
  },
  {
    name: "messages in flight when the connection breaks are not sent twice, and their outcomes are reported",
    quiet: true,
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b] = yield* run.connections(2)
      const channel = messages.plainChannel("News")
      const own = yield* messages.listen(a, channel)
      const other = yield* messages.listen(b, channel)
      const send = messages.sender(a, channel, { expected: undefined })
      const outcomes: Array<PublishOutcome> = []
      let stop = false
      const load = yield* Effect.forkChild(
        Effect.gen(function* () {
          while (!stop) {
            for (let i = 0; i < 50; i++) outcomes.push(send(String(outcomes.length)))
            yield* run.turn
          }
        })
      )
      for (let round = 0; round < 3; round++) {
        const enough = outcomes.length + 500
        yield* run.waitUntil("more messages to be sent", () => outcomes.length >= enough)
        const restore = yield* cut(run, a, b)
        const during = outcomes.length + 100
        yield* run.waitUntil("messages to be sent during the outage", () => outcomes.length >= during)
        yield* restore
      }
      stop = true
      yield* Fiber.join(load)
      yield* messages.waitForOutcomes(outcomes)
      messages.publish(a, channel, "end")
      yield* messages.waitForText(own, "end")
      yield* messages.waitForText(other, "end")
      for (const { texts } of [own, other]) {
        yield* equal("messages that arrived twice", texts.length - new Set(texts).size, 0)
        const numbers = texts.slice(0, -1).map(Number)
        const isInOrder = numbers.every((number, i) => i === 0 || numbers[i - 1]! < number)
        yield* check(isInOrder, "messages arrived out of order")
        const arrived = new Set(numbers)
        const wrong = outcomes.flatMap(({ error }, i) => (error?.mayHaveRun === false && arrived.has(i) ? [i] : []))
        yield* equal("messages that arrived, and were reported with mayHaveRun false", wrong, [])
      }
    })
  },
  {
    name: "closing a connection during an outage reports the outcome of every message",
    quiet: true,
    body: Effect.fnUntraced(function* (run, messages) {
      const { close, scope } = yield* run.closable
      const bus = yield* Scope.provide(run.connect, scope)
      const channel = messages.plainChannel("News")
      yield* Scope.provide(messages.listen(bus, channel), scope)
      const { close: end, scope: outage } = yield* run.closable
      yield* run.step("the outage to begin", Scope.provide(run.bus.outage ?? Effect.void, outage))
      yield* run.waitUntil("failure() to report the outage", () => bus.failure() !== undefined)
      const send = messages.sender(bus, channel, { expected: "undelivered" })
      const outcomes = numbered(20).map((text) => send(text))
      yield* close
      yield* messages.waitForOutcomes(outcomes)
      for (const { error } of outcomes) yield* equal("mayHaveRun of the error", error?.mayHaveRun, false)
      yield* end
    })
  }
]
