/** The calls, streams or updates that the handlers of a test have received. */
import { Effect } from "effect"
import { equal, type SuiteFailure } from "../harness/assertions.ts"
import type { Run } from "../harness/run.ts"

export class CallLog {
  readonly #entries: Array<{ readonly call: string; readonly receiver: string }> = []

  get count(): number {
    return this.#entries.length
  }

  record(call: string, receiver: string | number = ""): void {
    this.#entries.push({ call, receiver: String(receiver) })
  }

  /** Makes a handler that records its request, and responds with it. */
  readonly echo =
    (receiver: string | number = "") =>
    (text: string): Effect.Effect<string> =>
      Effect.sync(() => {
        this.record(text, receiver)
        return text
      })

  has(call: string): boolean {
    return this.#entries.some((entry) => entry.call === call)
  }

  /** All calls, in order. */
  get all(): ReadonlyArray<string> {
    return this.#entries.map(({ call }) => call)
  }

  /** The calls of one receiver, in order. */
  by(receiver: string | number): ReadonlyArray<string> {
    return this.#entries.filter((entry) => entry.receiver === String(receiver)).map(({ call }) => call)
  }

  /** Fails if the recorded calls are not the expected ones, once each, in any order. */
  expect(expected: ReadonlyArray<string>, what = "calls of handlers"): Effect.Effect<void, SuiteFailure> {
    return Effect.suspend(() => equal(what, this.all.toSorted(), expected.toSorted()))
  }

  /** Waits until a number of calls is recorded. */
  waitForCount(run: Run, count: number, what = "calls of handlers"): Effect.Effect<void> {
    return run.waitUntil(
      `${count} ${what}`,
      () => this.count >= count,
      () => `${this.count} so far`
    )
  }
}

/** Makes a handler that never ends, with the logs of its starts and its interruptions. */
export const neverEnding = () => {
  const started = new CallLog()
  const interrupted = new CallLog()
  const handle = (text: string) =>
    Effect.andThen(
      Effect.sync(() => started.record(text)),
      Effect.never
    ).pipe(Effect.onInterrupt(() => Effect.sync(() => interrupted.record(text))))
  return { handle, interrupted, started }
}
