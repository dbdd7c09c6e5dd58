/** Queue groups: each message goes to one member. */
import { Effect, Fiber, Scope } from "effect"
import { check, equal, numbered } from "../harness/assertions.ts"
import type { Run } from "../harness/run.ts"
import type { BusCase } from "./busCase.ts"
import type { ListenerLog } from "./listenerLog.ts"
import type { PublishOutcome } from "./publishOutcome.ts"

const inQueue = { queue: true } as const

const total = (members: ReadonlyArray<ListenerLog>): number => members.reduce((sum, { count }) => sum + count, 0)

/** Waits until the members have received as many messages, and fails if they are not each of the texts once. */
const receivedOnce = (run: Run, members: ReadonlyArray<ListenerLog>, texts: ReadonlyArray<string>) =>
  Effect.andThen(
    run.waitUntil(
      `${texts.length} messages to be received`,
      () => total(members) >= texts.length,
      () => `received ${total(members)}`
    ),
    Effect.suspend(() =>
      equal("messages of all members", members.flatMap((member) => member.texts).toSorted(), texts.toSorted())
    )
  )

export const queueGroups: ReadonlyArray<BusCase> = [
  {
    name: "each message goes to one member, across connections and within one connection",
    body: Effect.fnUntraced(function* (run, messages) {
      const buses = yield* run.connections(3)
      const channel = messages.queueChannel("Work")
      const members: Array<ListenerLog> = []
      for (const bus of buses) for (let i = 0; i < 2; i++) members.push(yield* messages.listen(bus, channel, inQueue))
      const texts = numbered(600)
      for (const [i, text] of texts.entries()) {
        const outcome = messages.publish(buses[i % 2]!, channel, text)
        if (i % 100 < 99) continue
        yield* messages.waitForOutcomes([outcome])
        yield* check(outcome.receivers !== 0, "0 receivers were reported, with a queue group")
      }
      yield* receivedOnce(run, members, texts)
      // copies would have arrived by now
      messages.publish(buses[0]!, channel, "end")
      yield* receivedOnce(run, members, [...texts, "end"])
    })
  },
  {
    name: "the members on one connection share the messages of a queue",
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b] = yield* run.connections(2)
      const channel = messages.queueChannel("Work")
      const members = yield* Effect.all([1, 2, 3, 4].map(() => messages.listen(b, channel, inQueue)))
      const texts = numbered(800)
      for (const text of texts) messages.publish(a, channel, text)
      yield* receivedOnce(run, members, texts)
      for (const { count } of members) yield* check(count >= 40, `800 messages, 4 members: one received ${count}`)
    })
  },
  {
    name: "listeners outside the queue group receive every message of its channel",
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b] = yield* run.connections(2)
      const channel = messages.queueChannel("Work")
      const all = [
        yield* messages.listen(a, channel),
        yield* messages.listen(b, channel),
        yield* messages.listen(b, channel)
      ]
      const members = [yield* messages.listen(a, channel, inQueue), yield* messages.listen(b, channel, inQueue)]
      const texts = numbered(200)
      const send = messages.sender(a, channel)
      for (const text of texts) send(text)
      yield* receivedOnce(run, members, texts)
      send("end")
      for (const log of all) {
        yield* messages.waitForText(log, "end")
        yield* equal("messages of a listener outside the queue group", log.texts, [...texts, "end"])
      }
      yield* receivedOnce(run, members, [...texts, "end"])
    })
  },
  {
    name: "equal messages that are made unique arrive as separate messages in a queue",
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b, c] = yield* run.connections(3)
      const channel = messages.queueChannel("Work")
      const members = [yield* messages.listen(b, channel, inQueue), yield* messages.listen(c, channel, inQueue)]
      const send = messages.sender(a, channel, { unique: true })
      const sendToo = messages.sender(b, channel, { unique: true })
      for (let i = 0; i < 3; i++) send("same")
      sendToo("same")
      yield* receivedOnce(run, members, ["same", "same", "same", "same"])
      send("end")
      yield* receivedOnce(run, members, ["same", "same", "same", "same", "end"])
    })
  },
  {
    name: "queues with members on different connections receive all of their messages",
    body: Effect.fnUntraced(function* (run, messages) {
      const buses = yield* run.connections(3)
      const methods = ["First", "Second", "Third"]
      // each connection has members of two of three queues, which share a subject on a bus with subjects
      const queues: Array<{
        readonly members: Array<ListenerLog>
        readonly outside: ListenerLog
        readonly method: string
      }> = []
      for (const [i, method] of methods.entries()) {
        const channel = messages.queueChannel(method)
        const members = [
          yield* messages.listen(buses[i]!, channel, inQueue),
          yield* messages.listen(buses[(i + 1) % 3]!, channel, inQueue)
        ]
        queues.push({ members, outside: yield* messages.listen(buses[i]!, channel), method })
      }
      const texts = numbered(300)
      for (const { method } of queues) {
        const send = messages.sender(buses[2]!, messages.queueChannel(method))
        for (const text of texts) send(`${method} ${text}`)
      }
      for (const { members, method, outside } of queues) {
        const expected = texts.map((text) => `${method} ${text}`)
        yield* receivedOnce(run, members, expected)
        yield* messages.waitForCount(outside, expected.length)
        messages.publish(buses[2]!, messages.queueChannel(method), "end")
        yield* messages.waitForText(outside, "end")
        yield* equal(
          "messages of a listener outside the queue group",
          outside.texts.toSorted(),
          [...expected, "end"].toSorted()
        )
        yield* receivedOnce(run, members, [...expected, "end"])
      }
    })
  },
  {
    name: "no message is lost while members join and leave under load",
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b, c] = yield* run.connections(3)
      const channel = messages.queueChannel("Work")
      // one member stays, so that each message has a receiver
      const members = [yield* messages.listen(c, channel, inQueue)]
      const send = messages.sender(a, channel)
      let sent = 0
      let stop = false
      const load = yield* Effect.forkChild(
        Effect.gen(function* () {
          while (!stop) {
            for (let i = 0; i < 20; i++) send(String(sent++))
            yield* run.turn
          }
        })
      )
      for (let round = 0; round < 12; round++) {
        const { close, scope } = yield* run.closable
        const member = yield* Scope.provide(messages.listen(b, channel, inQueue), scope)
        members.push(member)
        const enough = sent + 100
        yield* run.waitUntil(
          "more messages to be sent",
          () => sent >= enough,
          () => `sent ${sent}`
        )
        yield* close
        messages.expectNoMore(member)
      }
      stop = true
      yield* Fiber.join(load)
      yield* receivedOnce(run, members, numbered(sent))
    })
  },
  {
    name: "a last member that leaves handles the messages that the broker has given it",
    body: Effect.fnUntraced(function* (run, messages) {
      const bus = yield* run.connect
      const channel = messages.queueChannel("Work")
      const send = messages.sender(bus, channel)
      const { close, scope } = yield* run.closable
      const member = yield* Scope.provide(messages.listen(bus, channel, inQueue), scope)
      const outcomes: Array<PublishOutcome> = []
      for (let i = 0; i < 2000; i++) outcomes.push(send(String(i)))
      yield* run.waitUntil("the first message to be delivered", () => outcomes.some(({ isReported }) => isReported))
      const reached = outcomes.flatMap((outcome, i) => (messages.hasReachedListeners(outcome) ? [i] : []))
      yield* close
      messages.expectNoMore(member)
      const after = member.count
      const handled = new Set(member.texts.map(Number))
      yield* equal("messages that were received twice", after - handled.size, 0)
      // messages of one publisher are in order: the member has received all messages before the last
      const last = Math.max(-1, ...reached, ...handled)
      const lost = outcomes.slice(0, last + 1).flatMap((_, i) => (handled.has(i) ? [] : [String(i)]))
      yield* equal("messages that the broker gave to the member, and that it did not receive", lost, [])
      // after all reports, and one more message: the member that has left receives nothing
      const next = yield* messages.listen(bus, channel, inQueue)
      yield* messages.waitForOutcomes(outcomes)
      send("end")
      yield* messages.waitForText(next, "end")
    })
  }
]
