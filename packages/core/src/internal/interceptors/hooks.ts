/** Interceptors that change nothing; public in `Interceptor`. */
import { Context, Effect, Exit, type Scope, Stream } from "effect"
import type { BidiStream } from "../../BidiStream.ts"
import type { PsrpcError } from "../../PsrpcError.ts"
import * as LogAnnotations from "../telemetry/logAnnotations.ts"
import { functionOf, make, type Step } from "./chain.ts"
import type { CallOf, Failure, ResultOf } from "../calls/interceptedCalls.ts"
import type { CallServices, Interceptor, Wrap } from "../calls/interceptorTypes.ts"
import type { Answering, Streaming } from "./handlerSteps.ts"

/**
 * What hooks are told of.
 *
 * @category models
 * @since 0.1.0
 */
export type HookedCall =
  | CallOf<"server">
  | CallOf<"serverStream">
  | CallOf<"client">
  | CallOf<"clientMulti">
  | CallOf<"clientStream">
  | CallOf<"subscribe">
  | CallOf<"publish">

/**
 * Hooks for who only looks on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Hooks<R> {
  /** Before the rest runs. */
  readonly request?: ((call: HookedCall) => Effect.Effect<unknown, never, R>) | undefined
  /**
   * After it: how it ended, in success, failure or interruption. Of a stream that is at a server when its handler has
   * returned, at a client when it is open or could not be opened; of a subscription, when it is there or could not be. A
   * call that every server answers is told of once for each answer, on the client, and at its own end where that is a
   * failure or an interruption.
   */
  readonly response?:
    | ((call: HookedCall, exit: Exit.Exit<unknown, Failure>) => Effect.Effect<unknown, never, R>)
    | undefined
  /**
   * When a stream that was open is closed, at either end and by whom ever: its cause is the failure. At a client no later
   * than the scope that it was opened in is.
   */
  readonly closed?:
    | ((
        call: CallOf<"clientStream"> | CallOf<"serverStream">,
        exit: Exit.Exit<void, PsrpcError>
      ) => Effect.Effect<unknown, never, R>)
    | undefined
}

/** The kinds that hooks run around, in the order of their wraps. */
type Hooked<R> = Interceptor<
  readonly [
    Wrap<"server", never, Exclude<R, CallServices>>,
    Wrap<"serverStream", never, Exclude<R, CallServices>>,
    Wrap<"client", never, Exclude<R, Scope.Scope>>,
    Wrap<"clientMulti", never, Exclude<R, Scope.Scope>>,
    Wrap<"clientStream", never, Exclude<R, Scope.Scope>>,
    Wrap<"subscribe", never, Exclude<R, Scope.Scope>>,
    Wrap<"publish", never, Exclude<R, Scope.Scope>>
  ]
>

type AnyStream = BidiStream<never, unknown>

/**
 * Observes: requests before they run, and how they ended; of calls and streams at either end, of subscriptions, and of
 * updates that are published. It changes nothing: a hook that dies is logged, and the call goes on.
 *
 * The call waits for its hooks: what takes its time is better forked.
 *
 * @category constructors
 * @since 0.1.0
 */
export const hooks = <R = never>(given: Hooks<R>): Hooked<R> => {
  for (const name of ["request", "response", "closed"] as const) {
    if (given[name] !== undefined) functionOf(`hooks, ${name}`, given[name])
  }
  const safe = (call: HookedCall, hook: () => Effect.Effect<unknown, never, R>) =>
    // an interruption of the call itself goes past this
    Effect.catchCause(Effect.suspend(hook), (cause) =>
      LogAnnotations.annotate(Effect.logError("psrpc: a hook died", cause), call.service, call.method)
    )
  const before = (call: HookedCall): Effect.Effect<unknown, never, R> =>
    given.request === undefined ? Effect.void : safe(call, () => given.request!(call))
  const after = (call: HookedCall, exit: Exit.Exit<unknown, Failure>): Effect.Effect<unknown, never, R> =>
    given.response === undefined ? Effect.void : safe(call, () => given.response!(call, exit))
  const both = <A, E extends Failure, R2>(call: HookedCall, rest: Effect.Effect<A, E, R2>) =>
    Effect.andThen(
      before(call),
      Effect.onExit(rest, (exit) => after(call, exit))
    )

  /** What tells once of a stream's end. */
  const ending = (call: CallOf<"clientStream"> | CallOf<"serverStream">) => {
    const { closed } = given
    let isTold = false
    return (exit: Exit.Exit<void, PsrpcError>): Effect.Effect<unknown, never, R> =>
      Effect.suspend(() => {
        if (isTold || closed === undefined) return Effect.void
        isTold = true
        return safe(call, () => closed(call, exit))
      })
  }
  /** Waits for the end, and tells of it. */
  const watch = (stream: AnyStream, tell: ReturnType<typeof ending>) =>
    Effect.flatMap(Effect.exit(stream.closed), (exit) => Effect.uninterruptible(tell(exit)))

  const server: Step<Answering, ResultOf<"server", R>> = (each, next) => both(each.about, next(each))
  const serverStream: Step<Streaming, ResultOf<"serverStream", R>> = (each, next) => {
    const rest = both(each.about, next(each))
    if (given.closed === undefined) return rest
    // it is closed after its handler, and may outlive it
    return Effect.andThen(Effect.forkDetach(watch(each.about.stream as AnyStream, ending(each.about))), rest)
  }
  const simple =
    <K extends "client" | "subscribe" | "publish">(): Step<CallOf<K>, any> =>
    (call, next) =>
      both(call, next(call))
  const clientMulti: Step<CallOf<"clientMulti">, ResultOf<"clientMulti", R>> = (call, next) =>
    Stream.unwrap(
      Effect.as(
        before(call),
        next(call).pipe(
          Stream.tap(({ result }) =>
            after(call, result._tag === "Success" ? Exit.succeed(result.success) : Exit.fail(result.failure))
          ),
          Stream.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : after(call, exit)))
        )
      )
    )
  const clientStream: Step<CallOf<"clientStream">, ResultOf<"clientStream", R>> = (call, next) => {
    const opened = both(call, next(call))
    if (given.closed === undefined) return opened
    const tell = ending(call)
    let stream: AnyStream | undefined
    // runs after the stream's own, whose end a fiber of this scope would not live to see
    const last = Effect.suspend(() => {
      if (stream === undefined) return Effect.void
      const fiber = Effect.runForkWith(Context.empty())(Effect.exit(stream.closed))
      const exit = fiber.pollUnsafe()
      if (exit?._tag === "Success") return tell(exit.value)
      // one that an interceptor has made may stay open
      fiber.interruptUnsafe()
      return Effect.void
    })
    return Effect.gen(function* () {
      yield* Effect.addFinalizer(() => last)
      const made = yield* opened
      stream = made as unknown as AnyStream
      yield* Effect.forkScoped(watch(stream, tell), { startImmediately: true })
      return made
    })
  }
  return make([
    { kind: "server", step: server },
    { kind: "serverStream", step: serverStream },
    { kind: "client", step: simple<"client">() },
    { kind: "clientMulti", step: clientMulti },
    { kind: "clientStream", step: clientStream },
    { kind: "subscribe", step: simple<"subscribe">() },
    { kind: "publish", step: simple<"publish">() }
  ]) as never
}
