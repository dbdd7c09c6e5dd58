import { Effect, Fiber, Scope } from "effect"
import { publish } from "../../../../MessageBus.ts"
import { check, equal } from "./failure.ts"
import type { Bus, Case, Fate, Run } from "./run.ts"

/** Cuts the connections, and waits until the given ones have noticed; what is returned restores them. */
const cut = Effect.fnUntraced(function* (run: Run, ...buses: ReadonlyArray<Bus>) {
  const { close, scope } = yield* run.closable
  yield* run.step("an outage to begin", Scope.provide(run.traits.outage ?? Effect.void, scope))
  yield* run.until("the outage to be noticed", () => buses.every((bus) => bus.failure() !== undefined))
  return Effect.andThen(
    close,
    run.until(
      "the connections to be back",
      () => buses.every((bus) => bus.failure() === undefined),
      () => buses.map((bus) => bus.failure()?.message)[0] ?? ""
    )
  )
})

const numbered = (count: number): Array<string> => Array.from({ length: count }, (_, i) => String(i))

/** What a bus promises while it cannot reach the broker. */
export const outages: ReadonlyArray<Case> = [
  {
    name: "during an outage messages wait, and arrive in order when it is over",
    quiet: true,
    body: Effect.fnUntraced(function* (run) {
      const bus = yield* run.connect
      const fan = run.fan("News")
      const queue = run.queue("Work")
      const got = yield* run.listen(bus, fan)
      const member = yield* run.listen(bus, queue, { queue: true })
      const restore = yield* cut(run, bus)
      const error = bus.failure()
      yield* equal("the failure's code", error?.code, "unavailable")
      yield* equal("whether what fails now may have run", error?.mayHaveRun, false)
      const texts = numbered(200)
      const fates = texts.flatMap((text) => [run.post(bus, fan, text), run.post(bus, queue, text)])
      yield* run.turn
      yield* equal("messages whose fate was told during the outage", fates.filter(({ told }) => told > 0).length, 0)
      yield* restore
      yield* run.told(fates)
      yield* run.arrived(got, texts.length)
      yield* run.arrived(member, texts.length)
      run.post(bus, fan, "end")
      run.post(bus, queue, "end")
      yield* run.heard(got, "end")
      yield* run.heard(member, "end")
      yield* equal("what arrived", got.texts, [...texts, "end"])
      yield* equal("what the queue's member got", member.texts.toSorted(), [...texts, "end"].toSorted())
    })
  },
  {
    name: "during an outage a message waits no longer than until it expires, and is not sent later",
    quiet: true,
    body: Effect.fnUntraced(function* (run) {
      const bus = yield* run.connect
      const channel = run.fan("News")
      const got = yield* run.listen(bus, channel)
      const restore = yield* cut(run, bus)
      const send = run.sender(bus, channel, { lifetime: 100, expected: "undelivered" })
      const kept = run.post(bus, channel, "kept")
      const fates = numbered(20).map((text) => send(text))
      yield* run.told(fates)
      for (const { error } of fates) {
        yield* equal("the error's code", error?.code, "unavailable")
        yield* equal("whether it may have run", error?.mayHaveRun, false)
      }
      yield* equal("times that the one was told that has not expired", kept.told, 0)
      yield* restore
      run.post(bus, channel, "end")
      yield* run.heard(got, "end")
      yield* equal("what arrived", got.texts, ["kept", "end"])
    })
  },
  {
    name: "during an outage a message that is not wanted any more is given up",
    quiet: true,
    body: Effect.fnUntraced(function* (run) {
      const bus = yield* run.connect
      const channel = run.fan("News")
      const got = yield* run.listen(bus, channel)
      const restore = yield* cut(run, bus)
      const send = run.sender(bus, channel, { expected: "untold" })
      run.post(bus, channel, "kept")
      const fates: Array<Fate> = numbered(20).map((text) => send(text))
      const message = run.encode(bus, channel, "interrupted")
      const publishing = yield* Effect.forkChild(publish(bus, bus.target(channel), message, { timeout: "1 hour" }), {
        startImmediately: true
      })
      for (const fate of fates) fate.isWanted = false
      yield* run.step("an interrupted publish to end", Fiber.interrupt(publishing))
      yield* restore
      run.post(bus, channel, "end")
      yield* run.heard(got, "end")
      yield* equal("what arrived", got.texts, ["kept", "end"])
    })
  },
  {
    name: "after an outage every subscription is back, and what was asked for meanwhile is there",
    quiet: true,
    body: Effect.fnUntraced(function* (run) {
      const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
      const before = yield* Effect.forEach(numbered(100), (text) => run.listen(b, run.fan("News", [text])))
      const { close, scope } = yield* run.closable
      const left = yield* Scope.provide(run.listen(b, run.fan("News", ["left"])), scope)
      const restore = yield* cut(run, a, b)
      const meanwhile = yield* Effect.forkChild(
        run.listen(b, run.fan("News", ["new"])).pipe(Scope.provide(yield* Effect.scope)),
        { startImmediately: true }
      )
      yield* close
      run.over(left)
      yield* restore
      const added = yield* run.step("a subscription of the outage to be acknowledged", Fiber.join(meanwhile))
      run.post(a, run.fan("News", ["new"]), "new")
      yield* run.heard(added, "new")
      for (const [i, recorder] of before.entries()) {
        run.post(a, run.fan("News", [String(i)]), String(i))
        yield* run.heard(recorder, String(i))
      }
      const again = yield* run.listen(b, run.fan("News", ["left"]))
      run.post(a, run.fan("News", ["left"]), "left")
      yield* run.heard(again, "left")
    })
  },
  {
    name: "what is under way when the connection breaks is never sent twice, and its publisher is told what is known",
    quiet: true,
    body: Effect.fnUntraced(function* (run) {
      const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
      const channel = run.fan("News")
      const own = yield* run.listen(a, channel)
      const other = yield* run.listen(b, channel)
      const send = run.sender(a, channel, { expected: undefined })
      const fates: Array<Fate> = []
      let stop = false
      const load = yield* Effect.forkChild(
        Effect.gen(function* () {
          while (!stop) {
            for (let i = 0; i < 50; i++) fates.push(send(String(fates.length)))
            yield* run.turn
          }
        })
      )
      for (let round = 0; round < 3; round++) {
        const enough = fates.length + 500
        yield* run.until("more messages to be sent", () => fates.length >= enough)
        const restore = yield* cut(run, a, b)
        const during = fates.length + 100
        yield* run.until("messages to be sent during the outage", () => fates.length >= during)
        yield* restore
      }
      stop = true
      yield* Fiber.join(load)
      yield* run.told(fates)
      run.post(a, channel, "end")
      yield* run.heard(own, "end")
      yield* run.heard(other, "end")
      for (const { texts } of [own, other]) {
        yield* equal("messages that arrived twice", texts.length - new Set(texts).size, 0)
        const numbers = texts.slice(0, -1).map(Number)
        const isInOrder = numbers.every((number, i) => i === 0 || numbers[i - 1]! < number)
        yield* check(isInOrder, "messages arrived out of order")
        const arrived = new Set(numbers)
        const wrong = fates.flatMap(({ error }, i) => (error?.mayHaveRun === false && arrived.has(i) ? [i] : []))
        yield* equal("messages that arrived and were said not to have left", wrong, [])
      }
    })
  },
  {
    name: "closing a connection during an outage tells every message its fate",
    quiet: true,
    body: Effect.fnUntraced(function* (run) {
      const { close, scope } = yield* run.closable
      const bus = yield* Scope.provide(run.connect, scope)
      const channel = run.fan("News")
      yield* Scope.provide(run.listen(bus, channel), scope)
      const { close: end, scope: outage } = yield* run.closable
      yield* run.step("an outage to begin", Scope.provide(run.traits.outage ?? Effect.void, outage))
      yield* run.until("the outage to be noticed", () => bus.failure() !== undefined)
      const send = run.sender(bus, channel, { expected: "undelivered" })
      const fates = numbered(20).map((text) => send(text))
      yield* close
      yield* run.told(fates)
      for (const { error } of fates) yield* equal("whether it may have run", error?.mayHaveRun, false)
      yield* end
    })
  }
]
