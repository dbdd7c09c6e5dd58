import { type Cause, Effect, Exit, Fiber, type Scope, Stream } from "effect"
import type { BidiStream } from "../../BidiStream.ts"
import type * as PsrpcError from "../../PsrpcError.ts"
import { causeOf } from "./causes.ts"
import type { Endpoint } from "./endpoint.ts"

/** Sends a message; `settled` is called once. */
type Post = (message: unknown, settled: (exit: Exit.Exit<void, PsrpcError.PsrpcError>) => void) => void

/** Sends by the stream itself, which interceptors may have made: in the order of the calls, since each begins at once. */
const postOn = (stream: BidiStream<unknown, unknown>): Effect.Effect<Post> =>
  Effect.map(Effect.context<never>(), (context): Post => (message, settled) => {
    const fiber = Effect.runForkWith(context)(stream.send(message))
    const exit = fiber.pollUnsafe()
    if (exit === undefined) fiber.addObserver(settled)
    else settled(exit)
  })

/** Sends that are under way, so many at a time, in order. */
class Window {
  #underWay = 0
  #failure: PsrpcError.PsrpcError | undefined
  #look: (() => void) | undefined
  readonly #post: Post

  constructor(post: Post) {
    this.#post = post
  }

  /** Sends, and completes when fewer than `most` are under way. */
  send(message: unknown, most: number): Effect.Effect<void, PsrpcError.PsrpcError> {
    return Effect.suspend(() => {
      this.#underWay++
      this.#post(message, (exit) => {
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
 * end cannot be told. `end` is the endpoint behind the stream; where interceptors have made one without, there is none.
 */
export const pump = (
  end: Endpoint | undefined,
  stream: BidiStream<unknown, unknown>,
  outgoing: Stream.Stream<unknown, unknown, unknown>,
  concurrency: number,
  idle: number | undefined
): Effect.Effect<Stream.Stream<unknown, unknown>, never, unknown> => {
  const { close, closed, end: tellEnd, messages } = stream
  let failure: Cause.Cause<unknown> | undefined
  let isLeaving = false
  // what the other end has no room for would be a gap in the middle of what it has
  const most = Math.min(concurrency, end?.roomThere ?? Infinity)
  const idled = end === undefined || idle === undefined ? Effect.void : end.closeWhenIdle(idle)
  const sendBy = (window: Window) =>
    Stream.runForEach(outgoing, (message) => window.send(message, most)).pipe(
      Effect.andThen(window.fewerThan(1)),
      Effect.andThen(tellEnd),
      Effect.flatMap((told) => (told ? Effect.void : Effect.andThen(idled, closed))),
      Effect.onExit((exit) => {
        // a stream that is closed ends by itself, and says how; one that nobody reads any more is closed with its scope
        if (Exit.isSuccess(exit) || end?.isClosed === true || isLeaving) return Effect.void
        failure = exit.cause
        return close(causeOf(exit.cause))
      }),
      Effect.exit
    )
  return Effect.gen(function* () {
    const plain = end !== undefined && end.api === stream
    const post: Post = plain ? (message, settled) => end.post(message, undefined, settled) : yield* postOn(stream)
    const sending = yield* Effect.forkScoped(sendBy(new Window(post)))
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        isLeaving = true
      })
    )
    // the other end may have sent all that it has to send while this one has not
    const rest = Effect.suspend(() =>
      end?.isClosed === true ? closed : Effect.raceFirst(closed, Fiber.await(sending))
    )
    return Stream.concat(messages, Stream.fromEffectDrain(rest)).pipe(
      Stream.catchCause((cause) => Stream.failCause(failure ?? cause))
    )
  }) as Effect.Effect<Stream.Stream<unknown, unknown>, never, Scope.Scope>
}
