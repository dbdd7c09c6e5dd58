import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { BusRuntime, type Limits, Outbox, Peer } from "../../src/broker/index.ts"
import type { PsrpcError } from "../../src/index.ts"

class TestPeer extends Peer.Peer {
  override reasonOf(error: unknown): string {
    return this.redact(String(error))
  }
}

/** A message, and what became of it. */
class Item implements Outbox.Outgoing {
  readonly target: Outbox.Outgoing["target"]
  readonly message: Uint8Array
  readonly expiry: number
  readonly seq: number
  unheard = false
  isAttempt = false
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

/** An outbox on a connection that the test holds in its hands. */
const make = Effect.fnUntraced(function* (limits: Partial<Limits.Limits> = {}) {
  const runtime = yield* BusRuntime.make
  const state = { isUp: true, mayBeHeard: false, isHeard: true, capacity: Infinity }
  const sent: Array<number> = []
  let seq = 0
  const outbox: Outbox.Outbox<Item> = new Outbox.Outbox({
    peer: new TestPeer("broker", "here", []),
    runtime,
    limits: { maxHeldMessages: 5, maxHeldBytes: 50, maxPayload: 20, ...limits },
    takes: () => state.isUp && sent.length < state.capacity,
    why: () => "the connection is down",
    mayBeHeard: () => state.mayBeHeard,
    send: (item) => {
      sent.push(item.seq)
      if (!state.isHeard && outbox.keep(item)) return
      if (state.isHeard) outbox.answered(item, true)
      item.delivery.delivered(state.isHeard ? 1 : 0)
    }
  })
  const publish = (name: string, options: { readonly lifetime?: number; readonly size?: number } = {}): Item => {
    const item = new Item(name, seq++, runtime.now() + (options.lifetime ?? 10_000), options.size ?? 1)
    outbox.publish(item)
    return item
  }
  return { outbox, publish, sent, state }
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
      const { outbox, publish, sent, state } = yield* make()
      publish("a")
      state.isUp = false
      const waiting = [publish("a"), publish("b"), publish("a")]
      assert.deepStrictEqual(sent, [0])
      state.isUp = true
      outbox.resume()
      assert.deepStrictEqual(sent, [0, 1, 2, 3])
      assert.deepStrictEqual(
        waiting.map(({ fates }) => fates),
        [[1], [1], [1]]
      )
    })
  )

  it.effect("stay where the connection takes only some, and what comes then waits behind them", () =>
    Effect.gen(function* () {
      const { outbox, publish, sent, state } = yield* make()
      state.capacity = 2
      for (let i = 0; i < 4; i++) publish("a")
      assert.deepStrictEqual(sent, [0, 1])
      state.capacity = 3
      outbox.resume()
      publish("a")
      state.capacity = Infinity
      outbox.resume()
      assert.deepStrictEqual(sent, [0, 1, 2, 3, 4])
    })
  )

  it.effect("are told when they expire, and not sent later", () =>
    Effect.gen(function* () {
      const { outbox, publish, sent, state } = yield* make()
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
      assert.strictEqual(error.message, "broker at here: the connection is down")
      yield* TestClock.adjust(100)
      errorOf(late)
      state.isUp = true
      outbox.resume()
      assert.deepStrictEqual(sent, [])
    })
  )

  it.effect("that nobody wants any more are gone without a word, and make room", () =>
    Effect.gen(function* () {
      const { outbox, publish, sent, state } = yield* make({ maxHeldMessages: 2 })
      state.isUp = false
      const items = [publish("a"), publish("a")]
      items[0]!.isWanted = false
      const third = publish("a")
      state.isUp = true
      outbox.resume()
      assert.deepStrictEqual(sent, [1, 2])
      assert.deepStrictEqual(items[0]!.fates, [])
      assert.deepStrictEqual(third.fates, [1])
    })
  )

  it.effect("are as many as there is room for, in messages and in bytes, and one alone may be too large", () =>
    Effect.gen(function* () {
      const { outbox, publish, sent, state } = yield* make()
      const large = errorOf(publish("a", { size: 21 }))
      assert.strictEqual(large.reason, "too_large")
      assert.include(large.message, "21 bytes is larger than maxPayload, 20")
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
      outbox.resume()
      assert.deepStrictEqual(sent, [1, 2, 4, 5, 6])
    })
  )

  it.effect("are put back at their place", () =>
    Effect.gen(function* () {
      const { outbox, publish, sent, state } = yield* make()
      const first = publish("a")
      state.isUp = false
      publish("a")
      outbox.putBack([first])
      state.isUp = true
      outbox.resume()
      assert.deepStrictEqual(sent, [0, 0, 1])
    })
  )

  it.effect("are all told the end", () =>
    Effect.gen(function* () {
      const { outbox, publish, sent, state } = yield* make()
      state.isHeard = false
      state.mayBeHeard = true
      const unheard = publish("a")
      state.isUp = false
      const held = publish("b")
      const end = new TestPeer("broker", "here", []).unreachable("the bus is closed", false)
      outbox.end(end)
      assert.deepStrictEqual([unheard.fates, held.fates], [[end], [end]])
      state.isUp = true
      outbox.resume()
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(sent, [0])
    })
  )
})

describe("messages that nobody has heard", () => {
  it.effect("are told so at once where that proves that nobody listens", () =>
    Effect.gen(function* () {
      const { publish, state } = yield* make()
      state.isHeard = false
      assert.deepStrictEqual(publish("a").fates, [0])
    })
  )

  it.effect("are tried every 50 milliseconds until somebody hears, and those behind them follow in order", () =>
    Effect.gen(function* () {
      const { publish, sent, state } = yield* make()
      state.isHeard = false
      state.mayBeHeard = true
      const items = [publish("a"), publish("a"), publish("a")]
      assert.deepStrictEqual(sent, [0])
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(sent, [0, 0, 0])
      state.isHeard = true
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
      state.isHeard = false
      state.mayBeHeard = true
      const items = [publish("a"), publish("a")]
      state.mayBeHeard = false
      yield* TestClock.adjust(50)
      assert.deepStrictEqual(sent, [0, 0, 1])
      for (const { fates } of items) assert.deepStrictEqual(fates, [0])
    })
  )

  it.effect("are told so before they expire, and those behind them that they were never sent", () =>
    Effect.gen(function* () {
      const { publish, state } = yield* make()
      state.isHeard = false
      state.mayBeHeard = true
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
      const { publish, state } = yield* make({ maxHeldMessages: 2 })
      state.isHeard = false
      state.mayBeHeard = true
      publish("a")
      publish("a")
      assert.strictEqual(errorOf(publish("a")).reason, "overflow")
    })
  )
})
