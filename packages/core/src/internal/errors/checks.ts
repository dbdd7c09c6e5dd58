/** Checks of options. Each fails with `invalid_argument` and names the option. */
import { type Duration, Effect } from "effect"
import type { InvalidArgument } from "./classes.ts"
import { countOf } from "../support/count.ts"
import { millisOf } from "../time/millis.ts"
import { invalidArgument } from "./invalidArgument.ts"
import { messageOf } from "./messageOf.ts"

/** Fails with `invalid_argument`. */
export const refuse = (message: string): Effect.Effect<never, InvalidArgument> => Effect.fail(invalidArgument(message))

/** Runs a check that throws, as an Effect. `at` names the owner of the option. */
export const checked = <A>(at: string, check: () => A): Effect.Effect<A, InvalidArgument> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(check())
    } catch (cause) {
      return refuse(`${at}: ${messageOf(cause)}`)
    }
  })

/** Checks a duration of 0 or more, and returns it in milliseconds. */
export const checkTimeout = (
  at: string,
  option: string,
  timeout: Duration.Input
): Effect.Effect<number, InvalidArgument> => checked(at, () => millisOf(option, timeout))

/** Checks a whole number above 0. */
export const checkCount = (at: string, option: string, count: number): Effect.Effect<number, InvalidArgument> =>
  checked(at, () => countOf(option, count))
