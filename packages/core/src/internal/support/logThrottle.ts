/** Selects the first, tenth, hundredth, … occurrence of an event for the log. */
export class EveryTenfold {
  #count = 0
  #next = 1

  /** Counts an occurrence. Returns the count so far if this occurrence is to be logged, and `undefined` if it is not. */
  record(): number | undefined {
    if (++this.#count !== this.#next) return undefined
    this.#next *= 10
    return this.#count
  }
}

/** Selects at most one occurrence of an event per interval for the log. */
export class EveryInterval {
  readonly #interval: number
  #count = 0
  #loggedAt = -Infinity

  /** `interval` is in milliseconds. */
  constructor(interval: number) {
    this.#interval = interval
  }

  /**
   * Counts an occurrence at `now`, in milliseconds. Returns the count since the last one that was logged if this
   * occurrence is to be logged, and `undefined` if it is not.
   */
  record(now: number): number | undefined {
    this.#count++
    // a clock may be set back
    if (Math.abs(now - this.#loggedAt) < this.#interval) return undefined
    const count = this.#count
    this.#loggedAt = now
    this.#count = 0
    return count
  }
}
