import { type Cause, Context, Effect, Exit, Fiber, type Scope, Stream } from "effect"
import type { BidiStream } from "../../BidiStream.ts"
import type * as PsrpcError from "../../PsrpcError.ts"
import { causeOf } from "./causes.ts"
import type { Endpoint } from "./endpoint.ts"

/**
 * Sends a message; `settled` is called once, also before this returns. Says whether the message has been sent by then, or
 * never will be; where it has not, `sent` is called when it is.
 */
type Post = (
  message: unknown,
  settled: (exit: Exit.Exit<void, PsrpcError.PsrpcError>) => void,
  sent: () => void
) => boolean

/** What a message of `through` is told by that interceptors send, maybe later: that it is on its way. */
class Sending extends Context.Service<Sending, () => void>()("@effect-psrpc/core/internal/streams/Sending") {}

/** An endpoint's stream, for interceptors to make theirs of: it says when a message of `through` is sent. */
export const observed = (end: Endpoint): BidiStream<unknown, unknown> => {
  const { api } = end
  return {
    ...api,
    send: (message, options) =>
      Effect.withFiber((fiber) => {
        const sent = Context.getOrUndefined(fiber.context, Sending)
        if (sent === undefined) return api.send(message, options)
        return Effect.callback((resume) => {
          const outgoing = end.post(message, options, resume)
          sent()
          return outgoing === undefined ? undefined : Effect.sync(() => outgoing.abandon())
        })
      })
  }
}

/** Sends by the endpoint, in no fiber. */
const postOn =
  (end: Endpoint): Post =>
  (message, settled) => {
    end.post(message, undefined, settled)
    return true
  }

/** Sends by a stream that interceptors have made, each message in a fiber; those that run are in `fibers`. */
const postBy =
  (
    stream: BidiStream<unknown, unknown>,
    context: Context.Context<never>,
    fibers: Set<Fiber.Fiber<unknown, unknown>>
  ): Post =>
  (message, settled, sent) => {
    let isSent = false
    const onSent = (): void => {
      if (isSent) return
      isSent = true
      sent()
    }
    const sending = Effect.suspend(() => stream.send(message))
    const fiber = Effect.runForkWith(Context.add(context, Sending, onSent))(sending)
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) {
      settled(exit)
      return true
    }
    fibers.add(fiber)
    fiber.addObserver((exit) => {
      fibers.delete(fiber)
      settled(exit)
    })
    return isSent
  }

/** Sends that are under way, so many at a time, in order: none begins before the one before it is sent. */
class Window {
  #underWay = 0
  /** The number of the latest message, and of the one that is not sent yet. */
  #latest = 0
  #unsent = 0
  #failure: Cause.Cause<PsrpcError.PsrpcError> | undefined
  #look: (() => void) | undefined
  readonly #post: Post

  constructor(post: Post) {
    this.#post = post
  }

  /** Sends, and completes when fewer than `most` are under way. */
  send(message: unknown, most: number): Effect.Effect<void, PsrpcError.PsrpcError> {
    return Effect.suspend(() => {
      const number = ++this.#latest
      this.#underWay++
      this.#unsent = number
      const sent = (): void => {
        if (this.#unsent === number) this.#unsent = 0
        this.#look?.()
      }
      const isSent = this.#post(
        message,
        (exit) => {
          this.#underWay--
          if (exit._tag === "Failure") this.#failure ??= exit.cause
          sent()
        },
        sent
      )
      if (isSent) this.#unsent = 0
      return this.fewerThan(most)
    })
  }

  /** Completes when fewer than `most` are under way, and all are sent; fails as soon as one has failed. */
  fewerThan(most: number): Effect.Effect<void, PsrpcError.PsrpcError> {
    return Effect.suspend(() => {
      const isOver = (): boolean => this.#failure !== undefined || (this.#underWay < most && this.#unsent === 0)
      const outcome = (): Effect.Effect<void, PsrpcError.PsrpcError> =>
        this.#failure === undefined ? Effect.void : Effect.failCause(this.#failure)
      if (isOver()) return outcome()
      return Effect.callback((resume) => {
        this.#look = () => {
          if (!isOver()) return
          this.#look = undefined
          resume(outcome())
        }
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
 * `isPlain` says that they have made nothing of it.
 */
export const pump = (
  end: Endpoint | undefined,
  stream: BidiStream<unknown, unknown>,
  isPlain: boolean,
  outgoing: Stream.Stream<unknown, unknown, unknown>,
  concurrency: number,
  idle: number | undefined
): Effect.Effect<Stream.Stream<unknown, unknown>, never, unknown> => {
  const { close, closed, closeSend, messages } = stream
  let failure: Cause.Cause<unknown> | undefined
  let isLeaving = false
  // what the other end has no room for would be a gap in the middle of what it has
  const most = Math.min(concurrency, end?.roomThere ?? Infinity)
  const idled = end === undefined || idle === undefined ? Effect.void : end.closeWhenIdle(idle)
  const sendBy = (window: Window) =>
    Stream.runForEach(outgoing, (message) => window.send(message, most)).pipe(
      Effect.andThen(window.fewerThan(1)),
      Effect.andThen(closeSend),
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
    const fibers = new Set<Fiber.Fiber<unknown, unknown>>()
    const post = isPlain && end !== undefined ? postOn(end) : postBy(stream, yield* Effect.context<never>(), fibers)
    const sending = yield* Effect.forkScoped(sendBy(new Window(post)))
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        isLeaving = true
        return Fiber.interruptAll(fibers)
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
