import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { BrokerIdentity, BusRuntime, type Limits, SendQueue } from "../../src/broker/index.ts"
import type { PsrpcError } from "../../src/index.ts"

class TestBroker extends BrokerIdentity.BrokerIdentity {
  override reasonOf(error: unknown): string {
    return this.redact(String(error))
  }
}

/** A message and its outcome. */
class Item implements SendQueue.QueuedMessage {
  readonly target: SendQueue.QueuedMessage["target"]
  readonly message: Uint8Array
  readonly expiry: number
  readonly seq: number
  hadNoListeners = false
  isRetry = false
  isWanted = true
  readonly fates: Array<number | PsrpcError.PsrpcError> = []
  readonly delivery = {
    wanted: () => this.isWanted,
    delivered: (receivers: number) => void this.fates.push(receivers),
    undelivered: (error: PsrpcError.PsrpcError) => void this.fates.push(error)
  }

  constructor(name: string, seq: number, expiry: number, size: number) {
    this.target = { name, tail: new Uint8Array(0), unique: false }
    this.seq = seq
    this.expiry = expiry
    this.message = new Uint8Array(size)
  }
}

/** A send queue on a connection that the test controls. */
const make = Effect.fnUntraced(function* (limits: Partial<Limits.Limits> = {}) {
  const runtime = yield* BusRuntime.make
  const state = { isUp: true, mayHaveListeners: false, hasListeners: true, capacity: Infinity }
  const sent: Array<number> = []
  let seq = 0
  const queue: SendQueue.SendQueue<Item> = new SendQueue.SendQueue({
    broker: new TestBroker("broker", "here", []),
    runtime,
    limits: { maxBufferedMessages: 5, maxBufferedBytes: 50, maxPayload: 20, ...limits },
    canSend: () => state.isUp && sent.length < state.capacity,
    blockedBy: () => "the connection is down",
    mayHaveListeners: () => state.mayHaveListeners,
    send: (item) => {
      sent.push(item.seq)
      if (!state.hasListeners && queue.retryLater(item)) return
      if (state.hasListeners) queue.settled(item, true)
      item.delivery.delivered(state.hasListeners ? 1 : 0)
    }
  })
  const publish = (name: string, options: { readonly lifetime?: number; readonly size?: number } = {}): Item => {
    const item = new Item(name, seq++, runtime.now() + (options.lifetime ?? 10_000), options.size ?? 1)
    queue.publish(item)
    return item
  }
  return { queue, publish, sent, state }
})

/** The only fate of a message, which is an error. */
const errorOf = ({ fates }: Item): PsrpcError.PsrpcError => {
  assert.strictEqual(fates.length, 1)
  const [fate] = fates
  if (typeof fate !== "object") throw new Error(`no error: ${fate}`)
  return fate
}

