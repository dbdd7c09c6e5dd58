/**
 * Publishers send the updates of a service's subscription methods.
 *
 * A publisher needs only a message bus: no server and no client.
 *
 * **Example** (An update and its subscriber)
 *
 * ```ts
 * import { Client, Publisher, Rpc, Service } from "@effect-psrpc/core"
 * import { Effect, Schema, Stream } from "effect"
 *
 * class Regions extends Service.make("Regions", {
 *   changed: Rpc.subscription({ message: Schema.String, topic: ["region"], routing: "multi" })
 * }) {}
 *
 * const program = Effect.gen(function*() {
 *   const regions = yield* Client.make(Regions)
 *   const changes = yield* regions.changed({ topic: { region: "eu" } })
 *
 *   const publisher = yield* Publisher.make(Regions)
 *   yield* publisher.changed("up", { topic: { region: "eu" } })
 *   return yield* Stream.runHead(changes)
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 */
import { type Config, Context, Duration, type Effect, Layer } from "effect"
import * as Make from "./internal/publisher/makePublisher.ts"
import type { ConfigOptions, From, Options } from "./internal/publisher/publisherTypes.ts"
import type * as Interceptor from "./Interceptor.ts"
import type { MessageBus } from "./MessageBus.ts"
import type * as PsrpcError from "./PsrpcError.ts"
import type * as Service_ from "./Service.ts"

export type { PublishOptions } from "./internal/calls/callOptions.ts"
export type { ConfigOptions, From, Options, PublishCall } from "./internal/publisher/publisherTypes.ts"

/**
 * Default maximum time that an update waits for a lost connection: 3 seconds, the same as a call's timeout.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultTimeout: Duration.Duration = Duration.millis(Make.defaultTimeout)

/**
 * Makes a publisher of a service's subscription methods. A publisher holds no resources.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: <S extends Service_.Any, const I extends ReadonlyArray<Interceptor.Any> = readonly []>(
  service: S,
  options?: Options<I>
) => Effect.Effect<From<S>, PsrpcError.PsrpcError, MessageBus | Interceptor.PublisherServices<I>> = Make.make

/**
 * The class of a publisher as a service of the program.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServiceClass<Self, Id extends string, S extends Service_.Any> extends Context.ServiceClass<
  Self,
  Id,
  From<S>
> {
  /** The service whose updates the publisher sends. */
  readonly service: S
  /** The publisher with default options, as a Layer. */
  readonly layer: Layer.Layer<Self, PsrpcError.PsrpcError, MessageBus>
  /** Makes the publisher with options, as a Layer. */
  readonly layerWith: <const I extends ReadonlyArray<Interceptor.Any> = readonly []>(
    options: Options<I>
  ) => Layer.Layer<Self, PsrpcError.PsrpcError, MessageBus | Interceptor.PublisherServices<I>>
  /** Makes the publisher with options from the configuration, as a Layer. */
  readonly layerConfig: <const I extends ReadonlyArray<Interceptor.Any> = readonly []>(
    options: ConfigOptions<I>
  ) => Layer.Layer<Self, PsrpcError.PsrpcError | Config.ConfigError, MessageBus | Interceptor.PublisherServices<I>>
}

/**
 * Makes the class of a publisher as a service of the program, to be extended: `id` is the service's key in the context.
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
