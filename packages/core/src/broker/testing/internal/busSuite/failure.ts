import { Data, Effect } from "effect"

/** Why a test of a suite failed: `expected` and `actual` are what test runners make a difference of. */
export class SuiteFailure extends Data.TaggedError("SuiteFailure")<{
  readonly message: string
  readonly expected?: unknown
  readonly actual?: unknown
}> {}

export const fail = (message: string): Effect.Effect<never, SuiteFailure> => Effect.fail(new SuiteFailure({ message }))

/** Fails unless it is so. */
export const check = (holds: boolean, message: string): Effect.Effect<void, SuiteFailure> =>
  holds ? Effect.void : fail(message)

/** Numbers and short texts as they are, the rest by its length. */
const shown = (value: unknown): string => {
  const text = Array.isArray(value) ? `[${value.map((item) => JSON.stringify(item)).join(", ")}]` : String(value)
  if (text.length <= 400) return text
  return `${text.slice(0, 400)}… (${Array.isArray(value) ? `${value.length} items` : `${text.length} characters`})`
}

const isSame = (a: unknown, b: unknown): boolean =>
  Array.isArray(a) && Array.isArray(b) ? a.length === b.length && a.every((item, i) => item === b[i]) : Object.is(a, b)

/** Where two lists part, for those that are too long to be read. */
const parting = (actual: unknown, expected: unknown): string => {
  if (!Array.isArray(actual) || !Array.isArray(expected) || expected.length < 10) return ""
  const at = expected.findIndex((item, i) => actual[i] !== item)
  const from = at < 0 ? expected.length : at
  return `; they part at ${from}: expected ${shown(expected.slice(from, from + 3))}, got ${shown(actual.slice(from, from + 3))}`
}

/** Fails unless a value, or each item of a list, is the expected one. */
export const equal = <A extends number | string | boolean | undefined | ReadonlyArray<number | string>>(
  what: string,
  actual: A,
  expected: A
): Effect.Effect<void, SuiteFailure> =>
  isSame(actual, expected)
    ? Effect.void
    : Effect.fail(
        new SuiteFailure({
          message: `${what}: expected ${shown(expected)}, got ${shown(actual)}${parting(actual, expected)}`,
          expected,
          actual
        })
      )
