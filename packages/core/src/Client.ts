/**
 * Clients: what calls a service's methods.
 *
 * **Example** (A client as a service of the program)
 *
 * ```ts
 * import { Client, LocalMessageBus, Rpc, Service } from "@effect-psrpc/core"
 * import { Effect, Layer, Schema } from "effect"
 *
 * class Greeter extends Service.make("Greeter", {
 *   hello: Rpc.unary({ request: Schema.String, response: Schema.String })
 * }) {}
 *
 * class GreeterClient extends Client.Service<GreeterClient>()("app/GreeterClient", Greeter) {}
 *
 * const program = Effect.gen(function*() {
 *   const greeter = yield* GreeterClient
 *   return yield* greeter.hello("Ada", { timeout: "1 second" })
 * })
 *
 * const runnable = Effect.provide(program, GreeterClient.layer.pipe(Layer.provide(LocalMessageBus.layer)))
 * ```
 *
 * @since 0.1.0
 */
import { Context, Duration, Effect, Layer, type Result, Scope, Stream } from "effect"
import { type BidiStream, defaultKeepalive } from "./BidiStream.ts"
import type { Arguments, OptionArguments } from "./internal/arguments.ts"
import * as Channels from "./internal/channel.ts"
import { multi } from "./internal/client/multiCall.ts"
import * as Prepare from "./internal/client/prepare.ts"
import { type ClientState, clientClosed } from "./internal/client/state.ts"
import { opener } from "./internal/client/streamCall.ts"
import { subscriber } from "./internal/client/subscription.ts"
import { unary } from "./internal/client/unaryCall.ts"
import * as Deadlines from "./internal/deadlines.ts"
import * as Drops from "./internal/drops.ts"
import * as Envelope from "./internal/envelope.ts"
import { newClientId } from "./internal/id.ts"
import { methodOf } from "./internal/method.ts"
import { checkClientId, checkCount, checkKeepalive, checkTimeout } from "./internal/options.ts"
import { decodeStream } from "./internal/streamEnvelope.ts"
import { defaultBufferSize, MessageBus } from "./MessageBus.ts"
import * as Metadata from "./Metadata.ts"
import type * as Payload from "./Payload.ts"
import type { DomainErrorOf, PsrpcError } from "./PsrpcError.ts"
import type * as Rpc from "./Rpc.ts"
import type { Selection } from "./Selection.ts"
import type * as Service_ from "./Service.ts"

/**
 * How long a call waits for its answer where nobody says: 3 seconds, as in Go.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultTimeout: Duration.Duration = Duration.millis(Prepare.defaultTimeout)

/**
 * Options of a client.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The client's id, unique among all clients of the service. Default: `CLI_` and 12 random characters. */
  readonly clientId?: string | undefined
  /**
   * How long calls wait for their answers, never past the deadline of the handler that they are made in. Default: the
   * time left to that deadline, 3 seconds where there is none.
   */
  readonly timeout?: Duration.Input | undefined
  /** How calls choose a server. Default: `Selection.affinity` for affinity methods, `Selection.first` for others. */
  readonly selection?: Selection | undefined
  /** Metadata of every call. Default: none. */
  readonly metadata?: Metadata.Metadata | undefined
  /**
   * How many messages wait to be read: claims to be compared and answers of one call, messages of one stream, updates of
   * one subscription. Default: 100.
   */
  readonly bufferSize?: number | undefined
  /**
   * How often a stream with nothing to send gives a sign of life; `"Infinity"` for never. Default: 10 seconds.
   */
  readonly keepalive?: Duration.Input | undefined
}

/**
 * Options of a call.
 *
 * @category models
 * @since 0.1.0
 */
export interface CallOptions {
  /** How long this call waits, in place of the client's timeout. */
  readonly timeout?: Duration.Input | undefined
  /** Metadata of this call, over the client's and `Metadata.with`'s. */
  readonly metadata?: Metadata.Metadata | undefined
}

/**
 * Options of a call that chooses among servers.
 *
 * @category models
 * @since 0.1.0
 */
