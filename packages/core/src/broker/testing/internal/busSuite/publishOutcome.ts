/** The outcome of one published message, as the bus reported it. */
import { Effect } from "effect"
import type { Delivery } from "../../../../MessageBus.ts"
import type { PsrpcError } from "../../../../PsrpcError.ts"
import { equal, fail, type SuiteFailure } from "../harness/assertions.ts"

export class PublishOutcome implements Delivery {
  /** Names the message in failures. */
  readonly label: string
  /** The expected outcome; `undefined` if the test compares it by itself. */
  readonly expected: "delivered" | "undelivered" | "unreported" | undefined
  isWanted = true
  /** The number of reports: `delivered` and `undelivered` together. */
  reports = 0
  receivers: number | undefined
  error: PsrpcError | undefined

  constructor(label: string, expected: PublishOutcome["expected"]) {
    this.label = label
    this.expected = expected
  }

  wanted(): boolean {
    return this.isWanted
  }

  delivered(receivers: number): void {
    this.reports++
    this.receivers = receivers
  }

  undelivered(error: PsrpcError): void {
    this.reports++
    this.error = error
  }

  get isReported(): boolean {
    return this.reports > 0
  }

  /** Fails if the reports are not the expected ones. */
  get verify(): Effect.Effect<void, SuiteFailure> {
    const { error, expected, label, receivers, reports } = this
    if (expected === "unreported") return equal(`reports of the outcome of ${label}`, reports, 0)
    if (reports !== 1) return equal(`reports of the outcome of ${label}`, reports, 1)
    const actual = error === undefined ? "delivered" : "undelivered"
    if (expected !== undefined && actual !== expected) {
      const detail = error === undefined ? `to ${receivers}` : `${error._tag}: ${error.message}`
      return fail(`${label}: expected ${expected}, got ${actual} (${detail})`)
    }
    const isCount = receivers === undefined || receivers === -1 || (Number.isInteger(receivers) && receivers >= 0)
    return isCount ? Effect.void : fail(`${label}: expected a number of receivers, or -1, got ${receivers}`)
  }
}
