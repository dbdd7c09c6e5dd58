/**
 * Interceptors: what runs around every call, on either side: authentication, logging, limits, caches, retries.
 *
 * An interceptor is a function of the call and of `next`, which runs the rest: the interceptors behind it, and the handler
 * or the request itself. It may change what goes in and what comes out, answer by itself, fail, or run the rest again. What
 * it requires shows in the type of the Layer that it is given to; what it provides is taken from what the handlers behind
 * it require.
 *
 * | constructor | runs around |
 * | --- | --- |
 * | `server` | the handler of a unary or a multi method |
 * | `serverStream` | the handler of a stream |
 * | `client` | a call with one answer |
 * | `clientMulti` | a call that every server answers |
 * | `clientStream` | the opening of a stream, and the stream |
 * | `stream` | an open stream, at either end |
 * | `subscribe` | a subscription, and its updates |
 * | `publish` | an update that is sent |
 *
 * Of each there is one for a single method, with its types: `serverMethod`, `serverStreamMethod`, `clientMethod`,
 * `clientMultiMethod`, `clientStreamMethod`, `subscribeMethod`, `publishMethod`. And made of these: `stream` (open streams at
 * either end), `provide`, `metadata`, `hooks`.
 *
 * The first in a list is outermost: it sees the call first and the answer last. A client's own are outside of a call's.
 * `all` makes one value of several, of the same kind or of different ones. An affinity is asked before any interceptor:
 * nothing has been chosen by then.
 *
 * **Example** (Handlers that know their user)
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
 *     ? Effect.fail(new PsrpcError.Unauthenticated({ message: "who are you?" }))
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
import { type Context, Effect, Stream } from "effect"
import type { BidiStream, ServerStream } from "./BidiStream.ts"
import { changed, entriesOf, type Entry, functionOf, make, type Step } from "./internal/interceptors/chain.ts"
import type { CallOf, Message, NextOf, ResultOf } from "./internal/calls/interceptedCalls.ts"
import type { Any, Interceptor, Same, Single, Wraps } from "./internal/calls/interceptorTypes.ts"
import type { Answering, Streaming } from "./internal/interceptors/handlerSteps.ts"
import { merge } from "./internal/metadata/combine.ts"
import type { Metadata } from "./Metadata.ts"
import type { PsrpcError } from "./PsrpcError.ts"

export type {
  Answer,
  ClientCall,
  ClientMultiCall,
  ClientMultiOptions,
  ClientOptions,
  ClientStreamCall,
  ClientStreamOptions,
  Failure,
  Info,
  Message,
  MethodError,
  MultiAnswer,
  PublishCall,
  ServerCall,
  ServerStreamCall,
  SubscribeCall
} from "./internal/calls/interceptedCalls.ts"

export {
  type Any,
  type AroundCalls,
  type AroundStreams,
  type ClientServices,
  type Free,
  type Interceptor,
  type Kind,
  type PublisherServices,
  TypeId,
  type Wrap,
  type Wraps
} from "./internal/calls/interceptorTypes.ts"

export { type HookedCall, hooks, type Hooks } from "./internal/interceptors/hooks.ts"

export {
  clientMethod,
  clientMultiMethod,
  clientStreamMethod,
  publishMethod,
  serverMethod,
  serverStreamMethod,
  subscribeMethod
} from "./internal/interceptors/methods.ts"

/** One key of a service, or a list of them. */
type Keys = Context.Key<any, any> | ReadonlyArray<Context.Key<any, any>>

type Identifiers<P> =
  P extends Context.Key<infer I, any> ? I : P extends ReadonlyArray<Context.Key<infer I, any>> ? I : never

const made = (...entries: ReadonlyArray<Entry>): any => make(entries)

