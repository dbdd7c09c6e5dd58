/** `through`: sends the elements of a Stream on an open stream, and returns the received messages as a Stream. */
import { type Cause, Context, Effect, Exit, Fiber, type Scope, Stream } from "effect"
import type { BidiStream } from "../../BidiStream.ts"
import type { PsrpcError } from "../../PsrpcError.ts"
import { CurrentControl } from "../calls/callControl.ts"
import { causeOf } from "./causes.ts"
import type { Endpoint } from "./endpoint.ts"

/** A stream that `through` has opened: the endpoint, and the object that the innermost interceptor received. */
interface Opened {
  readonly endpoint: Endpoint
  readonly stream: BidiStream<unknown, unknown>
}

/** The streams that `through` has opened, by id. Interceptors replace the stream object, but keep its id. */
export class ThroughStreams {
  readonly #byId = new Map<string, Opened>()

  /** Returns the stream of an endpoint, whose sends call `onSent`. Remembers it until the scope closes. */
  observe(endpoint: Endpoint): Effect.Effect<BidiStream<unknown, unknown>, never, Scope.Scope> {
    const stream = observed(endpoint)
    const { streamId } = stream
    return Effect.as(
      Effect.acquireRelease(
        Effect.sync(() => this.#byId.set(streamId, { endpoint, stream })),
        () => Effect.sync(() => this.#byId.delete(streamId))
      ),
      stream
    )
  }

  /** Returns the stream inside a stream that interceptors may have wrapped; `undefined` if they have opened none. */
  inside(stream: BidiStream<unknown, unknown>): Opened | undefined {
    return this.#byId.get(stream.streamId)
  }
}

const observed = (endpoint: Endpoint): BidiStream<unknown, unknown> => {
  const { api } = endpoint
  return {
    ...api,
    send: (message, options) =>
      Effect.withFiber((fiber) => {
        const control = fiber.getRef(CurrentControl)
        if (control.onSent === undefined) return api.send(message, options)
        return Effect.callback((resume) => {
          const pending = endpoint.sender.post(message, options, resume)
          control.onSent?.()
          return pending === undefined ? undefined : Effect.sync(() => pending.abandon())
        })
      })
  }
}

/**
 * Sends a message. Calls `onSettled` once, possibly before it returns. Returns whether the message has been sent or never
 * will be; if not, it calls `onSent` later.
 */
type Post = (message: unknown, onSettled: (exit: Exit.Exit<void, PsrpcError>) => void, onSent: () => void) => boolean

/** Sends on the endpoint, without a fiber. */
const postOn =
  (endpoint: Endpoint): Post =>
  (message, onSettled) => {
    endpoint.sender.post(message, undefined, onSettled)
    return true
  }

/** Sends on a stream that interceptors have wrapped: one fiber per message. The running fibers are in `fibers`. */
const postBy =
  (
    stream: BidiStream<unknown, unknown>,
    context: Context.Context<never>,
    fibers: Set<Fiber.Fiber<unknown, unknown>>
  ): Post =>
  (message, onSettled, onSent) => {
    let isSent = false
    const control = {
      onSent: (): void => {
        if (isSent) return
        isSent = true
        onSent()
      }
    }
    const sending = Effect.suspend(() => stream.send(message))
    const fiber = Effect.runForkWith(Context.add(context, CurrentControl, control))(sending)
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) {
      onSettled(exit)
      return true
    }
    fibers.add(fiber)
    fiber.addObserver((exit) => {
      fibers.delete(fiber)
      onSettled(exit)
    })
    return isSent
  }

/** Pending sends, up to a maximum number, in order: none starts before the previous one has been sent. */
class SendWindow {
  #pending = 0
  /** The number of the latest message, and that of the message that is not sent yet. */
  #latest = 0
  #unsent = 0
  #failure: Cause.Cause<PsrpcError> | undefined
  #check: (() => void) | undefined
  readonly #post: Post

  constructor(post: Post) {
    this.#post = post
  }