describe("messages that cannot leave yet", () => {
  it.effect("leave in order when the connection is back, and those of a connection that works at once", () =>
    Effect.gen(function* () {
      const { queue, publish, sent, state } = yield* make()
      publish("a")
      state.isUp = false
      const waiting = [publish("a"), publish("b"), publish("a")]
      assert.deepStrictEqual(sent, [0])
      state.isUp = true
      queue.resume()
      assert.deepStrictEqual(sent, [0, 1, 2, 3])
      assert.deepStrictEqual(
        waiting.map(({ fates }) => fates),
        [[1], [1], [1]]
      )
    })
  )

  it.effect("stay where the connection takes only some, and what comes then waits behind them", () =>
    Effect.gen(function* () {
      const { queue, publish, sent, state } = yield* make()
      state.capacity = 2
      for (let i = 0; i < 4; i++) publish("a")
      assert.deepStrictEqual(sent, [0, 1])
      state.capacity = 3
      queue.resume()
      publish("a")
      state.capacity = Infinity
      queue.resume()
      assert.deepStrictEqual(sent, [0, 1, 2, 3, 4])
    })
  )

  it.effect("are told when they expire, and not sent later", () =>
    Effect.gen(function* () {
      const { queue, publish, sent, state } = yield* make()
      state.isUp = false
      const late = publish("a", { lifetime: 200 })
      const early = publish("a", { lifetime: 100 })
      yield* TestClock.adjust(99)
      assert.deepStrictEqual([early.fates, late.fates], [[], []])
      yield* TestClock.adjust(1)
      const error = errorOf(early)
      assert.strictEqual(error.code, "unavailable")
      assert.strictEqual(error.reason, "connection")
      assert.isFalse(error.mayHaveRun)
      assert.strictEqual(error.message, "broker at here: a message expired in the send queue: the connection is down")
      yield* TestClock.adjust(100)
      errorOf(late)
      state.isUp = true
      queue.resume()
      assert.deepStrictEqual(sent, [])
    })
  )

  it.effect("that nobody wants any more are gone without a word, and make room", () =>
    Effect.gen(function* () {
      const { queue, publish, sent, state } = yield* make({ maxBufferedMessages: 2 })
      state.isUp = false
      const items = [publish("a"), publish("a")]
      items[0]!.isWanted = false
      const third = publish("a")
      state.isUp = true
      queue.resume()
      assert.deepStrictEqual(sent, [1, 2])
      assert.deepStrictEqual(items[0]!.fates, [])
      assert.deepStrictEqual(third.fates, [1])
    })
  )

  it.effect("are as many as there is room for, in messages and in bytes, and one alone may be too large", () =>
    Effect.gen(function* () {
      const { queue, publish, sent, state } = yield* make()
      const large = errorOf(publish("a", { size: 21 }))
      assert.strictEqual(large.reason, "too_large")
      assert.include(large.message, "21 bytes to a is larger than the bus's maxPayload of 20 bytes")
      state.isUp = false
      for (let i = 0; i < 2; i++) publish("a", { size: 20 })
      const bytes = errorOf(publish("a", { size: 11 }))
      for (let i = 0; i < 3; i++) publish("a")
      const count = errorOf(publish("a"))
      for (const error of [bytes, count]) {
        assert.strictEqual(error.code, "resource_exhausted")
        assert.strictEqual(error.reason, "overflow")
        assert.isFalse(error.mayHaveRun)
      }
      state.isUp = true
      queue.resume()
      assert.deepStrictEqual(sent, [1, 2, 4, 5, 6])
    })
  )

  it.effect("are put back at their place", () =>
    Effect.gen(function* () {
      const { queue, publish, sent, state } = yield* make()
      const first = publish("a")
      state.isUp = false
      publish("a")
      queue.putBack([first])
      state.isUp = true
      queue.resume()
      assert.deepStrictEqual(sent, [0, 0, 1])
    })
  )

  it.effect("are all told the end", () =>
    Effect.gen(function* () {
      const { queue, publish, sent, state } = yield* make()
      state.hasListeners = false
      state.mayHaveListeners = true
      const unanswered = publish("a")
      state.isUp = false
      const buffered = publish("b")
      const end = new TestBroker("broker", "here", []).unreachable("the bus is closed", false)
      queue.failAll(end)
      assert.deepStrictEqual([unanswered.fates, buffered.fates], [[end], [end]])
      state.isUp = true
      queue.resume()
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(sent, [0])
    })
  )
})

describe("messages that nobody has heard", () => {
  it.effect("are told so at once where that proves that nobody listens", () =>
    Effect.gen(function* () {
      const { publish, state } = yield* make()
      state.hasListeners = false
      assert.deepStrictEqual(publish("a").fates, [0])
    })
  )

  it.effect("are tried every 50 milliseconds until somebody hears, and those behind them follow in order", () =>
    Effect.gen(function* () {
      const { publish, sent, state } = yield* make()
      state.hasListeners = false
      state.mayHaveListeners = true
      const items = [publish("a"), publish("a"), publish("a")]
      assert.deepStrictEqual(sent, [0])
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(sent, [0, 0, 0])
      state.hasListeners = true
      assert.deepStrictEqual(publish("b").fates, [1])
      yield* TestClock.adjust(50)
      assert.deepStrictEqual(sent, [0, 0, 0, 3, 0, 1, 2])
      for (const { fates } of items) assert.deepStrictEqual(fates, [1])
      publish("a")
      assert.strictEqual(sent.at(-1), 4)
    })
  )

  it.effect("are told so when the time for that is over, each by an answer of its own", () =>
    Effect.gen(function* () {
      const { publish, sent, state } = yield* make()
      state.hasListeners = false
      state.mayHaveListeners = true
      const items = [publish("a"), publish("a")]
      state.mayHaveListeners = false
      yield* TestClock.adjust(50)
      assert.deepStrictEqual(sent, [0, 0, 1])
      for (const { fates } of items) assert.deepStrictEqual(fates, [0])
    })
  )

  it.effect("are told so before they expire, and those behind them that they were never sent", () =>
    Effect.gen(function* () {
      const { publish, state } = yield* make()
      state.hasListeners = false
      state.mayHaveListeners = true
      const tried = publish("a", { lifetime: 120 })
      const behind = publish("a", { lifetime: 120 })
      yield* TestClock.adjust(120)
      assert.deepStrictEqual(tried.fates, [0])
      const error = errorOf(behind)
      assert.strictEqual(error.reason, "no_listeners")
      assert.isFalse(error.mayHaveRun)
    })
  )

  it.effect("count as held, and what finds no room behind them is told so", () =>
    Effect.gen(function* () {
      const { publish, state } = yield* make({ maxBufferedMessages: 2 })
      state.hasListeners = false
      state.mayHaveListeners = true
      publish("a")
      publish("a")
      assert.strictEqual(errorOf(publish("a")).reason, "overflow")
    })
  )
})
