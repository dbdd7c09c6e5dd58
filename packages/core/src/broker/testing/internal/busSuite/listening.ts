import { Effect, Exit, Scope } from "effect"
import { check, equal } from "./failure.ts"
import { type Bus, type Case, Recorder } from "./run.ts"

/** Keeps the thread to itself, as a listener must not. */
const block = (millis: number): void => {
  const end = performance.now() + millis
  while (performance.now() < end);
}

export const listening: ReadonlyArray<Case> = [
  {
    name: "a listener that throws stops nobody, not even itself",
    quiet: true,
    body: Effect.fnUntraced(function* (run) {
      const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
      const channel = run.queue("News")
      let thrown = 0
      const throwing = (): void => {
        thrown++
        throw new Error("a listener of the suite throws, on purpose")
      }
      yield* run.subscribe(b, channel, throwing)
      const after = yield* run.listen(b, channel)
      const member = yield* run.listen(b, channel, { queue: true })
      const elsewhere = yield* run.listen(b, run.fan("Other"))
      for (const text of ["1", "2", "3"]) {
        run.post(a, channel, text)
        run.post(a, run.fan("Other"), text)
      }
      for (const recorder of [after, member, elsewhere]) {
        yield* run.arrived(recorder, 3)
        // a queue promises no order
        const texts = recorder === member ? recorder.texts.toSorted() : recorder.texts
        yield* equal("what a neighbour got", texts, ["1", "2", "3"])
      }
      yield* equal("messages that the throwing listener got", thrown, 3)
      yield* check(b.failure() === undefined, `the connection says that it does not work: ${b.failure()?.message}`)
    })
  },
  {
    name: "a listener that blocks the thread loses nothing for its neighbours",
    body: Effect.fnUntraced(function* (run) {
      const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
      const channel = run.fan("News")
      let blocked = 0
      yield* run.subscribe(b, channel, () => {
        // the first messages of each burst
        if (blocked++ % 100 < 2) block(50)
      })
      const same = yield* run.listen(b, channel)
      const other = yield* run.listen(b, run.fan("Other"))
      const member = yield* run.listen(b, run.queue("Work"), { queue: true })
      const texts = Array.from({ length: 300 }, (_, i) => String(i))
      for (const [i, text] of texts.entries()) {
        run.post(a, channel, text)
        run.post(a, run.fan("Other"), text)
        run.post(a, run.queue("Work"), text)
        if (i % 100 === 99) yield* run.turn
      }
      for (const recorder of [same, other, member]) {
        yield* run.arrived(recorder, texts.length)
        yield* equal("what a neighbour got", recorder.texts.toSorted(), texts.toSorted())
      }
      yield* equal("messages that the blocking listener got", blocked, texts.length)
    })
  },
  {
    name: "a listener may publish",
    body: Effect.fnUntraced(function* (run) {
      const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
      const ping = run.fan("Ping")
      const pong = run.fan("Pong")
      const sendPing = run.sender(a, ping)
      const sendPong = run.sender(b, pong)
      const pings = new Recorder(ping)
      const pongs = new Recorder(pong)
      const rounds = 500
      yield* run.subscribe(b, ping, (message) => {
        pings.listener(message)
        sendPong(pings.texts.at(-1)!)
      })
      yield* run.subscribe(a, pong, (message) => {
        pongs.listener(message)
        if (pongs.count < rounds) sendPing(String(pongs.count))
      })
      sendPing("0")
      yield* run.arrived(pongs, rounds, "round trips")
      const texts = Array.from({ length: rounds }, (_, i) => String(i))
      yield* equal("pings", pings.texts, texts)
      yield* equal("pongs", pongs.texts, texts)
    })
  },
  {
    name: "a listener may subscribe, and unsubscribe itself and others",
    body: Effect.fnUntraced(function* (run) {
      const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
      const channel = run.fan("News")
      const own = yield* run.closable
      const others = yield* run.closable
      const made = yield* run.closable
      const runFork = Effect.runForkWith(yield* Effect.context<never>())
      const self = new Recorder(channel)
      const added = new Recorder(channel)
      const failures: Array<string> = []
      let changed = 0
      const start = (effect: Effect.Effect<void, unknown>): void => {
        runFork(
          Effect.onExit(effect, (exit) =>
            Effect.sync(() => {
              changed++
              if (Exit.isFailure(exit)) failures.push(String(exit.cause))
            })
          )
        )
      }
      const first = (message: Uint8Array): void => {
        self.listener(message)
        if (self.count > 1) return
        start(Scope.provide(b.subscribe(channel, added.listener), made.scope))
        start(own.close)
        start(others.close)
      }
      yield* Scope.provide(run.subscribe(b, channel, first), own.scope)
      const other = yield* Scope.provide(run.listen(b, channel), others.scope)
      const stays = yield* run.listen(b, channel)
      run.post(a, channel, "1")
      yield* run.until("the listener's changes to be made", () => changed === 3)
      yield* equal("what failed", failures, [])
      for (const recorder of [self, other]) run.over(recorder)
      run.post(a, channel, "2")
      yield* run.heard(stays, "2")
      yield* run.heard(added, "2")
      yield* equal("what the listener got that unsubscribed itself", self.texts, ["1"])
      // whether it comes before or after the one that unsubscribes it is the bus's choice
      yield* equal(
        "what the one got that it unsubscribed",
        other.texts.filter((text) => text !== "1"),
        []
      )
      yield* check(other.count <= 1, `the one that it unsubscribed got the first message ${other.count} times`)
      yield* equal("what the one got that stayed", stays.texts, ["1", "2"])
    })
  }
]