export interface SelectingCallOptions extends CallOptions {
  /** How this call chooses, in place of the client's selection. */
  readonly selection?: Selection | undefined
}

/**
 * Options of a call that every server answers.
 *
 * @category models
 * @since 0.1.0
 */
export interface MultiCallOptions extends CallOptions {
  /** How many answers are enough: the Stream ends with the last of them. Default: no number is. */
  readonly expect?: number | undefined
  /** How long the next answer is waited for, once one has come. Default: as long as the call's timeout. */
  readonly idle?: Duration.Input | undefined
  /** How many answers wait to be read; for those beyond there is an `overflow` error. Default: the client's. */
  readonly bufferSize?: number | undefined
}

/**
 * Options of a stream's opening. Its timeout is also that of the sends.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamOptions extends CallOptions {
  /** How many messages wait to be read before the sender has to. Default: the client's. */
  readonly bufferSize?: number | undefined
}

/**
 * Options of a stream's opening that chooses among servers.
 *
 * @category models
 * @since 0.1.0
 */
export interface SelectingStreamOptions extends StreamOptions {
  /** How this call chooses, in place of the client's selection. */
  readonly selection?: Selection | undefined
}

/**
 * Options of `through`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ThroughOptions {
  /** How many sends may be under way at a time. Default: 16. */
  readonly concurrency?: number | undefined
  /**
   * Where the other end cannot be told that no more messages follow (Go's cannot): how long, after the last send, the
   * next message is waited for before the stream is closed. Default: until the other end closes it.
   */
  readonly idle?: Duration.Input | undefined
}

/**
 * Options of a subscription.
 *
 * @category models
 * @since 0.1.0
 */
export interface SubscribeOptions {
  /** How many updates wait to be read. Default: the client's. */
  readonly bufferSize?: number | undefined
  /**
   * What a reader that is too slow loses: the newest update (`"dropping"`), the oldest (`"sliding"`), or the
   * subscription, which ends there, and fails with `resource_exhausted` once the buffer has been read (`"fail"`); other
   * subscribers of a queue take over. What is lost is counted; of the first two the log warns, too: of the first loss,
   * the tenth, the hundredth, and so on. Default: `"dropping"`.
   */
  readonly overflow?: "dropping" | "sliding" | "fail" | undefined
}

/**
 * How a unary method is called. It fails with what the method declares, or with a `PsrpcError`.
 *
 * @category utility types
 * @since 0.1.0
 */
export type UnaryCall<M> =
  M extends Rpc.Unary<infer Request, infer Response, infer Error, infer T, infer _R, infer Single, infer _G>
    ? (
        ...args: Arguments<Request, T, Single extends true ? CallOptions : SelectingCallOptions>
      ) => Effect.Effect<Payload.Output<Response>, DomainErrorOf<Error> | PsrpcError>
    : never

/**
 * One server's answer to a call that every server answers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer<out A, out E> {
  /** The server that answers; "" for an error of this side, such as an overflow. */
  readonly serverId: string
  readonly result: Result.Result<A, E>
}

/**
 * How a method that every server answers is called. Each run of the Stream is a request of its own; each answer, or
 * error of a server, is an element of it as it comes. It ends at the timeout, or as the options say; ending it early
 * tells the servers.
 *
 * @category utility types
 * @since 0.1.0
 */
export type MultiCall<M> =
  M extends Rpc.Multi<infer Request, infer Response, infer Error, infer T, infer _G>
    ? (
        ...args: Arguments<Request, T, MultiCallOptions>
      ) => Stream.Stream<Answer<Payload.Output<Response>, DomainErrorOf<Error> | PsrpcError>, PsrpcError>
    : never

/**
 * How a stream is opened: by the call itself, for as long as the scope is open, or by `through`, for a Stream of what is
 * sent.
 *
 * @category utility types
 * @since 0.1.0
 */
