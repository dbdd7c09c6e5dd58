import type { Metric } from "effect"

/**
 * The upper bounds of the buckets, in milliseconds. From 5 ms on they are those that OpenTelemetry's semantic conventions
 * recommend for durations of calls. Finer ones follow below, since a call within a process takes a tenth of a millisecond.
 */
export const boundaries: ReadonlyArray<number> = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000
]

const seconds: ReadonlyArray<number> = [...boundaries.map((millis) => millis / 1000), Infinity]

/** A latency histogram. It stores milliseconds and reports seconds. */
export class Histogram {
  count = 0
  /** Milliseconds. */
  sum = 0
  #min = Infinity
  #max = 0
  readonly #counts: Array<number> = seconds.map(() => 0)

  record(millis: number): void {
    // a test may set the clock back
    const time = millis > 0 ? millis : 0
    let i = 0
    while (i < boundaries.length && time > boundaries[i]!) i++
    this.#counts[i]!++
    this.count++
    this.sum += time
    if (time < this.#min) this.#min = time
    if (time > this.#max) this.#max = time
  }

  /** The state of a `Metric.histogram`: the count of a bucket includes the buckets below. */
  get state(): Metric.HistogramState {
    let count = 0
    return {
      buckets: this.#counts.map((here, i) => [seconds[i]!, (count += here)]),
      count: this.count,
      min: this.count === 0 ? 0 : this.#min / 1000,
      max: this.#max / 1000,
      sum: this.sum / 1000
    }
  }
}