  /** Sends a message. Completes when fewer than `max` sends are pending. */
  send(message: unknown, max: number): Effect.Effect<void, PsrpcError> {
    return Effect.suspend(() => {
      const number = ++this.#latest
      this.#pending++
      this.#unsent = number
      const onSent = (): void => {
        if (this.#unsent === number) this.#unsent = 0
        this.#check?.()
      }
      const isSent = this.#post(
        message,
        (exit) => {
          this.#pending--
          if (exit._tag === "Failure") this.#failure ??= exit.cause
          onSent()
        },
        onSent
      )
      if (isSent) this.#unsent = 0
      return this.fewerThan(max)
    })
  }

  /** Completes when fewer than `max` sends are pending and all are sent. Fails as soon as a send has failed. */
  fewerThan(max: number): Effect.Effect<void, PsrpcError> {
    return Effect.suspend(() => {
      const isOver = (): boolean => this.#failure !== undefined || (this.#pending < max && this.#unsent === 0)
      const outcome = (): Effect.Effect<void, PsrpcError> =>
        this.#failure === undefined ? Effect.void : Effect.failCause(this.#failure)
      if (isOver()) return outcome()
      return Effect.callback((resume) => {
        this.#check = () => {
          if (!isOver()) return
          this.#check = undefined
          resume(outcome())
        }
        return Effect.sync(() => {
          this.#check = undefined
        })
      })
    })
  }
}

/**
 * Sends the elements of `outgoing` in the background. Returns the received messages, which end when both ends have closed
 * their direction, or when the stream is closed. `opened` is the stream inside of `stream`, if there is one.
 *
 * At most `concurrency` sends are pending. `idle` closes a stream whose peer does not support `closeSend` when no message
 * has arrived for so many milliseconds.
 */
export const pump = (
  stream: BidiStream<unknown, unknown>,
  opened: Opened | undefined,
  outgoing: Stream.Stream<unknown, unknown, unknown>,
  concurrency: number,
  idle: number | undefined
): Effect.Effect<Stream.Stream<unknown, unknown>, never, unknown> => {
  const { close, closed, closeSend, messages } = stream
  const endpoint = opened?.endpoint
  let failure: Cause.Cause<unknown> | undefined
  let isLeaving = false
  // a message for which the peer has no room would be lost, and the following messages would not
  const max = Math.min(concurrency, endpoint?.peerWindow ?? Infinity)
  const idled = endpoint === undefined || idle === undefined ? Effect.void : endpoint.closeWhenIdle(idle)
  const sendBy = (window: SendWindow) =>
    Stream.runForEach(outgoing, (message) => window.send(message, max)).pipe(
      Effect.andThen(window.fewerThan(1)),
      Effect.andThen(closeSend),
      Effect.flatMap((isSupported) => (isSupported ? Effect.void : Effect.andThen(idled, closed))),
      Effect.onExit((exit) => {
        // a closed stream has its own outcome, and a stream without a reader is closed with its scope
        if (Exit.isSuccess(exit) || endpoint?.isClosed === true || isLeaving) return Effect.void
        failure = exit.cause
        return close(causeOf(exit.cause))
      }),
      Effect.exit
    )
  return Effect.gen(function* () {
    const fibers = new Set<Fiber.Fiber<unknown, unknown>>()
    const post =
      opened?.stream === stream ? postOn(opened.endpoint) : postBy(stream, yield* Effect.context<never>(), fibers)
    const sending = yield* Effect.forkScoped(sendBy(new SendWindow(post)))
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        isLeaving = true
        return Fiber.interruptAll(fibers)
      })
    )
    // the peer may close its direction before this end has sent everything
    const rest = Effect.suspend(() =>
      endpoint?.isClosed === true ? closed : Effect.raceFirst(closed, Fiber.await(sending))
    )
    return Stream.concat(messages, Stream.fromEffectDrain(rest)).pipe(
      Stream.catchCause((cause) => Stream.failCause(failure ?? cause))
    )
  }) as Effect.Effect<Stream.Stream<unknown, unknown>, never, Scope.Scope>
}
