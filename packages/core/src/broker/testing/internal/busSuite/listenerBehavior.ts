/** Listeners that throw, block, publish and subscribe. */
import { Effect, Exit, Scope } from "effect"
import { check, equal, numbered } from "../harness/assertions.ts"
import type { BusCase } from "./busCase.ts"
import { ListenerLog } from "./listenerLog.ts"

/** Blocks the thread. */
const block = (millis: number): void => {
  const end = performance.now() + millis
  while (performance.now() < end);
}

export const listenerBehavior: ReadonlyArray<BusCase> = [
  {
    name: "an exception of a listener affects neither other listeners nor later messages",
    quiet: true,
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b] = yield* run.connections(2)
      const channel = messages.queueChannel("News")
      let thrown = 0
      const throwing = (): void => {
        thrown++
        throw new Error("a listener of the suite throws on purpose")
      }
      yield* messages.subscribe(b, channel, throwing)
      const sameChannel = yield* messages.listen(b, channel)
      const member = yield* messages.listen(b, channel, { queue: true })
      const otherChannel = yield* messages.listen(b, messages.plainChannel("Other"))
      for (const text of ["1", "2", "3"]) {
        messages.publish(a, channel, text)
        messages.publish(a, messages.plainChannel("Other"), text)
      }
      for (const log of [sameChannel, member, otherChannel]) {
        yield* messages.waitForCount(log, 3)
        // a queue does not keep the order
        const texts = log === member ? log.texts.toSorted() : log.texts
        yield* equal("messages of another listener", texts, ["1", "2", "3"])
      }
      yield* equal("messages of the throwing listener", thrown, 3)
      yield* check(b.failure() === undefined, `failure() returned an error: ${b.failure()?.message}`)
    })
  },
  {
    name: "a listener that blocks the thread loses no message of other listeners",
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b] = yield* run.connections(2)
      const channel = messages.plainChannel("News")
      let blocked = 0
      yield* messages.subscribe(b, channel, () => {
        // the first messages of each burst
        if (blocked++ % 100 < 2) block(50)
      })
      const same = yield* messages.listen(b, channel)
      const other = yield* messages.listen(b, messages.plainChannel("Other"))
      const member = yield* messages.listen(b, messages.queueChannel("Work"), { queue: true })
      const texts = numbered(300)
      for (const [i, text] of texts.entries()) {
        messages.publish(a, channel, text)
        messages.publish(a, messages.plainChannel("Other"), text)
        messages.publish(a, messages.queueChannel("Work"), text)
        if (i % 100 === 99) yield* run.turn
      }
      for (const log of [same, other, member]) {
        yield* messages.waitForCount(log, texts.length)
        yield* equal("messages of another listener", log.texts.toSorted(), texts.toSorted())
      }
      yield* equal("messages of the blocking listener", blocked, texts.length)
    })
  },
  {
    name: "a listener can publish",
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b] = yield* run.connections(2)
      const ping = messages.plainChannel("Ping")
      const pong = messages.plainChannel("Pong")
      const sendPing = messages.sender(a, ping)
      const sendPong = messages.sender(b, pong)
      const pings = new ListenerLog(ping)
      const pongs = new ListenerLog(pong)
      const rounds = 500
      yield* messages.subscribe(b, ping, (message) => {
        pings.listener(message)
        sendPong(pings.texts.at(-1)!)
      })
      yield* messages.subscribe(a, pong, (message) => {
        pongs.listener(message)
        if (pongs.count < rounds) sendPing(String(pongs.count))
      })
      sendPing("0")
      yield* messages.waitForCount(pongs, rounds, "round trips")
      const texts = numbered(rounds)
      yield* equal("pings", pings.texts, texts)
      yield* equal("pongs", pongs.texts, texts)
    })
  },
  {
    name: "a listener can subscribe, and unsubscribe itself and others",
    body: Effect.fnUntraced(function* (run, messages) {
      const [a, b] = yield* run.connections(2)
      const channel = messages.plainChannel("News")
      const own = yield* run.closable
      const others = yield* run.closable
      const made = yield* run.closable
      const runFork = Effect.runForkWith(yield* Effect.context<never>())
      const self = new ListenerLog(channel)
      const added = new ListenerLog(channel)
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
      yield* Scope.provide(messages.subscribe(b, channel, first), own.scope)
      const other = yield* Scope.provide(messages.listen(b, channel), others.scope)
      const stays = yield* messages.listen(b, channel)
      messages.publish(a, channel, "1")
      yield* run.waitUntil("the listener's changes to be made", () => changed === 3)
      yield* equal("failures", failures, [])
      for (const log of [self, other]) messages.expectNoMore(log)
      messages.publish(a, channel, "2")
      yield* messages.waitForText(stays, "2")
      yield* messages.waitForText(added, "2")
      yield* equal("messages of the listener that unsubscribed itself", self.texts, ["1"])
      // the bus decides which of the two listeners is called first
      yield* equal(
        "later messages of the listener that it unsubscribed",
        other.texts.filter((text) => text !== "1"),
        []
      )
      yield* check(
        other.count <= 1,
        `the listener that it unsubscribed received the first message ${other.count} times`
      )
      yield* equal("messages of the listener that stayed", stays.texts, ["1", "2"])
    })
  }
]
