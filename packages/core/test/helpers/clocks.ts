/** Clocks around the one of the test: they count its sleeps, or their wall clock is corrected. */
import { Clock, Effect } from "effect"

/** A clock that counts its sleeps. */
export const countingClock = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const counts = { started: 0, pending: 0, most: 0 }
  const counted: Clock.Clock = {
    ...clock,
    sleep: (duration) =>
      Effect.suspend(() => {
        counts.started++
        counts.most = Math.max(counts.most, ++counts.pending)
        return Effect.ensuring(
          clock.sleep(duration),
          Effect.sync(() => counts.pending--)
        )
      })
  }
  return { counted, counts }
})

/** A clock whose wall clock can be moved, by milliseconds, while its monotonic clock goes on. */
export const movableClock = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const moved = { by: 0 }
  const wall: Clock.Clock = {
    ...clock,
    currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + moved.by,
    currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + moved.by),
    currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + BigInt(moved.by) * 1_000_000n,
    currentTimeNanos: Effect.map(clock.currentTimeNanos, (now) => now + BigInt(moved.by) * 1_000_000n)
  }
  return { moved, wall }
})
