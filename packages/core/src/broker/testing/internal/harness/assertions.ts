/** Assertions of the suites, as Effects that fail. */
import { Data, Effect } from "effect"

/** The failure of a suite's test. Test runners print the difference of `expected` and `actual`. */
export class SuiteFailure extends Data.TaggedError("SuiteFailure")<{
  readonly message: string
  readonly expected?: unknown
  readonly actual?: unknown
}> {}

export const fail = (message: string): Effect.Effect<never, SuiteFailure> => Effect.fail(new SuiteFailure({ message }))

/** Fails if the condition is `false`. */
export const check = (condition: boolean, message: string): Effect.Effect<void, SuiteFailure> =>
  condition ? Effect.void : fail(message)

const maxLength = 400

/** Formats a value. Cuts long texts and lists, and appends their size. */
const format = (value: unknown): string => {
  const text = Array.isArray(value) ? `[${value.map((item) => JSON.stringify(item)).join(", ")}]` : String(value)
  if (text.length <= maxLength) return text
  const size = Array.isArray(value) ? `${value.length} items` : `${text.length} characters`
  return `${text.slice(0, maxLength)}… (${size})`
}

const isSame = (a: unknown, b: unknown): boolean =>
  Array.isArray(a) && Array.isArray(b) ? a.length === b.length && a.every((item, i) => item === b[i]) : Object.is(a, b)

/** Formats the first difference of two long lists. */
const firstDifference = (actual: unknown, expected: unknown): string => {
  if (!Array.isArray(actual) || !Array.isArray(expected) || expected.length < 10) return ""
  const found = expected.findIndex((item, i) => actual[i] !== item)
  const index = found < 0 ? expected.length : found
  const [a, b] = [expected, actual].map((list) => format(list.slice(index, index + 3)))
  return `; first difference at index ${index}: expected ${a}, got ${b}`
}

/** Fails if two values, or two lists of values, differ. */
export const equal = <A extends number | string | boolean | undefined | ReadonlyArray<number | string>>(
  what: string,
  actual: A,
  expected: A
): Effect.Effect<void, SuiteFailure> =>
  isSame(actual, expected)
    ? Effect.void
    : Effect.fail(
        new SuiteFailure({
          message: `${what}: expected ${format(expected)}, got ${format(actual)}${firstDifference(actual, expected)}`,
          expected,
          actual
        })
      )

/** Returns the texts of the numbers from 0, with a prefix. */
export const numbered = (count: number, prefix = ""): Array<string> =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`)
