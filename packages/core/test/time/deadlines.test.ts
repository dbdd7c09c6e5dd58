import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Context, Duration, Effect, Exit, Fiber, Logger, Scheduler, Scope, Tracer } from "effect"
import { TestClock } from "effect/testing"
import * as Deadlines from "../../src/internal/time/deadlines.ts"
import { countingClock } from "../helpers/clocks.ts"

interface Entry extends Deadlines.Timed {
  readonly name: string
}

/** Entries that write down when they expire. */
const recorder = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const log: Array<string> = []
  const entry = (name: string, expired: () => void = () => {}): Entry => ({
    name,
    slot: -1,
    due: 0,
    seq: 0,
    expired() {
      log.push(`${name}@${clock.currentTimeMillisUnsafe()}`)
      expired()
    }
  })
  return { log, entry }
})

/** The heap's invariant, seen from outside: everybody's slot is theirs alone. */
const assertSlots = (entries: ReadonlyArray<Entry>, size: number): void => {
  const slots = entries.filter((entry) => entry.slot !== -1).map((entry) => entry.slot)
  assert.deepStrictEqual(
    slots.sort((a, b) => a - b),
    Array.from({ length: size }, (_, i) => i)
  )
}

describe("deadlines", () => {
  it.effect("a deadline of 30 ms passes at 30 ms and not at 29", () =>
    Effect.gen(function* () {
      const { entry, log } = yield* recorder
      const deadlines = yield* Deadlines.make
      deadlines.add(entry("a"), 30)
      yield* TestClock.adjust(29)
      assert.deepStrictEqual(log, [])
      assert.strictEqual(deadlines.size, 1)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(log, ["a@30"])
      assert.strictEqual(deadlines.size, 0)
    })
  )

  it.effect("fractions of a millisecond count", () =>
    Effect.gen(function* () {
      const { entry, log } = yield* recorder
      const deadlines = yield* Deadlines.make
      deadlines.add(entry("half"), 30.5)
      deadlines.add(entry("third"), 1 / 3)
      yield* TestClock.adjust(0.25)
      assert.deepStrictEqual(log, [])
      yield* TestClock.adjust(0.125)
      assert.strictEqual(log.length, 1)
      yield* TestClock.adjust(30)
      assert.strictEqual(log.length, 1)
      yield* TestClock.adjust(0.125)
      assert.deepStrictEqual(
        log.map((line) => line.split("@")[0]),
        ["third", "half"]
      )
      assert.strictEqual(log[1], "half@30.5")
    })
  )

  it.effect.each([0, 12_345, 1e10, 1_789_000_000_123, 1_789_007_777_900])(
    "deadlines are exact at every time of day, whichever others there are: %d",
    (start) =>
      Effect.gen(function* () {
        yield* TestClock.setTime(start)
        const { entry, log } = yield* recorder
        const deadlines = yield* Deadlines.make
        for (const step of [1, 7, 0.7, 0.3, 0.1, 1.1, 0.025]) {
          const from = yield* Clock.currentTimeMillis
          for (let i = 1; i <= 50; i++) deadlines.add(entry(`${i * step}`), i * step)
          yield* TestClock.adjust(50 * step)
          assert.strictEqual(deadlines.size, 0)
          for (const line of log.splice(0)) {
            const [delay, time] = line.split("@").map(Number)
            // else to the nanosecond, or as fine as such a number is
            if (Number.isInteger(step) && Number.isInteger(from)) assert.strictEqual(time! - from, delay)
            else assert.closeTo(time! - from, delay!, from < 1e6 ? 2e-6 : 1e-3)
          }
          yield* TestClock.setTime(Math.ceil(from + 1000))
        }
      })
  )

  it.effect("a single deadline passes on the millisecond at any time of day", () =>
    Effect.gen(function* () {
      const { entry, log } = yield* recorder
      const deadlines = yield* Deadlines.make
      for (let i = 0; i < 50; i++) {
        const start = 1_789_000_000_123 + i * 7_777_777
        yield* TestClock.setTime(start)
        deadlines.add(entry(""), 30)
        yield* TestClock.adjust(29)
        assert.deepStrictEqual(log, [])
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(log.splice(0), [`@${start + 30}`])
      }
    })
  )

  it.effect(
    "a timer that sleeps for a deadline long gone wakes for one that is sooner, and not for one that is later",
    () =>
      Effect.gen(function* () {
        const { counted, counts } = yield* countingClock
        const { entry, log } = yield* recorder
        const deadlines = yield* Deadlines.make.pipe(Effect.provideService(Clock.Clock, counted))
        const gone = entry("gone")
        deadlines.add(gone, 100)
        yield* TestClock.adjust(70)
        deadlines.delete(gone)
        deadlines.add(entry("later"), 50) // at 120
        assert.strictEqual(counts.started, 1)
        deadlines.add(entry("sooner"), 20) // at 90
        assert.strictEqual(counts.started, 2)
        yield* TestClock.adjust(100)
        assert.deepStrictEqual(log, ["sooner@90", "later@120"])
        assert.strictEqual(counts.most, 1)
      })
  )

  it.effect("in one big step everything expires in its order, at its own time", () =>
    Effect.gen(function* () {
      const { entry, log } = yield* recorder
      const deadlines = yield* Deadlines.make
      for (const delay of [50, 10, 30, 20, 40]) deadlines.add(entry(`${delay}`), delay)
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual(log, ["10@10", "20@20", "30@30", "40@40", "50@50"])
    })
  )

  it.effect("equal deadlines expire in the order in which they were added, a moved one as if added then", () =>
    Effect.gen(function* () {
      const { entry, log } = yield* recorder
      const deadlines = yield* Deadlines.make
      const entries = Array.from({ length: 40 }, (_, i) => entry(`${i}`))
      for (const one of entries) deadlines.add(one, 5)
      deadlines.move(entries[3]!, 5)
      deadlines.add(entries[0]!, 5)
      yield* TestClock.adjust(5)
      const order = [1, 2, ...Array.from({ length: 36 }, (_, i) => i + 4), 3, 0]
      assert.deepStrictEqual(
        log,
        order.map((i) => `${i}@5`)
      )
    })
  )

  it.effect("a deleted deadline is out at once and never passes", () =>
    Effect.gen(function* () {
      const { entry, log } = yield* recorder
      const deadlines = yield* Deadlines.make
      const [a, b] = [entry("a"), entry("b")]
      deadlines.add(a, 10)
      deadlines.add(b, 20)
      assert.isTrue(deadlines.delete(a))
      assert.isFalse(deadlines.delete(a))
      assert.strictEqual(deadlines.size, 1)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(log, ["b@20"])
      assert.isFalse(deadlines.delete(b))
      deadlines.add(a, 10)
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(log, ["b@20", "a@110"])
    })
  )

  it.effect("a deadline can be moved forwards and backwards, and only while it is pending", () =>
    Effect.gen(function* () {
      const { entry, log } = yield* recorder
      const deadlines = yield* Deadlines.make
      const [a, b] = [entry("a"), entry("b")]
      deadlines.add(a, 10)
      deadlines.add(b, 50)
      yield* TestClock.adjust(5)
      assert.isTrue(deadlines.move(a, 30))
      assert.isTrue(deadlines.move(b, 3))
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(log, ["b@8", "a@35"])
      assert.isFalse(deadlines.move(a, 1))
      assert.strictEqual(deadlines.size, 0)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(log, ["b@8", "a@35"])
    })
  )

  it.effect("a deadline can be moved to a time reckoned from another", () =>
    Effect.gen(function* () {
      const { entry, log } = yield* recorder
      const deadlines = yield* Deadlines.make
      const [a, b] = [entry("a"), entry("b")]
      deadlines.add(a, 10)
      const end = a.due + 20 * 1e6
      yield* TestClock.adjust(5)
      assert.isTrue(deadlines.moveTo(a, end))
      deadlines.add(b, 20)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(log, ["b@25", "a@30"])
      assert.isFalse(deadlines.moveTo(a, end))
      deadlines.add(a, Infinity)
      deadlines.add(b, 10)
      assert.isTrue(deadlines.moveTo(b, a.due + (Infinity - Infinity)))
      yield* TestClock.adjust(100)
      assert.strictEqual(deadlines.size, 2)
    })
  )

  it.effect("an entry of another timer is not taken for one's own", () =>
    Effect.gen(function* () {
      const { entry, log } = yield* recorder
      const one = yield* Deadlines.make
      const other = yield* Deadlines.make
      const [a, b] = [entry("a"), entry("b")]
      one.add(a, 10)
      other.add(b, 10)
      assert.isFalse(one.delete(b))
      assert.isFalse(other.move(a, 5))
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(log, ["a@10", "b@10"])
    })
  )

  it.effect("a delay of nothing, less than nothing or NaN passes soon, but never in the call that adds it", () =>
    Effect.gen(function* () {
      const { entry, log } = yield* recorder
      const deadlines = yield* Deadlines.make
      deadlines.add(entry("zero"), 0)
      deadlines.add(entry("negative"), -5)
      deadlines.add(entry("nan"), NaN)
      assert.deepStrictEqual(log, [])
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(log, ["zero@0", "negative@0", "nan@0"])
    })
  )

  it.effect("an endless deadline waits for ever without a timer, a very long one passes in its time", () =>
    Effect.gen(function* () {
      const { counted, counts } = yield* countingClock
      const { entry, log } = yield* recorder
      const deadlines = yield* Deadlines.make.pipe(Effect.provideService(Clock.Clock, counted))
      const endless = entry("endless")
      deadlines.add(endless, Infinity)
      assert.strictEqual(counts.started, 0)
      deadlines.add(entry("year"), 365 * 86_400_000)
      deadlines.add(entry("later"), 1e300)
      yield* TestClock.adjust("364 days")
      assert.deepStrictEqual(log, [])
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual(log, [`year@${365 * 86_400_000}`])
      assert.strictEqual(deadlines.size, 2)
      assert.isTrue(deadlines.delete(endless))
    })
  )

  it.effect("30 days with nothing pending, or with one deadline far away, wake nobody", () =>
    Effect.gen(function* () {
      const { counted, counts } = yield* countingClock
      const { entry, log } = yield* recorder
      const deadlines = yield* Deadlines.make.pipe(Effect.provideService(Clock.Clock, counted))
      yield* TestClock.adjust("30 days")
      assert.strictEqual(counts.started, 0)
      deadlines.add(entry("far"), 31 * 86_400_000)
      yield* TestClock.adjust("30 days")
      assert.strictEqual(counts.started, 1)
      assert.deepStrictEqual(log, [])
      yield* TestClock.adjust("1 day")
      assert.strictEqual(log.length, 1)
      assert.strictEqual(counts.started, 1)
      assert.strictEqual(counts.pending, 0)
    })
  )

  it.effect("never more than one sleep, none more for a deadline that is deleted or comes later", () =>
    Effect.gen(function* () {
      const { counted, counts } = yield* countingClock
      const { entry, log } = yield* recorder
      const deadlines = yield* Deadlines.make.pipe(Effect.provideService(Clock.Clock, counted))
      for (let i = 0; i < 1000; i++) {
        const one = entry("call")
        deadlines.add(one, 3000)
        deadlines.delete(one)
      }
      assert.strictEqual(counts.started, 1)
      assert.strictEqual(deadlines.size, 0)
      for (let delay = 100; delay > 0; delay--) deadlines.add(entry(`${delay}`), delay) // each earlier than the last
      assert.strictEqual(counts.most, 1)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(log.length, 100)
      assert.deepStrictEqual(log.slice(0, 3), ["1@1", "2@2", "3@3"])
      assert.strictEqual(counts.most, 1)
      assert.strictEqual(counts.pending, 0)
    })
  )

  it.effect("calls that end in time cost one waking per timeout, however many there are", () =>
    Effect.gen(function* () {
      const { counted, counts } = yield* countingClock
      const { entry, log } = yield* recorder
      const deadlines = yield* Deadlines.make.pipe(Effect.provideService(Clock.Clock, counted))
      for (let i = 0; i < 1000; i++) {
        const one = entry("call")
        deadlines.add(one, 3000)
        yield* TestClock.adjust(10)
        deadlines.delete(one)
      }
      assert.deepStrictEqual(log, [])
      assert.isAtMost(counts.started, 5)
    })
  )

  it.effect("what expires may add, move and delete deadlines", () =>
    Effect.gen(function* () {
      const { entry, log } = yield* recorder
      const deadlines = yield* Deadlines.make
      const [victim, moved, next, again] = [entry("victim"), entry("moved"), entry("next"), entry("again")]
      const first = entry("first", () => {
        deadlines.delete(victim)
        deadlines.move(moved, 7)
        deadlines.add(next, 0)
        if (log.length < 2) deadlines.add(again, 3)
      })
      deadlines.add(first, 10)
      deadlines.add(victim, 10)
      deadlines.add(moved, 10)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(log, ["first@10", "next@10", "again@13", "moved@17"])
    })
  )

  it.effect("a deadline that renews itself ticks", () =>
    Effect.gen(function* () {
      const { entry, log } = yield* recorder
      const deadlines = yield* Deadlines.make
      const tick: Entry = entry("tick", () => deadlines.add(tick, 10))
      deadlines.add(tick, 10)
      yield* TestClock.adjust(45)
      assert.deepStrictEqual(log, ["tick@10", "tick@20", "tick@30", "tick@40"])
    })
  )

  it.effect("a deadline that renews itself without delay leaves others their turn", () =>
    Effect.gen(function* () {
      const { entry, log } = yield* recorder
      const deadlines = yield* Deadlines.make
      const tick: Entry = entry("tick", () => deadlines.add(tick, 0))
      deadlines.add(tick, 0)
      for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow
      assert.isTrue(deadlines.delete(tick))
      assert.isAbove(log.length, 1)
      assert.isBelow(log.length, 100)
    })
  )

  it.effect("one that throws does not stop the others, and is logged", () => {
    const logged: Array<unknown> = []
    const logger = Logger.make((options) => {
      logged.push(Cause.squash(options.cause))
    })
    return Effect.gen(function* () {
      const { entry, log } = yield* recorder
      const deadlines = yield* Deadlines.make
      deadlines.add(entry("a"), 10)
      deadlines.add(
        entry("bad", () => {
          throw new Error("boom")
        }),
        10
      )
      deadlines.add(entry("b"), 10)
      deadlines.add(entry("c"), 20)
      yield* TestClock.adjust(20)
      assert.deepStrictEqual(log, ["a@10", "bad@10", "b@10", "c@20"])
      assert.strictEqual(logged.length, 1)
      assert.strictEqual((logged[0] as Error).message, "boom")
    }).pipe(Effect.provide(Logger.layer([logger])))
  })

  it.effect("a wall clock that is put right neither fires a deadline nor holds it up", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let correction = 0
      const corrected: Clock.Clock = {
        ...clock,
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + correction
      }
      const { entry, log } = yield* recorder
      const deadlines = yield* Deadlines.make.pipe(Effect.provideService(Clock.Clock, corrected))
      deadlines.add(entry("a"), 30)
      correction = 3_600_000
      yield* TestClock.adjust(29)
      assert.strictEqual(deadlines.now(), 3_600_029)
      deadlines.add(entry("b"), 30)
      correction = -3_600_000
      assert.deepStrictEqual(log, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(log, ["a@30"])
      yield* TestClock.adjust(29)
      assert.deepStrictEqual(log, ["a@30", "b@59"])
    })
  )

  it.effect("a timer that goes off early, as setTimeout may, does not make a deadline pass early", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const early: Clock.Clock = {
        ...clock,
        sleep: (duration) => clock.sleep(Duration.millis(Math.max(Duration.toMillis(duration) - 0.75, 0.25)))
      }
      const { entry, log } = yield* recorder
      const deadlines = yield* Deadlines.make.pipe(Effect.provideService(Clock.Clock, early))
      deadlines.add(entry("a"), 30)
      yield* TestClock.adjust(60)
      assert.deepStrictEqual(log, ["a@30"])
    })
  )

  it.effect("a timer that goes off late fires all that is overdue, in order", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const late: Clock.Clock = {
        ...clock,
        sleep: (duration) => clock.sleep(Duration.millis(Duration.toMillis(duration) + 15))
      }
      const { entry, log } = yield* recorder
      const deadlines = yield* Deadlines.make.pipe(Effect.provideService(Clock.Clock, late))
      for (const delay of [30, 20, 10, 40]) deadlines.add(entry(`${delay}`), delay)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(log, ["10@25", "20@25", "30@45", "40@45"])
    })
  )

  it.effect("after the scope has closed nothing passes and nothing sleeps", () =>
    Effect.gen(function* () {
      const { counted, counts } = yield* countingClock
      const { entry, log } = yield* recorder
      const scope = yield* Scope.make()
      const deadlines = yield* Deadlines.make.pipe(Effect.provideService(Clock.Clock, counted), Scope.provide(scope))
      const a = entry("a")
      deadlines.add(a, 10)
      assert.strictEqual(counts.pending, 1)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(counts.pending, 0)
      assert.strictEqual(deadlines.size, 0)
      assert.strictEqual(a.slot, -1)
      deadlines.add(a, 10)
      assert.isFalse(deadlines.delete(a))
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(log, [])
      assert.strictEqual(counts.started, 1)
    })
  )

  it.effect("closing the scope from inside a deadline ends the round", () =>
    Effect.gen(function* () {
      const { entry, log } = yield* recorder
      const scope = yield* Scope.make()
      const deadlines = yield* Deadlines.make.pipe(Scope.provide(scope))
      deadlines.add(
        entry("a", () => Effect.runFork(Scope.close(scope, Exit.void))),
        10
      )
      deadlines.add(entry("b"), 10)
      deadlines.add(entry("c"), 20)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(log, ["a@10"])
    })
  )

  it.effect("deadlines run with the services of whoever made them, but for the Scope and the span", () => {
    class Tenant extends Context.Service<Tenant, string>()("test/Tenant") {}
    let seen: Context.Context<never> | undefined
    return Effect.gen(function* () {
      const deadlines = yield* Deadlines.make
      const { entry } = yield* recorder
      deadlines.add(
        entry("a", () => {
          seen = Fiber.getCurrent()?.context
        }),
        10
      )
      yield* TestClock.adjust(10)
      const mine = yield* Effect.context<never>()
      assert.isDefined(seen)
      assert.isTrue(Context.getOption(seen!, Tenant)._tag === "Some")
      assert.strictEqual(Context.get(seen!, Scheduler.Scheduler), Context.get(mine, Scheduler.Scheduler))
      assert.strictEqual(Context.getOption(seen!, Scope.Scope)._tag, "None")
      assert.strictEqual(Context.getOption(seen!, Tracer.ParentSpan)._tag, "None")
    }).pipe(Effect.provideService(Tenant, "acme"), Effect.withSpan("outer"))
  })

  it.effect("thousands of deadlines added, moved and deleted at random all pass when they should", () =>
    Effect.gen(function* () {
      const deadlines = yield* Deadlines.make
      const clock = yield* Clock.Clock
      let seed = 12345
      const random = (below: number): number => {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff
        return seed % below
      }
      const expected = new Map<Entry, number>()
      let passed = 0
      const entries = Array.from({ length: 500 }, (_, i): Entry => ({
        name: `${i}`,
        slot: -1,
        due: 0,
        seq: 0,
        expired() {
          assert.strictEqual(expected.get(this), clock.currentTimeMillisUnsafe())
          expected.delete(this)
          passed++
        }
      }))
      for (let round = 0; round < 200; round++) {
        for (let i = 0; i < 50; i++) {
          const one = entries[random(entries.length)]!
          const delay = 1 + random(300)
          switch (random(3)) {
            case 0:
              deadlines.add(one, delay)
              expected.set(one, clock.currentTimeMillisUnsafe() + delay)
              break
            case 1:
              if (deadlines.move(one, delay)) expected.set(one, clock.currentTimeMillisUnsafe() + delay)
              else assert.isFalse(expected.has(one))
              break
            default:
              assert.strictEqual(deadlines.delete(one), expected.delete(one))
          }
        }
        assert.strictEqual(deadlines.size, expected.size)
        assertSlots(entries, deadlines.size)
        yield* TestClock.adjust(random(20))
        for (const due of expected.values()) assert.isAbove(due, clock.currentTimeMillisUnsafe())
      }
      yield* TestClock.adjust(300)
      assert.strictEqual(deadlines.size, 0)
      assert.strictEqual(expected.size, 0)
      assert.isAbove(passed, 1000)
    })
  )
})
