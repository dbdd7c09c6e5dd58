/**
 * Interceptors: code that runs around every call, on either side: authentication, logging, limits, caches, retries.
 *
 * An interceptor is a function of the call and of `next`. `next` runs the rest: the inner interceptors, then the handler or
 * the request. The interceptor may change the call and the result, return a result of its own, fail, or run the rest again.
 * Its requirements appear in the type of the Layer that it is given to. The services that it provides are removed from the
 * requirements of the handlers.
 *
 * | constructor | runs around | `next` takes |
 * | --- | --- | --- |
 * | `server` | the handlers of unary and multi methods | nothing |
 * | `serverStream` | the handlers of streams; the stream is `call.stream` | `{ stream }` |
 * | `client` | unary calls | options of the call |
 * | `clientMulti` | multi calls | options of the call |
 * | `clientStream` | the opening of streams | options of the opening |
 * | `subscribe` | subscriptions | options of the subscription |
 * | `publish` | updates of a publisher | options of the update |
 * | `method` | one method, on either side, with its types | the same, and `request`, `stream` or `message` |
 *
 * `stream`, `provide`, `metadata` and `hooks` are made of these. `all` joins several interceptors, of the same kind or of
 * different kinds, into one.
 *
 * The first interceptor of a list is the outermost: it sees the call first and the result last. The interceptors of a client
 * run outside those of a single call. The affinity of a method is computed before any interceptor runs, since no server has
 * been selected by then.
 *
 * **Example** (Handlers that require the user)
 *
 * ```ts
 * import { Interceptor, PsrpcError, Rpc, Server, Service } from "@effect-psrpc/core"
 * import { Context, Effect, Schema } from "effect"
 *
 * class User extends Context.Service<User, { readonly name: string }>()("app/User") {}
 *
 * const authentication = Interceptor.provide(User, (call) => {
 *   const name = call.header.metadata["user"]
 *   return name === undefined
 *     ? Effect.fail(new PsrpcError.Unauthenticated({ message: "metadata user: missing" }))
 *     : Effect.succeed({ name })
 * })
 *
 * class Greeter extends Service.make("Greeter", {
 *   hello: Rpc.unary({ response: Schema.String })
 * }) {}
 *
 * // does not require User: the interceptor provides it
 * const GreeterLive = Server.layer(Greeter, {
 *   hello: () => Effect.map(User, ({ name }) => `Hello ${name}`)
 * }, { interceptors: [authentication] })
 * ```
 *
 * @since 0.1.0
 */
import type { Context, Effect, Scope } from "effect"
import type { Any, CallServices, Interceptor, Wrap, Wraps } from "./internal/calls/interceptorTypes.ts"
import * as Composed from "./internal/interceptors/composed.ts"
import * as Kinds from "./internal/interceptors/kinds.ts"
import type { Metadata } from "./internal/metadata/model.ts"
import type { PsrpcError } from "./PsrpcError.ts"

export type {
  Answer,
  Around,
  CallInfo,
  CallOf,
  ClientCall,
  ClientMultiCall,
  ClientMultiOptions,
  ClientOptions,
  ClientStreamCall,
  ClientStreamOptions,
  Failure,
  Message,
  MethodError,
  MultiAnswer,
  Next,
  PublishCall,
  ResultOf,
  ServerCall,
  ServerStreamCall,
  SubscribeCall
} from "./internal/calls/interceptedCalls.ts"

export {
  type Any,
  type AroundCalls,
  type AroundStreams,
  type ClientServices,
  type Interceptor,
  type Kind,
  type NoRequirements,
  type PublisherServices,
  TypeId,
  type Wrap,
  type Wraps
} from "./internal/calls/interceptorTypes.ts"

export type { AnsweredCall, AnyStream, CarryingCall, StreamCall } from "./internal/interceptors/composed.ts"

export { type HookedCall, hooks, type Hooks } from "./internal/interceptors/hooks.ts"

export type { ClientConstructor, ServerConstructor } from "./internal/interceptors/kinds.ts"

export {
  /**
   * Makes an interceptor of one method, with its types: a function for each side that it runs around. `next` takes changes
   * of the call: its options at a client, and `request`, `stream` or `message`.
   *
   * | kind of the method | sides |
   * | --- | --- |
   * | unary, multi, stream | `client`, `server` |
   * | subscription | `client`, `publisher` |
   *
   * Throws a `TypeError` for a method that the service does not have, and for a side that the method does not have.
   *
   * **Example** (A request that is trimmed on both sides)
   *
   * ```ts
   * import { Interceptor, Rpc, Service } from "@effect-psrpc/core"
   * import { Effect, Schema } from "effect"
   *
   * class Greeter extends Service.make("Greeter", {
   *   hello: Rpc.unary({ request: Schema.String, response: Schema.String })
   * }) {}
   *
   * const trimmed = Interceptor.method(Greeter, "hello", {
   *   client: (call, next) => next({ request: call.request.trim() }),
   *   server: (call, next) => Effect.map(next({ request: call.request.trim() }), (answer) => `${answer}!`)
   * })
   * ```
   *
   * @category constructors
   * @since 0.1.0
   */
  method,
  type Sides
} from "./internal/interceptors/oneMethod.ts"

