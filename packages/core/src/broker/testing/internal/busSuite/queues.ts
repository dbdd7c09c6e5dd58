import { Effect, Fiber, Scope } from "effect"
import { check, equal } from "./failure.ts"
import type { Bus, Case, Fate, Recorder, Run } from "./run.ts"

const inQueue = { queue: true } as const

const total = (members: ReadonlyArray<Recorder>): number => members.reduce((sum, { count }) => sum + count, 0)

/** Fails unless the members have got each of the texts once. */
const eachOnce = (run: Run, members: ReadonlyArray<Recorder>, texts: ReadonlyArray<string>) =>
  Effect.andThen(
    run.until(
      `${texts.length} messages to be handled`,
      () => total(members) >= texts.length,
      () => `${total(members)} were`
    ),
    Effect.suspend(() =>
      equal("what the members got", members.flatMap((member) => member.texts).toSorted(), texts.toSorted())
    )
  )

const numbered = (count: number): Array<string> => Array.from({ length: count }, (_, i) => String(i))

export const queues: ReadonlyArray<Case> = [
  {
    name: "a queue gives each message to one member, across connections and within one",
    body: Effect.fnUntraced(function* (run) {
      const buses = yield* run.connections(3)
      const channel = run.queue("Work")
      const members: Array<Recorder> = []
      for (const bus of buses) for (let i = 0; i < 2; i++) members.push(yield* run.listen(bus, channel, inQueue))
      const texts = numbered(600)
      for (const [i, text] of texts.entries()) {
        const fate = run.post(buses[i % 2]!, channel, text)
        if (i % 100 < 99) continue
        yield* run.told([fate])
        yield* check(fate.receivers !== 0, "the publisher was told that nobody listens, and a queue does")
      }
      yield* eachOnce(run, members, texts)
      // what came twice would have come by now
      run.post(buses[0]!, channel, "end")
      yield* eachOnce(run, members, [...texts, "end"])
    })
  },
  {
    name: "the members of one connection share a queue's messages",
    body: Effect.fnUntraced(function* (run) {
      const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
      const channel = run.queue("Work")
      const members = yield* Effect.all([1, 2, 3, 4].map(() => run.listen(b, channel, inQueue)))
      const texts = numbered(800)
      for (const text of texts) run.post(a, channel, text)
      yield* eachOnce(run, members, texts)
      for (const { count } of members) yield* check(count >= 40, `of 800 messages for 4 members one got ${count}`)
    })
  },
  {
    name: "listeners beside a queue get every message of its channel",
    body: Effect.fnUntraced(function* (run) {
      const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
      const channel = run.queue("Work")
      const all = [yield* run.listen(a, channel), yield* run.listen(b, channel), yield* run.listen(b, channel)]
      const members = [yield* run.listen(a, channel, inQueue), yield* run.listen(b, channel, inQueue)]
      const texts = numbered(200)
      const send = run.sender(a, channel)
      for (const text of texts) send(text)
      yield* eachOnce(run, members, texts)
      send("end")
      for (const recorder of all) {
        yield* run.heard(recorder, "end")
        yield* equal("what a listener beside the queue got", recorder.texts, [...texts, "end"])
      }
      yield* eachOnce(run, members, [...texts, "end"])
    })
  },
  {
    name: "equal messages, made unique, are as many messages for a queue",
    body: Effect.fnUntraced(function* (run) {
      const [a, b, c] = (yield* run.connections(3)) as [Bus, Bus, Bus]
      const channel = run.queue("Work")
      const members = [yield* run.listen(b, channel, inQueue), yield* run.listen(c, channel, inQueue)]
      const send = run.sender(a, channel, { unique: true })
      const sendToo = run.sender(b, channel, { unique: true })
      for (let i = 0; i < 3; i++) send("same")
      sendToo("same")
      yield* eachOnce(run, members, ["same", "same", "same", "same"])
      send("end")
      yield* eachOnce(run, members, ["same", "same", "same", "same", "end"])
    })
  },
  {
    name: "queues whose members are on different connections get all of their own messages",
    body: Effect.fnUntraced(function* (run) {
      const buses = yield* run.connections(3)
      const methods = ["First", "Second", "Third"]
      // of three queues, which share a subject where the bus has subjects, each connection is in two
      const queues: Array<{ readonly members: Array<Recorder>; readonly fan: Recorder; readonly method: string }> = []
      for (const [i, method] of methods.entries()) {
        const channel = run.queue(method)
        const members = [
          yield* run.listen(buses[i]!, channel, inQueue),
          yield* run.listen(buses[(i + 1) % 3]!, channel, inQueue)
        ]
        queues.push({ members, fan: yield* run.listen(buses[i]!, channel), method })
      }
      const texts = numbered(300)
      for (const { method } of queues) {
        const send = run.sender(buses[2]!, run.queue(method))
        for (const text of texts) send(`${method} ${text}`)
      }
      for (const { fan, members, method } of queues) {
        const expected = texts.map((text) => `${method} ${text}`)
        yield* eachOnce(run, members, expected)
        yield* run.arrived(fan, expected.length)
        run.post(buses[2]!, run.queue(method), "end")
        yield* run.heard(fan, "end")
        yield* equal("what a listener beside the queue got", fan.texts.toSorted(), [...expected, "end"].toSorted())
        yield* eachOnce(run, members, [...expected, "end"])
      }
    })
  },
  {
    name: "nothing is lost when members join and leave under load",
    body: Effect.fnUntraced(function* (run) {
      const [a, b, c] = (yield* run.connections(3)) as [Bus, Bus, Bus]
      const channel = run.queue("Work")
      // one stays, so that there is a member for each message
      const members = [yield* run.listen(c, channel, inQueue)]
      const send = run.sender(a, channel)
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
        const member = yield* Scope.provide(run.listen(b, channel, inQueue), scope)
        members.push(member)
        const enough = sent + 100
        yield* run.until(
          "more messages to be sent",
          () => sent >= enough,
          () => `${sent} were`
        )
        yield* close
        run.over(member)
      }
      stop = true
      yield* Fiber.join(load)
      yield* eachOnce(run, members, numbered(sent))
    })
  },
  {
    name: "a member that was alone handles what the broker had given it when it left",
    body: Effect.fnUntraced(function* (run) {
      const bus = yield* run.connect
      const channel = run.queue("Work")
      const send = run.sender(bus, channel)
      const { close, scope } = yield* run.closable
      const member = yield* Scope.provide(run.listen(bus, channel, inQueue), scope)
      const fates: Array<Fate> = []
      for (let i = 0; i < 2000; i++) fates.push(send(String(i)))
      yield* run.until("the first message to be delivered", () => fates.some(({ told }) => told > 0))
      const given = fates.flatMap((fate, i) => (run.isGiven(fate) ? [i] : []))
      yield* close
      run.over(member)
      const after = member.count
      const handled = new Set(member.texts.map(Number))
      yield* equal("messages handled twice", after - handled.size, 0)
      // one publisher's messages come in order: what is before one that it handled, it has had too
      const last = Math.max(-1, ...given, ...handled)
      const lost = fates.slice(0, last + 1).flatMap((_, i) => (handled.has(i) ? [] : [String(i)]))
      yield* equal("messages that it had been given when it left, and did not handle", lost, [])
      // until all is said, and once more: nothing comes to a member that has left
      const next = yield* run.listen(bus, channel, inQueue)
      yield* run.told(fates)
      send("end")
      yield* run.heard(next, "end")
    })
  }
]
