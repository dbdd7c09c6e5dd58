/**
 * Clients call the methods of a service.
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
import { type Config, Context, Duration, type Effect, Layer, type Scope, Stream } from "effect"
import type { Answer } from "./internal/calls/clientTypes.ts"
import * as Make from "./internal/client/makeClient.ts"
import type { ConfigOptions, Options } from "./internal/client/clientOptions.ts"
import * as Prepare from "./internal/client/prepare.ts"
import type { From } from "./internal/client/clientServiceTypes.ts"
import type * as Interceptor from "./Interceptor.ts"
import type { MessageBus } from "./MessageBus.ts"
import type { PsrpcError } from "./PsrpcError.ts"
import type * as Service_ from "./Service.ts"

export type {
  AffinityCallOptions,
  AffinityStreamOptions,
  CallOptions,
  MultiCallOptions,
  QueueCallOptions,
  QueueStreamOptions,
  StreamOptions,
  SubscribeOptions,
  ThroughOptions
} from "./internal/calls/callOptions.ts"

export type {
  Answer,
  CallOf,
  MultiCall,
  StreamCall,
  StreamOpener,
  SubscriptionCall,
  UnaryCall
} from "./internal/calls/clientTypes.ts"

export { defaultBufferSize, defaultKeepalive } from "./internal/calls/defaults.ts"
export type { ConfigOptions, Options } from "./internal/client/clientOptions.ts"
export type { From } from "./internal/client/clientServiceTypes.ts"
export { defaultMaxMetadataSize } from "./internal/metadata/metadataCheck.ts"

/**
 * Default call timeout: 3 seconds, the same as Go's.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultTimeout: Duration.Duration = Duration.millis(Prepare.defaultTimeout)

/**
 * Makes a client. Succeeds when the broker has acknowledged the client's subscriptions.
 *
 * When the scope closes, pending calls, open streams and subscriptions fail with `canceled` "client is closed", and so do
 * later ones. Fails with `invalid_argument` for a wrong option, and with the bus's error if it cannot subscribe.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: <S extends Service_.Any, const I extends ReadonlyArray<Interceptor.Any> = readonly []>(
  service: S,
  options?: Options<I>
) => Effect.Effect<From<S>, PsrpcError, MessageBus | Interceptor.ClientServices<I> | Scope.Scope> = Make.make

/**
 * Keeps the successful answers of a multi call. Drops the errors of servers, and the overflow error.
 *
 * **Example** (All answers, until there is none for half a second)
 *
 * ```ts
 * import { Client, Rpc, Service } from "@effect-psrpc/core"
 * import { Schema, Stream } from "effect"
 *
 * class Farm extends Service.make("Farm", { load: Rpc.multi({ response: Schema.Finite }) }) {}
 *
 * declare const farm: Client.From<typeof Farm>
 *
 * const loads = farm.load({ idleTimeout: "500 millis" }).pipe(Client.successes, Stream.runCollect)
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
export interface ServiceClass<Self, Id extends string, S extends Service_.Any> extends Context.ServiceClass<
  Self,
  Id,
  From<S>
> {
  /** The service that the client calls. */
  readonly service: S
  /** The client with default options, as a Layer. The same Layer value provided twice is one client. */
  readonly layer: Layer.Layer<Self, PsrpcError, MessageBus>
  /** Makes the client with options, as a Layer. Each call makes another client. */
  readonly layerWith: <const I extends ReadonlyArray<Interceptor.Any> = readonly []>(
    options: Options<I>
  ) => Layer.Layer<Self, PsrpcError, MessageBus | Interceptor.ClientServices<I>>
  /** Makes the client with options from the configuration, as a Layer. Each call makes another client. */
  readonly layerConfig: <const I extends ReadonlyArray<Interceptor.Any> = readonly []>(
    options: ConfigOptions<I>
  ) => Layer.Layer<Self, PsrpcError | Config.ConfigError, MessageBus | Interceptor.ClientServices<I>>
}

/**
 * Makes the class of a client as a service of the program, to be extended: `id` is the service's key in the context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const Service =
  <Self>() =>
  <const Id extends string, S extends Service_.Any>(id: Id, service: S): ServiceClass<Self, Id, S> => {
    const Tag = Context.Service<Self, From<S>>()(id)
    const layerWith = <const I extends ReadonlyArray<Interceptor.Any> = readonly []>(options: Options<I>) =>
      Layer.effect(Tag, make(service, options))
    const layerConfig = <const I extends ReadonlyArray<Interceptor.Any> = readonly []>(options: ConfigOptions<I>) =>
      Layer.effect(Tag, Make.makeConfigured(service, options))
    return Object.assign(Tag, { service, layerWith, layerConfig, layer: layerWith({}) }) as unknown as ServiceClass<
      Self,
      Id,
      S
    >
  }
