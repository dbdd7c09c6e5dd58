/**
 * One timer for all deadlines, on the Clock service.
 *
 * It runs on the clock's monotonic reading, so a wall clock that is put right neither fires a deadline nor holds it up.
 * One fiber sleeps until the earliest deadline. It is there while one is pending, and it is not woken for a deadline
 * that is deleted: it finds out when it wakes. An earlier one sends it back to sleep for less. The deadlines are a
 * binary heap whose entries know their place, so what is deleted is out at once.
 */
import { Cause, Clock, Context, Duration, Effect, Fiber, Scope, Tracer } from "effect"

/** Something with a deadline. `slot`, `due` and `seq` are Deadlines' own: start them at -1, 0 and 0. */
export interface Timed {
  /** Where it is in the heap, -1 when it is not. */
  slot: number
  /** Nanoseconds on the monotonic clock, from a start that changes only while nothing is pending. */
  due: number
  /** Decides between equal deadlines. */
  seq: number
  /** Called once, after the entry has been taken out. Must not block. */
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
  /** How many are pending. */
  readonly size: number
  /** The wall clock, unix milliseconds. */
  now(): number
  /** The monotonic clock, in milliseconds from a start of its own: for how long ago something was. */
  monotonic(): number
  /**
   * Has `entry.expired` called in `delay` milliseconds, never before this call returns. One that is pending already is
   * moved. Less than 0 and NaN count as 0, Infinity as never. Returns the time that it counts from, as `monotonic` does.
   */
  add(entry: Timed, delay: number): number
  /** Gives a pending entry another deadline, counted from now; says false where it is not pending, and leaves it so. */
  move(entry: Timed, delay: number): boolean
  /**
   * The same, to a time on the monotonic clock: `due` of this or another pending entry plus nanoseconds. NaN, which is
   * what two endless times leave of one another, counts as never.
   */
  moveTo(entry: Timed, due: number): boolean
  /** Takes an entry out; says whether it was pending. */
  delete(entry: Timed): boolean
}

/**
 * How much before its deadline, in nanoseconds, an entry may expire. TestClock counts in milliseconds as floating-point
 * numbers, which miss the nanosecond: by 0.2 µs where they are a time of this century.
 */
const tolerance = 1000

/**
 * How long to sleep from `now` so that TestClock, which adds the two, arrives at the instant that is meant and not at
 * the next number above it: the sum is taken to the nearest nanosecond, or microsecond where numbers are no finer, and
 * a Duration has whole nanoseconds. For other clocks this changes nothing that can be seen.
 */
const sleepTime = (now: number, millis: number): number => {
  const grain = now < 2 ** 33 ? 1e6 : 1e3
  const end = Math.round((now + millis) * grain) / grain
  const time = Math.round((end - now) * 1e6) / 1e6
  return now + time > end ? time - 1e-6 : time
}

