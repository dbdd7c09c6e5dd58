import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Faulty from "../../../src/testing/FaultyMessageBus.ts"
import { listening, pass } from "./recordedFaultyBus.ts"

describe("combinators", () => {
  const message = (index: number, type: string): Faulty.Message => ({ channel: "c", type, index, indexOfType: index })
  const request = message(0, "Request")

  it("all: delays add up, copies multiply, and a lost message stays lost", () => {
    const fault = Faulty.all(
      Faulty.latency(5),
      Faulty.delay(10),
      () => undefined,
      Faulty.latency(1),
      Faulty.duplicate({ after: 100 }),
      Faulty.duplicate()
    )(request)
    assert.deepInclude(fault, { latency: 6, copies: [10, 10, 110, 110] })
    assert.deepInclude(Faulty.all(Faulty.duplicate(), Faulty.lose, Faulty.delay(1))(request), { copies: [] })
    assert.isUndefined(Faulty.all(() => undefined)(request))
    assert.isUndefined(Faulty.all()(request))
  })

  it("first: the first fault that is defined", () => {
    const faults = Faulty.first(
      Faulty.when(({ index }) => index === 1, Faulty.lose),
      Faulty.ofType("Response", Faulty.delay(1)),
      Faulty.none
    )
    assert.strictEqual(faults(message(1, "Response")), Faulty.lose)
    assert.deepInclude(faults(message(2, "Response")), { copies: [1] })
    assert.strictEqual(faults(message(2, "Request")), Faulty.none)
    assert.isUndefined(Faulty.first()(request))
  })

  it("when and ofType: no fault for other messages", () => {
    assert.isUndefined(Faulty.ofType("Response", Faulty.lose)(request))
    assert.strictEqual(Faulty.ofType("Request", () => Faulty.lose)(request), Faulty.lose)
    assert.isUndefined(Faulty.when(() => false, Faulty.lose)(request))
  })
})

describe("random faults", () => {
  const messages = Array.from({ length: 20_000 }, (_, index) => ({
    channel: "c",
    type: "t",
    index,
    indexOfType: index
  }))
  const options = { lose: 0.1, duplicate: 0.2, delay: ["10 millis", "50 millis"], latency: [0, 2] } as const
  const of = (seed: number, more: Partial<Faulty.RandomOptions> = {}) =>
    messages.map(Faulty.random({ seed, ...options, ...more }))

  it("have the requested frequencies and delays", () => {
    for (const seed of [1, 2, -7, 2 ** 40]) {
      const faults = of(seed)
      const share = (predicate: (fault: Faulty.Fault) => boolean) => faults.filter(predicate).length / faults.length
      assert.closeTo(
        share(({ copies }) => copies.length === 0),
        0.1,
        0.01
      )
      assert.closeTo(
        share(({ copies }) => copies.length === 2),
        0.9 * 0.2,
        0.01
      )
      const delays = faults.flatMap(({ copies }) => copies)
      assert.isTrue(delays.every((delay) => delay >= 10 && delay <= 50))
      assert.closeTo(delays.reduce((a, b) => a + b) / delays.length, 30, 0.5)
      assert.isAbove(delays.filter((delay) => delay > 45).length / delays.length, 0.1)
      assert.closeTo(faults.reduce((sum, { latency }) => sum + latency, 0) / faults.length, 1, 0.03)
      for (const { copies } of faults)
        assert.deepStrictEqual(
          [...copies],
          copies.toSorted((a, b) => a - b)
        )
    }
  })

  it("are the same for the same seed in any order, and differ for another seed", () => {
    assert.deepStrictEqual(of(1), of(1))
    assert.notDeepEqual(of(1), of(2))
    assert.notDeepEqual(of(1), of(1 + 2 ** 32))
    const random = Faulty.random({ seed: 1, ...options })
    const backwards = messages.toReversed().map((message) => random(message))
    assert.deepStrictEqual(backwards.toReversed(), of(1))
  })

  it("another kind of fault leaves the choices of the others unchanged", () => {
    const lost = (faults: ReadonlyArray<Faulty.Fault>) =>
      faults.flatMap(({ copies }, i) => (copies.length === 0 ? [i] : []))
    assert.deepStrictEqual(lost(of(1)), lost(of(1, { duplicate: 0, latency: undefined, delay: [0, 1] })))
  })

  it.effect("lose and duplicate the decided messages, and report to every publisher", () =>
    Effect.gen(function* () {
      const { arrived, bus, send, reports } = yield* listening(Faulty.random({ seed: 3, ...options }))
      for (let i = 0; i < 500; i++) {
        send(String(i % 10))
        yield* TestClock.adjust(1)
      }
      yield* pass(1000)
      assert.strictEqual(reports.length, 500)
      const copies = bus.records.reduce((sum, { sentAt }) => sum + sentAt.length, 0)
      assert.strictEqual(arrived.length, copies)
      assert.strictEqual(
        copies,
        bus.records.reduce((sum, { fault }) => sum + fault.copies.length, 0)
      )
      assert.isAbove(bus.records.filter(({ outcome }) => outcome === "lost").length, 20)
    })
  )
})
