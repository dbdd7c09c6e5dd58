/**
 * Servers: what answers a service's methods.
 *
 * **Example** (A server as a Layer)
 *
 * ```ts
 * import { PsrpcError, Rpc, Server, Service } from "@effect-psrpc/core"
 * import { Effect, Schema } from "effect"
 *
 * class Greeter extends Service.make("Greeter", {
 *   hello: Rpc.unary({ request: Schema.String, response: Schema.String }),
 *   render: Rpc.unary({ request: Schema.String, response: Schema.String, routing: "affinity" }),
 *   reload: Rpc.unary({ topic: ["node"], singleServer: true })
 * }) {}
 *
 * const GreeterLive = Server.layer(Greeter, {
 *   hello: (name, call) =>
 *     name === ""
 *       ? Effect.fail(new PsrpcError.InvalidArgument({ message: "who?" }))
 *       : Effect.succeed(`Hello ${name}, client ${call.header.remoteId}`),
 *   render: { affinity: () => 0.7, handle: (job) => Effect.succeed(`${job}, rendered`) },
 *   reload: () => Effect.void
 * }, { topics: { reload: [{ node: "n1" }] } })
 * ```
 *
 * @since 0.1.0
 */
import { type Config, Context, Duration, type Effect, Layer, type Scope } from "effect"
import type { CheckedHandlers, Handlers, InterceptedServices } from "./internal/calls/handlerTypes.ts"
import * as Make from "./internal/server/make.ts"
import type { ConfigOptions, Options, Server } from "./internal/server/types.ts"
import * as Unimplemented_ from "./internal/server/unimplemented.ts"
import type * as Interceptor from "./Interceptor.ts"
import type { MessageBus } from "./MessageBus.ts"
import type * as PsrpcError from "./PsrpcError.ts"
import type * as Service_ from "./Service.ts"

export type {
  Affinity,
  AffinityHandler,
  CheckedHandlers,
  HandlerFn,
  HandlerOf,
  Handlers,
  HandlersServices,
  InterceptedServices,
  StreamAffinity,
  StreamAffinityHandler,
  StreamHandlerFn
} from "./internal/calls/handlerTypes.ts"

export {
  /**
   * What a handler knows of the call that it answers.
   *
   * @category models
   * @since 0.1.0
   */
  type Call,
  /**
   * The call that the current fiber answers, for code below a handler. Every handler has it.
   *
   * @category services
   * @since 0.1.0
   */
  CurrentCall
} from "./internal/calls/callContext.ts"

export type {
  ConfigOptions,
  GroupOf,
  Options,
  Server,
  TopicMethod,
  TopicOf,
  TopicOfGroup
} from "./internal/server/types.ts"

export { defaultBufferSize, defaultKeepalive } from "./internal/calls/defaults.ts"

