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
import { Context, Duration, Effect, Layer, Scope, Stream } from "effect"
import { defaultKeepalive } from "./BidiStream.ts"
import type { Answer, FromMethods } from "./internal/calls/clientTypes.ts"
import * as Channels from "./internal/wire/channel.ts"
import { multi } from "./internal/client/multiCall.ts"
import * as Prepare from "./internal/client/prepare.ts"
import { type ClientState, clientClosed } from "./internal/client/state.ts"
import { opener } from "./internal/client/streamCall.ts"
import { subscriber } from "./internal/client/subscription.ts"
import { unary } from "./internal/client/unaryCall.ts"
import * as Deadlines from "./internal/time/deadlines.ts"
import * as Drops from "./internal/telemetry/drops.ts"
import * as Meter from "./internal/telemetry/metrics/meter.ts"
import * as Envelope from "./internal/wire/callEnvelope.ts"
import { newClientId } from "./internal/wire/id.ts"
import * as Chain from "./internal/interceptors/chain.ts"
import * as Intercepted from "./internal/client/intercepted.ts"
import { methodOf } from "./internal/definition/method.ts"
import { checkClientId } from "./internal/client/clientId.ts"
import { checkCount, checkTimeout } from "./internal/errors/checks.ts"
import { checkInterceptors } from "./internal/interceptors/checkInterceptors.ts"
import { checkKeepalive } from "./internal/stream/keepalive.ts"
import { checkMetadata } from "./internal/metadata/checkMetadata.ts"
import { decodeStream } from "./internal/wire/streamEnvelope.ts"
import type * as Interceptor from "./Interceptor.ts"
import { defaultBufferSize, MessageBus } from "./MessageBus.ts"
import * as Metadata from "./Metadata.ts"
import type { PsrpcError } from "./PsrpcError.ts"
import type { Selection } from "./Selection.ts"
import type * as Service_ from "./Service.ts"

export type {
  CallOptions,
  MultiCallOptions,
  SelectingCallOptions,
  SelectingStreamOptions,
  StreamOptions,
  SubscribeOptions,
  ThroughOptions
} from "./internal/calls/callOptions.ts"

export type {
  Answer,
  CallOf,
  FromMethods,
  MultiCall,
  StreamCall,
  StreamOpener,
  SubscriptionCall,
  UnaryCall
} from "./internal/calls/clientTypes.ts"

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
export interface Options<I extends ReadonlyArray<Interceptor.Any> = readonly []> {
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
   * How many bytes the keys and values of a call's metadata may take together, in UTF-8. Default: 16 KiB
   * (`Metadata.defaultMaxSize`).
   */
  readonly maxMetadataSize?: number | undefined
  /**
   * How many messages wait to be read: claims to be compared and answers of one call, messages of one stream, updates of
   * one subscription. Default: 100.
   */
  readonly bufferSize?: number | undefined
  /**
   * How often a stream with nothing to send gives a sign of life; `"Infinity"` for never. Default: 10 seconds.
   */
  readonly keepalive?: Duration.Input | undefined
  /**
   * What runs around calls, streams and subscriptions, the first outermost. What it requires, the client requires.
   * Default: none.
   */
  readonly interceptors?: I | undefined
}

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
export const make: <
  Name extends string,
  M extends Service_.AnyMethods,
  const I extends ReadonlyArray<Interceptor.Any> = readonly []
>(
  service: Service_.Service<Name, M>,
  options?: Options<I>
) => Effect.Effect<FromMethods<M>, PsrpcError, MessageBus | Interceptor.ClientServices<I> | Scope.Scope> =
  Effect.fnUntraced(function* <Name extends string, M extends Service_.AnyMethods>(
    service: Service_.Service<Name, M>,
    options: Options<ReadonlyArray<Interceptor.Any>> = {}
  ): Effect.fn.Return<FromMethods<M>, PsrpcError, any> {
    const name = service.serviceName
    const at = `client of ${name}`
    const clientId = options.clientId === undefined ? newClientId() : yield* checkClientId(at, options.clientId)
    const context = Context.omit(Scope.Scope)(yield* Effect.context<Scope.Scope>())
    const maxMetadataSize = yield* checkCount(at, "maxMetadataSize", options.maxMetadataSize ?? Metadata.defaultMaxSize)
    const meter = Meter.make(context, "client", name)
    const state: ClientState = {
      clientId,
      bus: yield* MessageBus,
      deadlines: yield* Deadlines.make,
      calls: new Map(),
      streams: new Map(),
      subscriptions: new Set(),
      meter,
      drops: Drops.make(context, meter),
      fork: Effect.runForkWith(context),
      timeout: options.timeout === undefined ? undefined : yield* checkTimeout(at, "timeout", options.timeout),
      selection: options.selection,
      metadata: yield* checkMetadata(at, options.metadata ?? Metadata.empty, maxMetadataSize),
      maxMetadataSize,
      interception: {
        entries: yield* checkInterceptors(at, "client", options.interceptors),
        services: Chain.servicesOf(context as Context.Context<never>)
      },
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
      else if (method.kind === "subscription") {
        client[key] = Intercepted.subscriber(state, method, subscriber(state, method))
      } else {
        const call =
          method.kind === "unary"
            ? Intercepted.unary(state, method, unary(state, method))
            : Intercepted.multi(state, method, multi(state, method))
        const takesNothing = (rpc as { readonly request?: unknown }).request === undefined
        client[key] = takesNothing ? (callOptions?: Prepare.AnyCallOptions) => call(undefined, callOptions) : call
      }
    }
    return client as FromMethods<M>
  })

/**
 * Of what a call to every server gives, the answers of those that succeeded. Errors go, those of servers and the one that
 * says how many answers the buffer had no room for.
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
  readonly layerWith: <const I extends ReadonlyArray<Interceptor.Any> = readonly []>(
    options: Options<I>
  ) => Layer.Layer<Self, PsrpcError, MessageBus | Interceptor.ClientServices<I>>
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
    const layerWith = <const I extends ReadonlyArray<Interceptor.Any> = readonly []>(options: Options<I>) =>
      Layer.effect(Tag, make(service, options))
    return Object.assign(Tag, { service, layerWith, layer: layerWith({}) }) as unknown as ServiceClass<
      Self,
      Id,
      M,
      Name
    >
  }
