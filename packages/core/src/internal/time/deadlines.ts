/**
 * One timer for all deadlines of a client or a server, on the Clock service.
 *
 * The timer runs on the clock's monotonic reading, so a correction of the wall clock neither fires nor delays a deadline.
 * One fiber sleeps until the earliest deadline. It exists only while a deadline is pending. A deleted deadline does not
 * wake it: the fiber finds out when it wakes. An earlier deadline replaces it by a fiber that sleeps less.
 */
import { Cause, Clock, Context, Duration, Effect, Fiber, Scope, Tracer } from "effect"
import { IndexedHeap } from "./indexedHeap.ts"

/** An object with a deadline. `slot`, `due` and `seq` belong to `Deadlines`; their initial values are -1, 0 and 0. */
export interface Timed {
  /** Position in the heap; -1 while the deadline is not pending. */
  slot: number
  /** Nanoseconds on the monotonic clock, from an origin that changes only while nothing is pending. */
  due: number
  /** The order of equal deadlines. */
  seq: number
  /** Called once, after the entry has left the heap. Must not block. */
  expired(): void
}

/** A deadline that calls a function. */
export class Timer implements Timed {
  slot = -1
  due = 0
  seq = 0
  readonly expired: () => void

  constructor(expired: () => void) {
    this.expired = expired
  }
}

export interface Deadlines {
  /** The number of pending deadlines. */
  readonly size: number
  /** Returns the wall clock: Unix milliseconds. */
  now(): number
  /** Returns the monotonic clock: milliseconds from an origin of its own, for differences. */
  monotonic(): number
  /**
   * Calls `entry.expired` in `delay` milliseconds, never before this call returns. Moves an entry that is pending already.
   * A delay below 0 or NaN counts as 0, Infinity as never. Returns the start of the delay, as `monotonic` does.
   */
  add(entry: Timed, delay: number): number
  /** Moves a pending entry to `delay` milliseconds from now. Returns `false` if the entry is not pending. */
  move(entry: Timed, delay: number): boolean
  /**
   * Moves a pending entry to a time on the monotonic clock: nanoseconds added to `due` of this or another pending entry.
   * NaN, which is the difference of two infinite times, counts as never. Returns `false` if the entry is not pending.
   */
  moveTo(entry: Timed, due: number): boolean
  /** Removes an entry. Returns `false` if it was not pending. */
  delete(entry: Timed): boolean
}

/**
 * How early an entry may expire, in nanoseconds. TestClock counts milliseconds in floating-point numbers, whose rounding
 * error is 0.2 µs for a time of this century.
 */
const tolerance = 1000

/**
 * Returns the duration, in milliseconds, after which TestClock wakes at `now + millis` and not at the next number above
 * it. TestClock adds the two numbers, so the sum is rounded to the nanosecond, or to the microsecond where floating-point
 * numbers are no finer, and a Duration has whole nanoseconds. With other clocks the difference is not observable.
 */
const sleepTime = (now: number, millis: number): number => {
  const grain = now < 2 ** 33 ? 1e6 : 1e3
  const end = Math.round((now + millis) * grain) / grain
  const time = Math.round((end - now) * 1e6) / 1e6
  return now + time > end ? time - 1e-6 : time
}

export const make: Effect.Effect<Deadlines, never, Scope.Scope> = Effect.gen(function* () {
  const context = yield* Effect.context<Scope.Scope>()
  // the whole context, since TestClock provides a scheduler, but neither the scope nor the span of the current fiber
  const runFork = Effect.runForkWith(Context.omit(Scope.Scope, Tracer.ParentSpan)(context))
  const clock = Context.get(context, Clock.Clock)
  const heap = new IndexedHeap<Timed>()
  let seq = 0
  /** The deadline that the fiber sleeps for; Infinity without a fiber. */
  let wake = Infinity
  let sleeper: Fiber.Fiber<void> | undefined
  let isFiring = false
  let isClosed = false

  /** The origin of all readings. One difference of bigints is then the whole cost of a reading as a number. */
  const start = clock.monotonicTimeNanosUnsafe()
  const read = (): number => Number(clock.monotonicTimeNanosUnsafe() - start)

  /** The reading that deadlines count from, since small numbers are exact. Moved while nothing is pending. */
  let origin = 0

  const dueIn = (delay: number, reading: number): number => {
    // rounded down to a whole nanosecond, but 699999.9999999999 is one
    const nanos = delay > 0 ? Math.floor(delay * 1e6 + 1e-3) : 0
    const elapsed = reading - origin
    if (heap.size > 0) return elapsed + nanos
    origin = reading
    wake -= elapsed
    return nanos
  }

  const put = (entry: Timed, due: number): void => {
    if (heap.has(entry)) heap.delete(entry)
    entry.due = due
    entry.seq = seq++
    heap.add(entry)
    if (due < wake && !isFiring) arm()
  }

  /** Fires the entries that are due. An entry that is added meanwhile waits for the next round. */
  const fire = (): void => {
    const now = read() - origin + tolerance
    const before = seq
    isFiring = true
    for (let entry = heap.first; entry !== undefined && entry.due <= now && entry.seq < before; entry = heap.first) {
      heap.delete(entry)
      try {
        entry.expired()
      } catch (error) {
        runFork(Effect.logError("psrpc: the callback of a deadline failed", Cause.die(error)))
      }
    }
    isFiring = false
  }

  /** Sleeps until the earliest deadline; ends if there is none. */
  const sleep: Effect.Effect<void> = Effect.suspend(() => {
    wake = heap.first === undefined ? Infinity : heap.first.due
    if (wake === Infinity) {
      sleeper = undefined
      return Effect.void
    }
    const time = sleepTime(clock.currentTimeMillisUnsafe(), (wake - (read() - origin)) / 1e6)
    // a deadline of 0 must not fire within the call that adds it
    return Effect.flatMap(time > 0 ? clock.sleep(Duration.millis(time)) : Effect.yieldNow, round)
  })

  const round = (): Effect.Effect<void> => {
    fire()
    return sleep
  }

  const arm = (): void => {
    sleeper?.interruptUnsafe()
    sleeper = runFork(sleep)
  }

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      isClosed = true
      heap.clear()
      return sleeper === undefined ? Effect.void : Fiber.interrupt(sleeper)
    })
  )

  const deadlines: Deadlines = {
    get size() {
      return heap.size
    },
    now: () => clock.currentTimeMillisUnsafe(),
    monotonic: () => read() / 1e6,
    add(entry, delay) {
      const reading = read()
      if (!isClosed) put(entry, dueIn(delay, reading))
      return reading / 1e6
    },
    move(entry, delay) {
      if (!heap.has(entry)) return false
      put(entry, dueIn(delay, read()))
      return true
    },
    moveTo(entry, due) {
      if (!heap.has(entry)) return false
      put(entry, Number.isNaN(due) ? Infinity : due)
      return true
    },
    delete(entry) {
      if (!heap.has(entry)) return false
      heap.delete(entry)
      return true
    }
  }
  return deadlines
})
