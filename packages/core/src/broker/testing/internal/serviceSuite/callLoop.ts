/** Calls in a loop, while servers start and end. */
import { Effect, Fiber } from "effect"
import { equal } from "../harness/assertions.ts"
import type { Run } from "../harness/run.ts"

/** Makes calls with unique texts in a number of fibers until `stop`, which returns the texts. */
export const callLoop = Effect.fnUntraced(function* (
  run: Run,
  fibers: number,
  prefix: string,
  call: (text: string) => Effect.Effect<string, unknown>
) {
  const called: Array<string> = []
  let isStopped = false
  let succeeded = 0
  const one = Effect.suspend(() => {
    const text = `${prefix} ${called.length}`
    called.push(text)
    return Effect.flatMap(call(text), (response) => {
      succeeded++
      return equal("response", response, text)
    })
  })
  const fiber = yield* Effect.forkScoped(
    Effect.forEach(
      Array.from({ length: fibers }, (_, i) => i),
      () => Effect.whileLoop({ while: () => !isStopped, body: () => one, step() {} }),
      { concurrency: "unbounded", discard: true }
    )
  )
  return {
    /** Waits until a number of further calls have succeeded. Fails as soon as a call fails. */
    more: (count: number) =>
      Effect.suspend(() => {
        const end = succeeded + count
        return Effect.raceFirst(
          run.waitUntil(
            `${count} more calls to succeed`,
            () => succeeded >= end,
            () => `${end - succeeded} to go`
          ),
          Effect.andThen(Fiber.join(fiber), Effect.never)
        )
      }),
    stop: Effect.suspend(() => {
      isStopped = true
      return Effect.as(run.step("the last calls to end", Fiber.join(fiber)), called)
    })
  }
})
