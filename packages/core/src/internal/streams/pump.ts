import { type Cause, Effect, Exit, Fiber, type Scope, Stream } from "effect"
import type * as PsrpcError from "../../PsrpcError.ts"
import { causeOf } from "./causes.ts"
import type { Endpoint } from "./endpoint.ts"

/** Sends that are under way, so many at a time, in order. */
class Window {
  #underWay = 0
  #failure: PsrpcError.PsrpcError | undefined
  #look: (() => void) | undefined
  readonly #end: Endpoint

  constructor(end: Endpoint) {
    this.#end = end
  }

  /** Sends, and completes when fewer than `most` are under way. */
  send(message: unknown, most: number): Effect.Effect<void, PsrpcError.PsrpcError> {
    return Effect.suspend(() => {
      this.#underWay++
      this.#end.post(message, undefined, (exit) => {
        this.#underWay--
        if (exit._tag === "Failure") {
          for (const reason of exit.cause.reasons) if (reason._tag === "Fail") this.#failure ??= reason.error
        }
        this.#look?.()
      })
      return this.fewerThan(most)
    })
  }

  /** Completes when fewer than `most` are under way; fails as soon as one has failed. */
  fewerThan(most: number): Effect.Effect<void, PsrpcError.PsrpcError> {
    return Effect.suspend(() => {
      if (this.#failure !== undefined) return Effect.fail(this.#failure)
      if (this.#underWay < most) return Effect.void
      return Effect.callback((resume) => {
        const look = (): void => {
          if (this.#failure === undefined && this.#underWay >= most) return
          this.#look = undefined
          resume(this.#failure === undefined ? Effect.void : Effect.fail(this.#failure))
        }
        this.#look = look
        return Effect.sync(() => {
          this.#look = undefined
        })
      })
    })
  }
}

/**
 * Sends all of `outgoing` on an open stream, in the background, and gives what is received, until both ends have said that
 * no more follows, or the stream is closed. `concurrency` sends are under way at most; `idle` closes a stream whose other
 * end cannot be told.
 */
export const pump = (
  end: Endpoint,
  outgoing: Stream.Stream<unknown, unknown, unknown>,
  concurrency: number,
  idle: number | undefined
): Effect.Effect<Stream.Stream<unknown, unknown>, never, unknown> => {
  const { closed, end: tellEnd, messages } = end.api
  let failure: Cause.Cause<unknown> | undefined
  let isLeaving = false
  const window = new Window(end)
  // what the other end has no room for would be a gap in the middle of what it has
  const most = Math.min(concurrency, end.roomThere)
  const send = Stream.runForEach(outgoing, (message) => window.send(message, most)).pipe(
    Effect.andThen(window.fewerThan(1)),
    Effect.andThen(tellEnd),
    Effect.flatMap((told) =>
      told ? Effect.void : Effect.andThen(idle === undefined ? Effect.void : end.closeWhenIdle(idle), closed)
    ),
    Effect.onExit((exit) => {
      // a stream that is closed ends by itself, and says how; one that nobody reads any more is closed with its scope
      if (Exit.isSuccess(exit) || end.isClosed || isLeaving) return Effect.void
      failure = exit.cause
      return end.close(causeOf(exit.cause))
    }),
    Effect.exit
  )
  return Effect.gen(function* () {
    const sending = yield* Effect.forkScoped(send)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        isLeaving = true
      })
    )
    // the other end may have sent all that it has to send while this one has not
    const rest = Effect.suspend(() => (end.isClosed ? closed : Effect.raceFirst(closed, Fiber.await(sending))))
    return Stream.concat(messages, Stream.fromEffectDrain(rest)).pipe(
      Stream.catchCause((cause) => Stream.failCause(failure ?? cause))
    )
  }) as Effect.Effect<Stream.Stream<unknown, unknown>, never, Scope.Scope>
}
