import { Effect, Fiber } from "effect"
import { equal } from "../busSuite/failure.ts"
import type { Run } from "../busSuite/run.ts"

/** Calls one after the other, from so many fibers, until told to stop; succeeds with what was called. */
export const calling = Effect.fnUntraced(function* (
  run: Run,
  fibers: number,
  prefix: string,
  call: (text: string) => Effect.Effect<string, unknown>
) {
  const called: Array<string> = []
  let stopped = false
  let answered = 0
  const one = Effect.suspend(() => {
    const text = `${prefix} ${called.length}`
    called.push(text)
    return Effect.flatMap(call(text), (answer) => {
      answered++
      return equal("the answer", answer, text)
    })
  })
  const fiber = yield* Effect.forkScoped(
    Effect.forEach(
      Array.from({ length: fibers }, (_, i) => i),
      () => Effect.whileLoop({ while: () => !stopped, body: () => one, step() {} }),
      { concurrency: "unbounded", discard: true }
    )
  )
  return {
    /** Waits until more calls were answered; fails as soon as a call has. */
    more: (count: number) =>
      Effect.suspend(() => {
        const end = answered + count
        return Effect.raceFirst(
          run.until(
            `${count} more calls to be answered`,
            () => answered >= end,
            () => `${answered} of ${end} were`
          ),
          Effect.andThen(Fiber.join(fiber), Effect.never)
        )
      }),
    stop: Effect.suspend(() => {
      stopped = true
      return Effect.as(run.step("the last calls to be answered", Fiber.join(fiber)), called)
    })
  }
})
