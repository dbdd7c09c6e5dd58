import { Effect, Fiber, Scope } from "effect"
import { check, equal } from "./failure.ts"
import { type Bus, type Case, type Fate, Recorder, type Run } from "./run.ts"

/**
 * Waits until what was published so far would have arrived at any listener of this connection and channel: one that
 * listens there as well has got the last of it.
 */
const settle = Effect.fnUntraced(function* (
  run: Run,
  from: Bus,
  witness: Recorder,
  channel: Parameters<Run["post"]>[1]
) {
  const mark = `mark ${witness.count}`
  run.post(from, channel, mark)
  yield* run.heard(witness, mark)
})

export const subscribing: ReadonlyArray<Case> = [
  {
    name: "a subscription that has succeeded hears the next message, whoever publishes it",
    body: Effect.fnUntraced(function* (run) {
      const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
      for (let i = 0; i < 100; i++) {
        const queue = i % 2 === 1
        const channel = queue ? run.queue(`Round${i}`) : run.fan(`Round${i}`)
        const got = yield* run.listen(b, channel, { queue })
        const fate = run.post(a, channel, "now")
        yield* run.heard(got, "now")
        yield* run.told([fate])
        yield* check(fate.receivers !== 0, "the publisher was told that nobody listens, and one does")
      }
    })
  },
  {
    name: "every listener of a channel gets every message, on however many connections",
    body: Effect.fnUntraced(function* (run) {
      const buses = yield* run.connections(3)
      const channel = run.fan("News")
      const recorders: Array<Recorder> = []
      for (const bus of buses) for (let i = 0; i < 3; i++) recorders.push(yield* run.listen(bus, channel))
      const texts = Array.from({ length: 100 }, (_, i) => String(i))
      const send = run.sender(buses[0]!, channel)
      for (const text of texts) send(text)
      for (const recorder of recorders) {
        yield* run.arrived(recorder, texts.length)
        yield* equal("what a listener got", recorder.texts, texts)
      }
    })
  },
  {
    name: "unsubscribing ends it, and leaves the other listeners alone",
    body: Effect.fnUntraced(function* (run) {
      const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
      const channel = run.fan("News")
      const stays = yield* run.listen(b, channel)
      const { close, scope } = yield* run.closable
      const leaves = yield* Scope.provide(run.listen(b, channel), scope)
      run.post(a, channel, "1")
      yield* run.heard(leaves, "1")
      // twice at the same time, and once more
      yield* Effect.all([close, close], { concurrency: 2 })
      yield* close
      run.over(leaves)
      run.post(a, channel, "2")
      yield* settle(run, a, stays, channel)
      yield* equal("what the one that left got", leaves.texts, ["1"])
      yield* equal("what the one that stayed got", stays.texts.slice(0, 2), ["1", "2"])
    })
  },
  {
    name: "when the last listener has gone nobody listens, and another may begin anew",
    body: Effect.fnUntraced(function* (run) {
      const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
      for (const queue of [false, true]) {
        const channel = queue ? run.queue("News") : run.fan("News")
        for (let round = 0; round < 5; round++) {
          const { close, scope } = yield* run.closable
          const got = yield* Scope.provide(run.listen(b, channel, { queue }), scope)
          run.post(a, channel, `round ${round}`)
          yield* run.heard(got, `round ${round}`)
          yield* equal("what it got", got.texts, [`round ${round}`])
          yield* close
          run.over(got)
          if (!run.traits.reportsNoListeners) continue
          let last: Fate | undefined
          yield* run.until("a publisher to be told that nobody listens any more", () => {
            if (last === undefined || last.told > 0) {
              if (last?.receivers === 0) return true
              last = run.post(a, channel, "nobody")
            }
            return false
          })
        }
      }
    })
  },
  {
    name: "one function may listen twice, and each subscription ends on its own",
    body: Effect.fnUntraced(function* (run) {
      const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
      const channel = run.fan("News")
      const got = yield* run.listen(b, channel)
      const { close, scope } = yield* run.closable
      yield* Scope.provide(run.subscribe(b, channel, got.listener), scope)
      run.post(a, channel, "twice")
      yield* run.arrived(got, 2)
      yield* close
      run.post(a, channel, "once")
      run.post(a, channel, "end")
      yield* run.heard(got, "end")
      yield* equal("what it got", got.texts, ["twice", "twice", "once", "end"])
    })
  },
  {
    name: "thousands of subscriptions",
    body: Effect.fnUntraced(function* (run) {
      const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
      const channels = Array.from({ length: 2000 }, (_, i) => run.fan("News", [String(i)]))
      const all = yield* Effect.forEach(
        channels,
        Effect.fnUntraced(function* (channel) {
          const { close, scope } = yield* run.closable
          return { close, recorder: yield* Scope.provide(run.listen(b, channel), scope) }
        }),
        { concurrency: "unbounded" }
      )
      for (const [i, channel] of channels.entries()) {
        run.post(a, channel, String(i))
        if (i % 500 === 499) yield* run.turn
      }
      for (const [i, { recorder }] of all.entries()) {
        yield* run.heard(recorder, String(i))
        yield* equal("what it got", recorder.texts, [String(i)])
      }
      yield* Effect.forEach(all, ({ close }) => close, { concurrency: "unbounded" })
      for (const { recorder } of all) run.over(recorder)
      const channel = channels[0]!
      const later = yield* run.listen(b, channel)
      run.post(a, channel, "end")
      yield* run.heard(later, "end")
    })
  },
  {
    name: "subscribing and leaving at once, over and over, ends where it should",
    body: Effect.fnUntraced(function* (run) {
      const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
      const channel = run.fan("News")
      const all = yield* Effect.forEach(
        Array.from({ length: 30 }, (_, i) => i),
        Effect.fnUntraced(function* (i) {
          const { close, scope } = yield* run.closable
          const recorder = yield* Scope.provide(run.listen(b, channel), scope)
          if (i % 3 !== 0) yield* close
          return { close, recorder, stays: i % 3 === 0 }
        }),
        { concurrency: "unbounded" }
      )
      run.post(a, channel, "one")
      for (const { recorder, stays } of all) if (stays) yield* run.heard(recorder, "one")
      for (const { recorder, stays } of all) {
        yield* equal(`what one got that ${stays ? "stayed" : "left"}`, recorder.texts, stays ? ["one"] : [])
      }
      const witness = yield* run.listen(b, channel)
      yield* Effect.forEach(all, ({ close }) => close, { concurrency: "unbounded" })
      for (const { recorder } of all) run.over(recorder)
      run.post(a, channel, "two")
      yield* settle(run, a, witness, channel)
      yield* equal("what the last one got", witness.texts.at(-2), "two")
    })
  },
  {
    name: "a subscribe that is interrupted leaves nothing behind",
    body: Effect.fnUntraced(function* (run) {
      const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
      for (const queue of [false, true]) {
        const channel = queue ? run.queue("News") : run.fan("News")
        const given = new Recorder(channel)
        for (let i = 0; i < 40; i++) {
          const fiber = yield* Effect.forkChild(
            Effect.scoped(Effect.andThen(run.subscribe(b, channel, given.listener, { queue }), Effect.never)),
            { startImmediately: true }
          )
          // at once, a little later, and when it has long been acknowledged
          for (let yields = 0; yields < i; yields++) yield* Effect.yieldNow
          if (i % 10 === 9) yield* run.turn
          yield* run.step("an interrupted subscribe to end", Fiber.interrupt(fiber))
        }
        const witness = yield* run.listen(b, channel, { queue })
        for (let i = 0; i < 20; i++) run.post(a, channel, String(i))
        yield* run.arrived(witness, 20)
        yield* settle(run, a, witness, channel)
        yield* equal("messages for those that were interrupted", given.count, 0)
        yield* equal("messages for the one that was not", witness.count, 21)
      }
    })
  },
  {
    name: "a subscription that closes under load gets what it was given, and nothing afterwards",
    body: Effect.fnUntraced(function* (run) {
      const bus = yield* run.connect
      const channel = run.fan("News")
      const send = run.sender(bus, channel)
      // with another listener that stays, and without
      for (const stays of [false, true]) {
        const witness = stays ? yield* run.listen(bus, channel) : undefined
        const { close, scope } = yield* run.closable
        const leaves = yield* Scope.provide(run.listen(bus, channel), scope)
        const fates: Array<Fate> = []
        let stop = false
        const load = yield* Effect.forkChild(
          Effect.gen(function* () {
            while (!stop) {
              for (let i = 0; i < 100; i++) fates.push(send(String(fates.length)))
              yield* run.turn
            }
          }),
          { startImmediately: true }
        )
        yield* run.until(
          "500 messages to be delivered",
          () => fates.length >= 500 && fates[499]!.told > 0,
          () => `${fates.filter(({ told }) => told > 0).length} were`
        )
        const given = fates.filter((fate) => run.isGiven(fate)).length
        yield* close
        run.over(leaves)
        const after = leaves.count
        stop = true
        yield* Fiber.join(load)
        yield* check(after >= given, `it had been given ${given} messages when it closed, and got ${after}`)
        yield* equal(
          "what it got",
          leaves.texts.slice(0, after),
          Array.from({ length: after }, (_, i) => String(i))
        )
        yield* run.told(fates)
        yield* settle(run, bus, witness ?? (yield* run.listen(bus, channel)), channel)
      }
    })
  },
  {
    name: "closing a connection under load tells every message its fate",
    body: Effect.fnUntraced(function* (run) {
      const reader = yield* run.connect
      const channel = run.fan("News")
      const got = yield* run.listen(reader, channel)
      const { close, scope } = yield* run.closable
      const bus = yield* Scope.provide(run.connect, scope)
      const send = run.sender(bus, channel, { expected: undefined })
      const fates: Array<Fate> = []
      for (let i = 0; i < 2000; i++) fates.push(send(String(i)))
      yield* close
      yield* run.told(fates)
      for (let i = 0; i < 10; i++) fates.push(send(`late ${i}`))
      yield* run.told(fates)
      // those that were delivered did arrive, and those that never left did not
      const delivered = fates.filter(({ error }) => error === undefined).map(({ label }) => label)
      const certain = fates.filter(({ error }) => error?.mayHaveRun === false).map(({ label }) => label)
      yield* run.until(
        `${delivered.length} delivered messages to arrive`,
        () => got.count >= delivered.length,
        () => `${got.count} have`
      )
      run.post(reader, channel, "end")
      yield* run.heard(got, "end")
      const arrived = new Set(got.texts.map((text) => `"${text}"`))
      yield* equal("messages that arrived twice", got.count - arrived.size, 0)
      const lost = delivered.filter((label) => !arrived.has(label))
      yield* equal("delivered messages that did not arrive", lost, [])
      const sent = certain.filter((label) => arrived.has(label))
      yield* equal("messages that arrived and were said not to have left", sent, [])
    })
  }
]