export type StreamCall<M> =
  M extends Rpc.Stream<infer Send, infer Receive, infer T, infer _R, infer Single, infer _G>
    ? StreamOpener<
        Payload.Input<Send>,
        Payload.Output<Receive>,
        T,
        Single extends true ? StreamOptions : SelectingStreamOptions
      >
    : never

/**
 * What opens a stream.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamOpener<Send, Receive, T, O> {
  /**
   * Opens a stream, which is closed with the scope: with a cause where the scope ends in a failure or an interruption.
   */
  (...args: OptionArguments<T, O>): Effect.Effect<BidiStream<Send, Receive>, PsrpcError, Scope.Scope>
  /**
   * Opens a stream, sends what `outgoing` gives, and gives what is received. When `outgoing` has ended, the other end is
   * told that no more follows, and the Stream ends when that has closed the stream. A failure of `outgoing`, or of a
   * send, ends it. Each run opens a stream of its own.
   */
  readonly through: <E = never, R = never>(
    outgoing: Stream.Stream<Send, E, R>,
    ...args: OptionArguments<T, O & ThroughOptions>
  ) => Stream.Stream<Receive, PsrpcError | E, R>
}

/**
 * How updates are subscribed to. It succeeds when the broker has acknowledged the subscription: what is published from
 * then on arrives. The Stream is there for as long as the scope is open, and each update is read once.
 *
 * @category utility types
 * @since 0.1.0
 */
export type SubscriptionCall<M> =
  M extends Rpc.Subscription<infer Message, infer T, infer _R>
    ? (
        ...args: OptionArguments<T, SubscribeOptions>
      ) => Effect.Effect<Stream.Stream<Payload.Output<Message>, PsrpcError>, PsrpcError, Scope.Scope>
    : never

/**
 * How a method is called, by its kind.
 *
 * @category utility types
 * @since 0.1.0
 */
export type CallOf<M> = M extends { readonly kind: "unary" }
  ? UnaryCall<M>
  : M extends { readonly kind: "multi" }
    ? MultiCall<M>
    : M extends { readonly kind: "stream" }
      ? StreamCall<M>
      : SubscriptionCall<M>

/**
 * The client of methods.
 *
 * @category utility types
 * @since 0.1.0
 */
export type FromMethods<Methods> = { readonly [K in keyof Methods]: CallOf<Methods[K]> }

/**
 * The client of a service.
 *
 * @category utility types
 * @since 0.1.0
 */
export type From<S> = FromMethods<Service_.Methods<S>>

