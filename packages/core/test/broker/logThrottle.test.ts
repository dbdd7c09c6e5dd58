import { assert, describe, it } from "@effect/vitest"
import { Backoff, LogThrottle } from "../../src/broker/index.ts"

describe("a log throttle", () => {
  it("by count selects the first, tenth, hundredth, thousandth occurrence", () => {
    const throttle = new LogThrottle.EveryTenfold()
    const logged: Array<number> = []
    for (let i = 0; i < 9999; i++) {
      const count = throttle.record()
      if (count !== undefined) logged.push(count)
    }
    assert.deepStrictEqual(logged, [1, 10, 100, 1000])
  })

  it("by interval selects one occurrence per interval, with the count since the last, also if the clock is set back", () => {
    const throttle = new LogThrottle.EveryInterval(1000)
    const at = (now: number): number | undefined => throttle.record(now)
    assert.deepStrictEqual([at(0), at(1), at(999), at(1000), at(1500)], [1, undefined, undefined, 3, undefined])
    assert.deepStrictEqual([at(-5000), at(-4500), at(-4000)], [2, undefined, 2])
  })
})

describe("a backoff delay", () => {
  it("doubles up to the maximum, reduced by up to one half", () => {
    const delays = { minDelay: 50, maxDelay: 2000 }
    const found = new Set<number>()
    for (const [attempt, most] of [50, 100, 200, 400, 800, 1600, 2000, 2000].entries()) {
      for (let i = 0; i < 100; i++) {
        const delay = Backoff.delay(delays, attempt)
        found.add(delay)
        assert.isAtLeast(delay, most / 2)
        assert.isAtMost(delay, most)
      }
    }
    assert.isAbove(found.size, 50)
    assert.isAtMost(Backoff.delay(delays, 1e6), 2000)
  })
})
