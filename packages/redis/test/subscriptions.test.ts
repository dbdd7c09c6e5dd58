import { live, until } from "@effect-psrpc/bus-tests"
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { RedisIdentity } from "../src/internal/connection/redisIdentity.ts"
import { BusRuntime } from "@effect-psrpc/core/broker"
import { Subscriptions } from "../src/internal/receiving/subscriptions.ts"

/** A client whose replies the test controls. */
const played = Effect.gen(function* () {
  const asked: Array<{ readonly names: ReadonlyArray<string>; answer(error?: Error): void }> = []
  const client = {
    status: "ready",
    subscribe: (...names: Array<string>) =>
      new Promise<void>((resolve, reject) =>
        asked.push({ names, answer: (error) => (error === undefined ? resolve() : reject(error)) })
      ),
    unsubscribe: () => new Promise<void>(() => {})
  }
  const subscriptions = new Subscriptions(client, new RedisIdentity("here", []), yield* BusRuntime.make)
  let restored = 0
  subscriptions.onRestored = () => void restored++
  const acknowledged = Effect.fnUntraced(function* (...names: Array<string>) {
    for (const name of names) {
      subscriptions.retain(name)
      const fiber = yield* Effect.forkChild(subscriptions.acknowledged(name), { startImmediately: true })
      asked.pop()!.answer()
      yield* Fiber.join(fiber)
    }
  })
  const reconnect = (): void => {
    client.status = "close"
    subscriptions.connectionLost()
    assert.isFalse(subscriptions.isComplete)
    assert.include(subscriptions.problem, "is down")
    client.status = "ready"
    subscriptions.restore()
  }
  return { client, subscriptions, asked, acknowledged, reconnect, restored: () => restored }
})

const refused = new Error("NOPERM not this one")

describe("a subscribing connection", () => {
  live("is complete when every channel is acknowledged again, and not before", () =>
    Effect.gen(function* () {
      const { acknowledged, asked, reconnect, restored, subscriptions } = yield* played
      subscriptions.retain("new")
      assert.isTrue(subscriptions.isComplete)
      asked.pop()!.answer()
      yield* acknowledged("a", "b")
      reconnect()
      assert.isFalse(subscriptions.isComplete)
      assert.include(subscriptions.problem, "but not all of its subscriptions")
      const early = asked.pop()!
      // lost again before the reply: the reply does not count any more
      reconnect()
      early.answer()
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      assert.isFalse(subscriptions.isComplete)
      assert.deepStrictEqual(asked[0]!.names, ["new", "a", "b"])
      asked.pop()!.answer()
      yield* until(() => subscriptions.isComplete, "they are complete")
      assert.strictEqual(restored(), 1)
    })
  )

  live("does not wait for a channel that is refused, ended or new, nor without channels", () =>
    Effect.gen(function* () {
      const { acknowledged, asked, reconnect, restored, subscriptions } = yield* played
      reconnect()
      assert.isTrue(subscriptions.isComplete)
      assert.strictEqual(restored(), 1)
      yield* acknowledged("refused", "left")
      reconnect()
      subscriptions.retain("new")
      asked.shift()!.answer(refused)
      // Redis refuses the whole request for one channel: now each is requested by itself
      yield* until(() => asked.length === 3, "each is asked for")
      asked.find(({ names }) => names.join() === "refused")!.answer(refused)
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      assert.isFalse(subscriptions.isComplete)
      yield* Effect.forkChild(subscriptions.release("left"), { startImmediately: true })
      assert.isTrue(subscriptions.isComplete)
      assert.strictEqual(restored(), 2)
    })
  )

  live("repeats a request that failed in the client, and is complete then", () =>
    Effect.gen(function* () {
      const { acknowledged, asked, reconnect, subscriptions } = yield* played
      yield* acknowledged("a")
      reconnect()
      asked.pop()!.answer(new Error("Command timed out"))
      yield* until(() => asked.length === 1, "it is asked for again")
      assert.isFalse(subscriptions.isComplete)
      asked.pop()!.answer()
      yield* until(() => subscriptions.isComplete, "they are complete")
    })
  )

  live("that was replaced without an event is not complete until it is subscribed again", () =>
    Effect.gen(function* () {
      const { acknowledged, asked, subscriptions } = yield* played
      yield* acknowledged("a")
      subscriptions.replaced()
      assert.isFalse(subscriptions.isComplete)
      asked.pop()!.answer()
      yield* until(() => subscriptions.isComplete, "they are complete")
    })
  )
})