/**
 * Around a server's handlers of unary and multi methods. With `provides`, the key of a service or a list of keys, `next`
 * requires these services, and the handlers behind it need not be given them otherwise.
 *
 * **Example** (A line for each call, with the time that it took)
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
export const server: {
  <R = never>(
    f: (call: CallOf<"server">, next: () => ResultOf<"server", never>) => ResultOf<"server", R>
  ): Single<"server", never, R>
  <const P extends Keys, R = never>(
    options: { readonly provides: P },
    f: (call: CallOf<"server">, next: () => ResultOf<"server", Identifiers<P>>) => ResultOf<"server", R>
  ): Single<"server", Identifiers<P>, R>
} = (...args: ReadonlyArray<any>) => {
  const f = functionOf("server", args.at(-1))
  const step: Step<Answering> = (each, next) => f(each.about, () => next(each))
  return made({ kind: "server", step })
}

/**
 * Around a server's handlers of streams. What it gives `next` is the stream that the handlers get. `provides` is as with
 * {@link server}.
 *
 * @category constructors
 * @since 0.1.0
 */
export const serverStream: {
  <R = never>(
    f: (
      stream: ServerStream<Message, Message>,
      call: CallOf<"serverStream">,
      next: (...args: NextOf<"serverStream">) => ResultOf<"serverStream", never>
    ) => ResultOf<"serverStream", R>
  ): Single<"serverStream", never, R>
  <const P extends Keys, R = never>(
    options: { readonly provides: P },
    f: (
      stream: ServerStream<Message, Message>,
      call: CallOf<"serverStream">,
      next: (...args: NextOf<"serverStream">) => ResultOf<"serverStream", Identifiers<P>>
    ) => ResultOf<"serverStream", R>
  ): Single<"serverStream", Identifiers<P>, R>
} = (...args: ReadonlyArray<any>) => {
  const f = functionOf("serverStream", args.at(-1))
  const step: Step<Streaming> = (each, next) =>
    f(each.stream, each.about, (stream: Streaming["stream"]) => next({ ...each, stream }))
  return made({ kind: "serverStream", step })
}

/** Around what a client or a publisher does: the rest is run with other options, if any. */
const around =
  <K extends "client" | "clientMulti" | "clientStream" | "subscribe" | "publish">(kind: K) =>
  <R = never>(
    f: (call: CallOf<K>, next: (...args: NextOf<K>) => ResultOf<K, never>) => ResultOf<K, R>
  ): Single<K, never, R> => {
    functionOf(kind, f)
    const step: Step<CallOf<K>> = (call, next) => f(call, (...[options]) => next(changed(call, options)))
    return made({ kind, step })
  }

/**
 * Around a client's calls with one answer. `next` takes options over those of the call; of metadata, both are sent.
 *
 * **Example** (An answer in place of one that does not come)
 *
 * ```ts
 * import { Interceptor } from "@effect-psrpc/core"
 * import { Effect } from "effect"
 *
 * const patient = Interceptor.client((call, next) =>
 *   next({ timeout: "1 second" }).pipe(
 *     Effect.catchTag("Unavailable", () => next({ timeout: call.timeout, metadata: { attempt: "2" } }))
 *   )
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const client: <R = never>(
  f: (call: CallOf<"client">, next: (...args: NextOf<"client">) => ResultOf<"client", never>) => ResultOf<"client", R>
) => Single<"client", never, R> = around("client")

/**
 * Around a client's calls that every server answers: a Stream of answers. `next` is as with {@link client}.
 *
 * @category constructors
 * @since 0.1.0
 */
export const clientMulti: <R = never>(
  f: (
    call: CallOf<"clientMulti">,
    next: (...args: NextOf<"clientMulti">) => ResultOf<"clientMulti", never>
  ) => ResultOf<"clientMulti", R>
) => Single<"clientMulti", never, R> = around("clientMulti")

/**
 * Around the opening of a client's streams: what it gives is the stream that the caller has. `next` is as with
 * {@link client}.
 *
 * @category constructors
 * @since 0.1.0
 */
export const clientStream: <R = never>(
  f: (
    call: CallOf<"clientStream">,
    next: (...args: NextOf<"clientStream">) => ResultOf<"clientStream", never>
  ) => ResultOf<"clientStream", R>
) => Single<"clientStream", never, R> = around("clientStream")

/**
 * Around a client's subscriptions, and their updates. `next` takes options over those of the subscription.
 *
 * @category constructors
 * @since 0.1.0
 */
