/** Interceptors that observe calls and change nothing. Public in `Interceptor`. */
import { Context, Effect, Exit, type Scope, Stream } from "effect"
import type { BidiStream } from "../../BidiStream.ts"
import type { PsrpcError } from "../../PsrpcError.ts"
import * as LogAnnotations from "../telemetry/logAnnotations.ts"
import { functionOf, make, type Step } from "./chain.ts"
import type { CallOf, Failure, ResultOf } from "../calls/interceptedCalls.ts"
import type { CallServices, Interceptor, Wrap } from "../calls/interceptorTypes.ts"
import type { Answering, Streaming } from "./handlerSteps.ts"

/**
 * A call that hooks observe.
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
 * Hooks that observe calls.
 *
 * @category models
 * @since 0.1.0
 */
export interface Hooks<R> {
  /** Runs before the call. */
  readonly request?: ((call: HookedCall) => Effect.Effect<unknown, never, R>) | undefined
  /**
   * Runs after the call, with its success, failure or interruption. For a stream: at a server after its handler has
   * returned, at a client after it was opened or failed to open. For a subscription: after it was made or failed. For a
   * multi call at a client: once for each answer, and after the call if it fails or is interrupted.
   */
  readonly response?:
    | ((call: HookedCall, exit: Exit.Exit<unknown, Failure>) => Effect.Effect<unknown, never, R>)
    | undefined
  /**
   * Runs when an open stream is closed, at either endpoint, by either peer. The failure is the cause of the close. At a client
   * it runs no later than the close of the scope that the stream was opened in.
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
 * Makes an interceptor that observes calls and streams at either side, subscriptions, and published updates: before they run,
 * and after they end. It changes nothing: a defect in a hook is logged, and the call continues.
 *
 * The call waits for its hooks: fork a hook that takes long.
 *
 * @category constructors
 * @since 0.1.0
 */
export const hooks = <R = never>(given: Hooks<R>): Hooked<R> => {
  for (const name of ["request", "response", "closed"] as const) {
    if (given[name] !== undefined) functionOf(`hooks, ${name}`, given[name])
  }
  const safe = (call: HookedCall, hook: () => Effect.Effect<unknown, never, R>) =>
    // does not catch an interruption of the call itself
    Effect.catchCause(Effect.suspend(hook), (cause) =>
      LogAnnotations.annotate(Effect.logError("psrpc: defect in a hook", cause), call.service, call.method)
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

  /** Returns a function that runs the `closed` hook, once. */
  const ending = (call: CallOf<"clientStream"> | CallOf<"serverStream">) => {
    const { closed } = given
    let hasRun = false
    return (exit: Exit.Exit<void, PsrpcError>): Effect.Effect<unknown, never, R> =>
      Effect.suspend(() => {
        if (hasRun || closed === undefined) return Effect.void
        hasRun = true
        return safe(call, () => closed(call, exit))
      })
  }
  /** Waits for the end of the stream, then runs the `closed` hook. */
  const watch = (stream: AnyStream, runClosed: ReturnType<typeof ending>) =>
    Effect.flatMap(Effect.exit(stream.closed), (exit) => Effect.uninterruptible(runClosed(exit)))

  const server: Step<Answering, ResultOf<"server", R>> = (each, next) => both(each.about, next(each))
  const serverStream: Step<Streaming, ResultOf<"serverStream", R>> = (each, next) => {
    const rest = both(each.about, next(each))
    if (given.closed === undefined) return rest
    // the stream is closed after its handler has returned, and may outlive it
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
    const runClosed = ending(call)
    let stream: AnyStream | undefined
    // runs after the finalizer of the stream, when the fiber of this scope has ended
    const last = Effect.suspend(() => {
      if (stream === undefined) return Effect.void
      const fiber = Effect.runForkWith(Context.empty())(Effect.exit(stream.closed))
      const exit = fiber.pollUnsafe()
      if (exit?._tag === "Success") return runClosed(exit.value)
      // a stream that an interceptor has made may stay open
      fiber.interruptUnsafe()
      return Effect.void
    })
    return Effect.gen(function* () {
      yield* Effect.addFinalizer(() => last)
      const made = yield* opened
      stream = made as unknown as AnyStream
      yield* Effect.forkScoped(watch(stream, runClosed), { startImmediately: true })
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
