import { Effect } from "effect"
import { findProgram, installByHand, type Program } from "./programs.ts"
import { TestServerError } from "./TestServerError.ts"

/** Returns the full path of a broker's binary. Fails with the ways to install it if it is not there. */
export const requireProgram = (program: Program): Effect.Effect<string, TestServerError> =>
  Effect.suspend(() => {
    const file = findProgram(program.binary)
    if (file !== undefined) return Effect.succeed(file)
    const message = [
      `${program.binary} ${program.minimum} or newer is not on the PATH. As root on Debian, "npm run brokers" installs it.`,
      ...installByHand([program])
    ]
    return Effect.fail(new TestServerError({ message: message.join("\n") }))
  })