/**
 * Default drain timeout: 3 seconds, the same as Go's.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultDrainTimeout: Duration.Duration = Duration.millis(Make.defaultDrainTimeout)

/**
 * Default maximum time of a send on a stream: 3 seconds, the same as a call's.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultSendTimeout: Duration.Duration = Duration.millis(Make.defaultSendTimeout)

/**
 * Default maximum number of in-flight requests per method and topic: 10,000.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultMaxInFlight: number = Make.defaultMaxInFlight

/**
 * Handlers that are not written yet.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Unimplemented<Methods> = {
  readonly [
    K in keyof Methods as Methods[K] extends { readonly kind: "subscription" } ? never : K
  ]: Methods[K] extends {
    readonly routing: "affinity"
  }
    ? { readonly affinity: number; readonly handle: () => Effect.Effect<never, PsrpcError.PsrpcError> }
    : () => Effect.Effect<never, PsrpcError.PsrpcError>
}

/**
 * Handlers for every method of a service, which answer `unimplemented` "method is not implemented", and in affinity methods
 * keep silent. To be spread before those that are written: `{ ...Server.unimplemented(Greeter), hello }`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const unimplemented = <Name extends string, M extends Service_.AnyMethods>(
  service: Service_.Service<Name, M>
): Unimplemented<M> => Unimplemented_.unimplemented(service) as Unimplemented<M>

/**
 * Makes a server. It is ready, its subscriptions acknowledged by the broker, when this succeeds.
 *
 * When its scope closes it drains, as `drain` does; servers made in one scope, or in Layers that are merged, drain
 * together.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: <
  Name extends string,
  M extends Service_.AnyMethods,
  const H extends Handlers<M>,
  const I extends ReadonlyArray<Interceptor.Any> = readonly []
>(
  service: Service_.Service<Name, M>,
  handlers: H & CheckedHandlers<H, M>,
  options?: Options<M, I>
) => Effect.Effect<Server<M>, PsrpcError.PsrpcError, MessageBus | InterceptedServices<H, M, I> | Scope.Scope> =
  Make.make

/**
 * Makes a server as a Layer. `handlers` is the object of handlers, or an Effect that makes it, whose requirements the
 * Layer then has. Each call makes another server.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <
  Name extends string,
  M extends Service_.AnyMethods,
  const H extends Handlers<M>,
  E = never,
  R = never,
  const I extends ReadonlyArray<Interceptor.Any> = readonly []
>(
  service: Service_.Service<Name, M>,
  handlers: (H & CheckedHandlers<H, M>) | Effect.Effect<H & CheckedHandlers<H, M>, E, R>,
  options?: Options<M, I>
): Layer.Layer<never, PsrpcError.PsrpcError | E, MessageBus | InterceptedServices<H, M, I> | Exclude<R, Scope.Scope>> =>
  Layer.effectDiscard(Make.makeFrom(service, handlers as object, options)) as never

/**
 * Makes a server as a Layer, as `layer` does, with options from the configuration.
 *
 * **Example** (Timeouts and limits that operators set)
 *
 * ```ts
 * import { Rpc, Server, Service } from "@effect-psrpc/core"
 * import { Config, Effect, Schema } from "effect"
 *
 * class Greeter extends Service.make("Greeter", {
 *   hello: Rpc.unary({ request: Schema.String, response: Schema.String })
 * }) {}
 *
 * const GreeterLive = Server.layerConfig(Greeter, { hello: (name) => Effect.succeed(`Hello ${name}`) }, {
 *   drainTimeout: Config.Duration("DRAIN_TIMEOUT").pipe(Config.withDefault("10 seconds")),
 *   maxInFlight: Config.Int("MAX_IN_FLIGHT").pipe(Config.withDefault(Server.defaultMaxInFlight))
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = <
  Name extends string,
  M extends Service_.AnyMethods,
  const H extends Handlers<M>,
  E = never,
  R = never,
  const I extends ReadonlyArray<Interceptor.Any> = readonly []
>(
  service: Service_.Service<Name, M>,
  handlers: (H & CheckedHandlers<H, M>) | Effect.Effect<H & CheckedHandlers<H, M>, E, R>,
  options: ConfigOptions<M, I>
): Layer.Layer<
  never,
  PsrpcError.PsrpcError | Config.ConfigError | E,
  MessageBus | InterceptedServices<H, M, I> | Exclude<R, Scope.Scope>
> => Layer.effectDiscard(Make.makeConfigured(service, handlers as object, options)) as never

/**
 * The class of a server as a service of the program.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServiceClass<
  Self,
  Id extends string,
  M extends Service_.AnyMethods,
  Name extends string = string
> extends Context.ServiceClass<Self, Id, Server<M>> {
  /** The service that the server serves. */
  readonly service: Service_.Service<Name, M>
  /** Makes the server as a Layer that provides its handle; see `Server.layer`. */
  readonly layer: <
    const H extends Handlers<M>,
    E = never,
    R = never,
    const I extends ReadonlyArray<Interceptor.Any> = readonly []
  >(
    handlers: (H & CheckedHandlers<H, M>) | Effect.Effect<H & CheckedHandlers<H, M>, E, R>,
    options?: Options<M, I>
  ) => Layer.Layer<Self, PsrpcError.PsrpcError | E, MessageBus | InterceptedServices<H, M, I> | Exclude<R, Scope.Scope>>
  /** Makes the server with options from the configuration, as a Layer that provides its handle; see `Server.layerConfig`. */
  readonly layerConfig: <
    const H extends Handlers<M>,
    E = never,
    R = never,
    const I extends ReadonlyArray<Interceptor.Any> = readonly []
  >(
    handlers: (H & CheckedHandlers<H, M>) | Effect.Effect<H & CheckedHandlers<H, M>, E, R>,
    options: ConfigOptions<M, I>
  ) => Layer.Layer<
    Self,
    PsrpcError.PsrpcError | Config.ConfigError | E,
    MessageBus | InterceptedServices<H, M, I> | Exclude<R, Scope.Scope>
  >
}

/**
 * Makes the class of a server as a service of the program, to be extended: for programs that register topics while they
 * run, or drain by themselves. `id` is the service's key in the context.
 *
 * **Example** (A topic that is served for as long as a scope is open)
 *
 * ```ts
 * import { Rpc, Server, Service } from "@effect-psrpc/core"
 * import { Effect } from "effect"
 *
 * class Rooms extends Service.make("Rooms", { mute: Rpc.unary({ topic: ["room"], singleServer: true }) }) {}
 *
 * class RoomsServer extends Server.Service<RoomsServer>()("app/RoomsServer", Rooms) {}
 *
 * const Live = RoomsServer.layer({ mute: (_, call) => Effect.log(`${call.topic.room} is muted`) })
 *
 * const serveRoom = Effect.fnUntraced(function*(room: string) {
 *   const server = yield* RoomsServer
 *   yield* server.register("mute", { room })
 * })
 * ```
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
    const Tag = Context.Service<Self, Server<M>>()(id)
    const own: Pick<ServiceClass<Self, Id, M, Name>, "layer" | "layerConfig" | "service"> = {
      service,
      layer: (handlers, options) => Layer.effect(Tag, Make.makeFrom(service, handlers as object, options)) as never,
      layerConfig: (handlers, options) =>
        Layer.effect(Tag, Make.makeConfigured(service, handlers as object, options)) as never
    }
    return Object.assign(Tag, own) as unknown as ServiceClass<Self, Id, M, Name>
  }