/**
 * Makes a client. It is ready, its subscriptions acknowledged by the broker, when this succeeds.
 *
 * When its scope closes, calls, streams and subscriptions that are still there fail with `canceled` ("client is closed"),
 * and so do later ones.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: <Name extends string, M extends Service_.AnyMethods>(
  service: Service_.Service<Name, M>,
  options?: Options
) => Effect.Effect<FromMethods<M>, PsrpcError, MessageBus | Scope.Scope> = Effect.fnUntraced(function* <
  Name extends string,
  M extends Service_.AnyMethods
>(
  service: Service_.Service<Name, M>,
  options: Options = {}
): Effect.fn.Return<FromMethods<M>, PsrpcError, MessageBus | Scope.Scope> {
  const name = service.serviceName
  const at = `client of ${name}`
  const clientId = options.clientId === undefined ? newClientId() : yield* checkClientId(at, options.clientId)
  const context = Context.omit(Scope.Scope)(yield* Effect.context<Scope.Scope>())
  const state: ClientState = {
    clientId,
    bus: yield* MessageBus,
    deadlines: yield* Deadlines.make,
    calls: new Map(),
    streams: new Map(),
    subscriptions: new Set(),
    drops: Drops.make(context, "client", name),
    fork: Effect.runForkWith(context),
    timeout: options.timeout === undefined ? undefined : yield* checkTimeout(at, "timeout", options.timeout),
    selection: options.selection,
    metadata: options.metadata ?? Metadata.empty,
    bufferSize: yield* checkCount(at, "bufferSize", options.bufferSize ?? defaultBufferSize),
    keepalive: yield* checkKeepalive(at, options.keepalive ?? defaultKeepalive),
    closed: false
  }
  const { bus, calls, drops, streams, subscriptions } = state
  yield* Effect.all(
    [
      bus.subscribe(Channels.response(name, clientId), (message) => {
        const response = Envelope.decodeResponse(message)
        if (typeof response === "string") drops(response, "responses")
        else calls.get(response.id)?.response(response)
      }),
      bus.subscribe(Channels.claimRequest(name, clientId), (message) => {
        const claim = Envelope.decodeClaimRequest(message)
        if (typeof claim === "string") drops(claim, "claims")
        else if (claim.serverId === "") drops("malformed", "claims")
        else calls.get(claim.id)?.claim(claim)
      }),
      bus.subscribe(Channels.clientStream(name, clientId), (bytes) => {
        const message = decodeStream(bytes)
        if (typeof message === "string") drops(message, "streams")
        else streams.get(message.streamId)?.receive(message)
      })
    ],
    { concurrency: "unbounded", discard: true }
  )
  // first of all at closing: who waits is told while the bus is still there
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      state.closed = true
      for (const call of calls.values()) call.close()
      for (const stream of streams.values()) stream.closeUnsafe(clientClosed(name, true))
      return Effect.forEach(Array.from(subscriptions), ({ close }) => close, {
        concurrency: "unbounded",
        discard: true
      })
    })
  )
  const client: Record<string, unknown> = Object.create(null)
  for (const [key, rpc] of Object.entries(service.methods)) {
    const method = methodOf(name, key, rpc)
    if (method.kind === "stream") client[key] = opener(state, method)
    else if (method.kind === "subscription") client[key] = subscriber(state, method)
    else {
      const call = method.kind === "unary" ? unary(state, method) : multi(state, method)
      const takesNothing = (rpc as { readonly request?: unknown }).request === undefined
      client[key] = takesNothing ? (callOptions?: Prepare.AnyCallOptions) => call(undefined, callOptions) : call
    }
  }
  return client as FromMethods<M>
})

/**
 * Of what a call to every server gives, the answers of those that succeeded.
 *
 * **Example** (Whoever answers, within half a second of the last)
 *
 * ```ts
 * import { Client, Rpc, Service } from "@effect-psrpc/core"
 * import { Schema, Stream } from "effect"
 *
 * class Farm extends Service.make("Farm", { load: Rpc.multi({ response: Schema.Finite }) }) {}
 *
 * declare const farm: Client.From<typeof Farm>
 *
 * const loads = farm.load({ idle: "500 millis" }).pipe(Client.successes, Stream.runCollect)
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const successes = <A, E, E2, R>(answers: Stream.Stream<Answer<A, E>, E2, R>): Stream.Stream<A, E2, R> =>
  Stream.filterMap(answers, ({ result }) => result)

/**
 * The class of a client as a service of the program.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServiceClass<
  Self,
  Id extends string,
  M extends Service_.AnyMethods,
  Name extends string = string
> extends Context.ServiceClass<Self, Id, FromMethods<M>> {
  /** What it is a client of. */
  readonly service: Service_.Service<Name, M>
  /** The client with the defaults. The same value provided twice is one client. */
  readonly layer: Layer.Layer<Self, PsrpcError, MessageBus>
  /** The client with options. Each call makes a client of its own. */
  readonly layerWith: (options: Options) => Layer.Layer<Self, PsrpcError, MessageBus>
}

/**
 * Makes the class of a client as a service of the program, to be extended: `id` is the service's key in the context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const Service =
  <Self>() =>
  <const Id extends string, Name extends string, M extends Service_.AnyMethods>(
    id: Id,
    service: Service_.Service<Name, M>
  ): ServiceClass<Self, Id, M, Name> => {
    const Tag = Context.Service<Self, FromMethods<M>>()(id)
    const layerWith = (options: Options) => Layer.effect(Tag, make(service, options))
    return Object.assign(Tag, { service, layerWith, layer: layerWith({}) }) as unknown as ServiceClass<
      Self,
      Id,
      M,
      Name
    >
  }
