import type { Measured } from "./rows.ts"

/** More calls per second than any peer makes in one process. */
const mostPerSecond = 1_000_000

/**
 * Counts a closed loop by the rules of the Go peer: operations that start and end in the measured time, and every failure
 * after the warm-up, late ones included.
 */
export class Recorder {
  /** Start and end of the measured time, by `performance.now()`. */
  readonly from: number
  readonly to: number
  // allocated in advance: a growing list would be copied during the measurement
  readonly #latencies: Float64Array
  #count = 0
  #errors = 0
  #firstError: string | undefined

  constructor(options: { readonly warmup: number; readonly duration: number }) {
    this.#latencies = new Float64Array(Math.ceil(options.duration * mostPerSecond))
    this.from = performance.now() + options.warmup * 1000
    this.to = this.from + options.duration * 1000
  }

  /** Counts an operation that started at `start`. Returns whether there is time for another. */
  succeeded(start: number): boolean {
    const end = performance.now()
    if (start > this.from && end < this.to && this.#count < this.#latencies.length) {
      this.#latencies[this.#count++] = end - start
    }
    return end < this.to
  }

  failed(error: unknown): boolean {
    const end = performance.now()
    if (end > this.from) {
      this.#errors++
      this.#firstError ??= String(error)
    }
    return end < this.to
  }

  result(): Measured {
    const latencies = this.#latencies.subarray(0, this.#count).toSorted()
    const micros = (quantile: number): number =>
      latencies.length === 0 ? 0 : rounded(latencies[Math.floor(quantile * (latencies.length - 1))]! * 1000)
    if (this.#firstError !== undefined) process.stderr.write(`one of the errors: ${this.#firstError}\n`)
    return {
      ops_per_sec: rounded((latencies.length * 1000) / (this.to - this.from)),
      p50_us: micros(0.5),
      p99_us: micros(0.99),
      errors: this.#errors,
      rss_mb: rounded(process.memoryUsage.rss() / 1024 ** 2)
    }
  }
}

const rounded = (value: number): number => Math.round(value * 10) / 10