export const subscribe: <R = never>(
  f: (
    call: CallOf<"subscribe">,
    next: (...args: NextOf<"subscribe">) => ResultOf<"subscribe", never>
  ) => ResultOf<"subscribe", R>
) => Single<"subscribe", never, R> = around("subscribe")

/**
 * Around a publisher's updates. `next` takes options over those of the update.
 *
 * @category constructors
 * @since 0.1.0
 */
export const publish: <R = never>(
  f: (
    call: CallOf<"publish">,
    next: (...args: NextOf<"publish">) => ResultOf<"publish", never>
  ) => ResultOf<"publish", R>
) => Single<"publish", never, R> = around("publish")

type AnyBidi = BidiStream<Message, Message>

/**
 * Around open streams, at either end: gives the stream that the caller, or the handler, has in place of the one it is
 * given. As a rule that is `{ ...stream }` with another `send`, `messages` or `close`.
 *
 * `close` is what the caller or the handler calls. A stream also ends with its scope, with its handler, or by the other
 * end: `closed` tells of every end.
 *
 * **Example** (Counting what is sent)
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
export const stream = <R = never>(
  f: (
    stream: AnyBidi,
    call: CallOf<"clientStream"> | CallOf<"serverStream">
  ) => AnyBidi | Effect.Effect<AnyBidi, PsrpcError, R>
): Same<readonly ["clientStream", "serverStream"], never, R> => {
  functionOf("stream", f)
  const wrapped = (given: AnyBidi, call: CallOf<"clientStream"> | CallOf<"serverStream">) =>
    Effect.suspend(() => {
      const own = f(given, call)
      return Effect.isEffect(own) ? own : Effect.succeed(own)
    })
  return all(
    clientStream((call, next) => Effect.flatMap(next(), (given) => wrapped(given, call))),
    serverStream((given, call, next) =>
      Effect.flatMap(wrapped(given, call), (own) => next({ ...own, hijack: given.hijack }))
    )
  )
}

/**
 * One interceptor of several: the first is outermost.
 *
 * @category combinators
 * @since 0.1.0
 */
export const all = <const I extends ReadonlyArray<Any>>(...interceptors: I): Interceptor<Wraps<I>> =>
  made(...entriesOf(interceptors))

/**
 * Provides a service to the handlers behind it, of calls and of streams: made anew for each call, by the call.
 *
 * @category constructors
 * @since 0.1.0
 */
export const provide = <I, S, R = never>(
  key: Context.Key<I, S>,
  f: (call: CallOf<"server"> | CallOf<"serverStream">) => Effect.Effect<NoInfer<S>, PsrpcError, R>
): Same<readonly ["server", "serverStream"], I, R> =>
  all(
    server({ provides: key }, (call, next) =>
      Effect.flatMap(f(call), (service) => Effect.provideService(next(), key, service))
    ),
    serverStream({ provides: key }, (given, call, next) =>
      Effect.flatMap(f(call), (service) => Effect.provideService(next(given), key, service))
    )
  ) as never

/** A call that takes metadata along. */
type CarryingCall = CallOf<"client"> | CallOf<"clientMulti"> | CallOf<"clientStream">

/**
 * Sends metadata along with every call that a client makes, and every stream that it opens: over the client's own and
 * `Metadata.with`'s, and under what the call itself says.
 *
 * @category constructors
 * @since 0.1.0
 */
export const metadata = <R = never>(
  f: Metadata | ((call: CarryingCall) => Effect.Effect<Metadata, PsrpcError, R>)
): Same<readonly ["client", "clientMulti", "clientStream"], never, R> => {
  const of = (call: CarryingCall): Effect.Effect<{ readonly metadata: Metadata }, PsrpcError, R> =>
    Effect.map(typeof f === "function" ? f(call) : Effect.succeed(f), (own) => ({
      metadata: merge(own, call.options.metadata)
    }))
  return all(
    client((call, next) => Effect.flatMap(of(call), next)),
    clientMulti((call, next) => Stream.unwrap(Effect.map(of(call), next))),
    clientStream((call, next) => Effect.flatMap(of(call), next))
  )
}
