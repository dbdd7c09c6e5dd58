/** The metrics of one method on one side. They are plain fields: counting is an increment, and a snapshot reads them. */
import { Cause, type Metric } from "effect"
import * as PsrpcError from "../../../PsrpcError.ts"
import { isCode } from "../../errors/codes.ts"

/** The side that counts. */
export type Side = "client" | "server" | "publisher"

/** The kind of a method. */
export type Kind = "unary" | "multi" | "stream" | "subscription"

/** The result of a call or an update: `ok`, or a code of psrpc. */
export type Outcome = "ok" | PsrpcError.Code

/** The outcome of a server's claim. */
export type ClaimOutcome =
  /** The client selected this server. */
  | "chosen"
  /** The client selected another server. */
  | "other"
  /** The client canceled the call. */
  | "canceled"
  /** The client sent no selection before the deadline of the request. */
  | "expired"
  /** The server closed before the selection arrived. */
  | "closing"

/** The method and the side that a series belongs to. */
export interface Owner {
  readonly side: Side
  readonly service: string
  /** `undefined` for messages whose method is unknown. */
  readonly method: string | undefined
  readonly kind: Kind | undefined
  /** Whether servers claim requests of the method. */
  readonly requireClaim: boolean
}

interface Entry {
  readonly label: string
  count: number
}

/** A counter for each label of a small set. */
export class LabeledCounter {
  readonly #counts = new Map<string, Entry>()
  /** The entry of the previous label, which is usually that of the next. */
  #last: Entry | undefined
  /** Called when a label is counted for the first time. */
  onLabel: (label: string) => void = () => {}

  add(label: string): void {
    let entry = this.#last
    if (entry !== undefined && entry.label === label) {
      entry.count++
      return
    }
    entry = this.#counts.get(label)
    const isNew = entry === undefined
    if (entry === undefined) this.#counts.set(label, (entry = { label, count: 0 }))
    entry.count++
    this.#last = entry
    if (isNew) this.onLabel(label)
  }

  of(label: string): number {
    return this.#counts.get(label)?.count ?? 0
  }

  get entries(): Readonly<Record<string, number>> {
    return Object.fromEntries(Array.from(this.#counts, ([label, { count }]) => [label, count]))
  }
}

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

export class Series {
  readonly owner: Owner

  /** Calls; updates of a publisher. */
  started = 0
  finished = 0
  readonly codes = new LabeledCounter()
  readonly duration = new Histogram()

  /** At a client: claims that arrived for a pending call. At a server: claims that it sent. */
  claims = 0
  readonly claimOutcomes = new LabeledCounter()
  readonly claimWait = new Histogram()

  sent = 0
  bytesSent = 0
  received = 0
  bytesReceived = 0

  /** At a client: attempts after the first. */
  retries = 0

  openStreams = 0
  subscriptions = 0

  readonly drops = new LabeledCounter()

  constructor(owner: Owner) {
    this.owner = owner
  }

  get inFlight(): number {
    return this.started - this.finished
  }

  /** Counts the end of a call or an update. `millis` is the duration of a call. */
  finish(outcome: Outcome, millis?: number): void {
    if (millis !== undefined) this.duration.record(millis)
    this.finished++
    this.codes.add(outcome)
  }

  /** Counts a message that is passed to the bus, with the bytes of its payload. */
  send(bytes: number): void {
    this.sent++
    this.bytesSent += bytes
  }

  /** Counts a message that arrived, with the bytes of its payload. */
  receive(bytes: number): void {
    this.received++
    this.bytesReceived += bytes
  }
}

/** The outcome for a code from the wire: `unknown` for a code that psrpc does not have, since a peer may send any text. */
export const outcomeOf = (code: string): Outcome => (isCode(code) ? code : "unknown")

/** The outcome for a cause: `canceled` for an interruption, `internal` for a failure that is not a `PsrpcError`. */
export const outcomeOfCause = (cause: Cause.Cause<unknown>): Outcome => {
  const failure = Cause.findErrorOption(cause)
  if (failure._tag === "Some" && PsrpcError.is(failure.value)) return failure.value.code
  return Cause.hasInterruptsOnly(cause) ? "canceled" : "internal"
}