export const make: Effect.Effect<Deadlines, never, Scope.Scope> = Effect.gen(function* () {
  const context = yield* Effect.context<Scope.Scope>()
  // The whole context, because TestClock brings a scheduler along; not what belongs to whoever made this.
  const runFork = Effect.runForkWith(Context.omit(Scope.Scope, Tracer.ParentSpan)(context))
  const clock = Context.get(context, Clock.Clock)
  const heap: Array<Timed> = []
  let seq = 0
  /** What the fiber sleeps for; Infinity when there is none. */
  let wake = Infinity
  let sleeper: Fiber.Fiber<void> | undefined
  let busy = false
  let closed = false

  /** Nanoseconds from the start of all readings, as a number: a difference of bigints is all that a reading costs. */
  const start = clock.monotonicTimeNanosUnsafe()
  const read = (): number => Number(clock.monotonicTimeNanosUnsafe() - start)

  /** Deadlines count from this reading: small numbers are exact ones. Moved while nothing is pending. */
  let origin = 0

  const monotonic = (): number => read() - origin

  const up = (entry: Timed, slot: number): void => {
    while (slot > 0) {
      const above = (slot - 1) >> 1
      const parent = heap[above]!
      if (parent.due < entry.due || (parent.due === entry.due && parent.seq < entry.seq)) break
      heap[slot] = parent
      parent.slot = slot
      slot = above
    }
    heap[slot] = entry
    entry.slot = slot
  }

  const down = (entry: Timed, slot: number): void => {
    const length = heap.length
    for (;;) {
      let below = 2 * slot + 1
      if (below >= length) break
      let child = heap[below]!
      if (below + 1 < length) {
        const right = heap[below + 1]!
        if (right.due < child.due || (right.due === child.due && right.seq < child.seq)) {
          child = right
          below++
        }
      }
      if (entry.due < child.due || (entry.due === child.due && entry.seq < child.seq)) break
      heap[slot] = child
      child.slot = slot
      slot = below
    }
    heap[slot] = entry
    entry.slot = slot
  }

  const remove = (entry: Timed): void => {
    const slot = entry.slot
    const last = heap.pop()!
    if (last !== entry) {
      down(last, slot)
      if (last.slot === slot) up(last, slot)
    }
    entry.slot = -1
  }

  const isPending = (entry: Timed): boolean => entry.slot >= 0 && heap[entry.slot] === entry

  const dueIn = (delay: number, reading: number): number => {
    // Down to a whole nanosecond, but 699999.9999999999 is meant to be one.
    const nanos = delay > 0 ? Math.floor(delay * 1e6 + 1e-3) : 0
    const elapsed = reading - origin
    if (heap.length > 0) return elapsed + nanos
    origin = reading
    wake -= elapsed
    return nanos
  }

  const put = (entry: Timed, due: number): void => {
    if (isPending(entry)) remove(entry)
    entry.due = due
    entry.seq = seq++
    heap.push(entry)
    up(entry, heap.length - 1)
    if (due < wake && !busy) arm()
  }

  /** Fires what is due and was there before: what an `expired` adds waits for the next round. */
  const fire = (): void => {
    const now = monotonic() + tolerance
    const before = seq
    busy = true
    while (heap.length > 0) {
      const entry = heap[0]!
      if (entry.due > now || entry.seq >= before) break
      remove(entry)
      try {
        entry.expired()
      } catch (error) {
        runFork(Effect.logError("a deadline's callback failed", Cause.die(error)))
      }
    }
    busy = false
  }

  /** Sleeps until the earliest deadline; without one, ends. */
  const sleep: Effect.Effect<void> = Effect.suspend(() => {
    wake = heap.length > 0 ? heap[0]!.due : Infinity
    if (wake === Infinity) {
      sleeper = undefined
      return Effect.void
    }
    const time = sleepTime(clock.currentTimeMillisUnsafe(), (wake - monotonic()) / 1e6)
    // Never at once: a deadline of 0 must not fire in the call that adds it.
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
      closed = true
      for (const entry of heap) entry.slot = -1
      heap.length = 0
      return sleeper === undefined ? Effect.void : Fiber.interrupt(sleeper)
    })
  )

  const deadlines: Deadlines = {
    get size() {
      return heap.length
    },
    now: () => clock.currentTimeMillisUnsafe(),
    monotonic: () => read() / 1e6,
    add(entry, delay) {
      const reading = read()
      if (!closed) put(entry, dueIn(delay, reading))
      return reading / 1e6
    },
    move(entry, delay) {
      if (!isPending(entry)) return false
      put(entry, dueIn(delay, read()))
      return true
    },
    moveTo(entry, due) {
      if (!isPending(entry)) return false
      put(entry, Number.isNaN(due) ? Infinity : due)
      return true
    },
    delete(entry) {
      if (!isPending(entry)) return false
      remove(entry)
      return true
    }
  }
  return deadlines
})