/**
 * Makes an interceptor of a server's handlers of unary and multi methods. `provides` is the key of a service, or an array of
 * keys: `next` requires these services, and they are removed from the requirements of the handlers.
 *
 * **Example** (A log line for each call, with its duration)
 *
 * ```ts
 * import { Interceptor } from "@effect-psrpc/core"
 * import { Duration, Effect } from "effect"
 *
 * const timed = Interceptor.server((call, next) =>
 *   Effect.gen(function*() {
 *     const [duration, answer] = yield* Effect.timed(next())
 *     yield* Effect.logInfo(`${call.method} took ${Duration.format(duration)}`)
 *     return answer
 *   })
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const server: Kinds.ServerConstructor<"server"> = Kinds.server("server")

/**
 * Makes an interceptor of a server's handlers of streams. The stream is `call.stream`; `next({ stream })` runs the rest with
 * another one. `provides` is the same as for {@link server}.
 *
 * @category constructors
 * @since 0.1.0
 */
export const serverStream: Kinds.ServerConstructor<"serverStream"> = Kinds.server("serverStream")

/**
 * Makes an interceptor of a client's unary calls. `next` takes options that replace those of the call; metadata is merged.
 *
 * **Example** (A second attempt with more time)
 *
 * ```ts
 * import { Interceptor } from "@effect-psrpc/core"
 * import { Effect } from "effect"
 *
 * const secondAttempt = Interceptor.client((call, next) =>
 *   next({ timeout: "1 second" }).pipe(
 *     Effect.catchTag("Unavailable", () => next({ timeout: call.timeout, metadata: { attempt: "2" } }))
 *   )
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const client: Kinds.ClientConstructor<"client"> = Kinds.client("client")

/**
 * Makes an interceptor of a client's multi calls. Its result is the Stream of the answers. `next` is the same as for
 * {@link client}.
 *
 * @category constructors
 * @since 0.1.0
 */
export const clientMulti: Kinds.ClientConstructor<"clientMulti"> = Kinds.client("clientMulti")

/**
 * Makes an interceptor of the opening of a client's streams. Its result is the stream that the caller gets. `next` is the
 * same as for {@link client}.
 *
 * @category constructors
 * @since 0.1.0
 */
export const clientStream: Kinds.ClientConstructor<"clientStream"> = Kinds.client("clientStream")

/**
 * Makes an interceptor of a client's subscriptions, and of their updates. `next` takes options that replace those of the
 * subscription.
 *
 * @category constructors
 * @since 0.1.0
 */
export const subscribe: Kinds.ClientConstructor<"subscribe"> = Kinds.client("subscribe")

/**
 * Makes an interceptor of a publisher's updates. `next` takes options that replace those of the update.
 *
 * @category constructors
 * @since 0.1.0
 */
export const publish: Kinds.ClientConstructor<"publish"> = Kinds.client("publish")

/**
 * Makes an interceptor of open streams, at either end. Its result is the stream that the caller, or the handler, gets in
 * place of the given one: usually `{ ...stream }` with another `send`, `messages` or `close`.
 *
 * `close` runs only if the caller or the handler calls it. A stream also ends with its scope, with its handler, or when the
 * peer closes it: `closed` completes in all cases.
 *
 * **Example** (Counts the sent messages)
 *
 * ```ts
 * import { Interceptor } from "@effect-psrpc/core"
 * import { Effect, Metric } from "effect"
 *
 * const sent = Metric.counter("sent")
 *
 * const counting = Interceptor.stream((stream) => ({
 *   ...stream,
 *   send: (message, options) => Effect.tap(stream.send(message, options), Metric.update(sent, 1))
 * }))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const stream: <R = never>(
  f: (
    stream: Composed.AnyStream,
    call: Composed.StreamCall
  ) => Composed.AnyStream | Effect.Effect<Composed.AnyStream, PsrpcError, R>
) => Interceptor<
  readonly [Wrap<"clientStream", never, Exclude<R, Scope.Scope>>, Wrap<"serverStream", never, Exclude<R, CallServices>>]
> = Composed.stream

/**
 * Joins interceptors into one. The first is the outermost.
 *
 * @category combinators
 * @since 0.1.0
 */
export const all: <const I extends ReadonlyArray<Any>>(...interceptors: I) => Interceptor<Wraps<I>> = Composed.all

/**
 * Makes an interceptor that provides a service to a server's handlers, of calls and of streams. `f` makes the service for
 * each call.
 *
 * @category constructors
 * @since 0.1.0
 */
export const provide: <I, S, R = never>(
  key: Context.Key<I, S>,
  f: (call: Composed.AnsweredCall) => Effect.Effect<NoInfer<S>, PsrpcError, R>
) => Interceptor<
  readonly [Wrap<"server", I, Exclude<R, CallServices>>, Wrap<"serverStream", I, Exclude<R, CallServices>>]
> = Composed.provide

/**
 * Makes an interceptor that adds metadata to every unary call, multi call and stream of a client. It replaces the client's
 * own metadata and that of `Metadata.with`; the `metadata` option of the call replaces it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const metadata: <R = never>(
  f: Metadata | ((call: Composed.CarryingCall) => Effect.Effect<Metadata, PsrpcError, R>)
) => Interceptor<
  readonly [
    Wrap<"client", never, Exclude<R, Scope.Scope>>,
    Wrap<"clientMulti", never, Exclude<R, Scope.Scope>>,
    Wrap<"clientStream", never, Exclude<R, Scope.Scope>>
  ]
> = Composed.metadata
