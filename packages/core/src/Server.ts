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
import type {
  GivenHandlers,
  HandlerProblems,
  HandlersError,
  HandlersIn,
  MakingServices
} from "./internal/calls/handlerProblems.ts"
import type { InterceptedServices } from "./internal/calls/handlerTypes.ts"
import * as Make from "./internal/server/makeServer.ts"
import type { ConfigOptions, Options, Server } from "./internal/server/serverTypes.ts"
import * as Unimplemented_ from "./internal/server/unimplemented.ts"
import type * as Interceptor from "./Interceptor.ts"
import type { MessageBus } from "./MessageBus.ts"
import type * as PsrpcError from "./PsrpcError.ts"
import type * as Service_ from "./Service.ts"

export type {
  Affinity,
  AffinityHandler,
  HandlerFn,
  HandlerOf,
  Handlers,
  HandlersServices,
  InterceptedServices,
  StreamAffinity,
  StreamAffinityHandler,
  StreamHandlerFn
} from "./internal/calls/handlerTypes.ts"

export type {
  GivenHandlers,
  HandlerProblems,
  HandlersError,
  HandlersIn,
  MakingServices,
  SomeHandlers
} from "./internal/calls/handlerProblems.ts"

export {
  /**
   * The call that a handler answers: its header, topic and method.
   *
   * @category models
   * @since 0.1.0
   */
  type Call,
  /**
   * The call of the current handler, for code below the handler. Every handler provides it.
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
} from "./internal/server/serverTypes.ts"

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
 * The handlers of {@link unimplemented}.
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
 * Makes handlers for every method of a service that fail with `unimplemented` "method is not implemented". In affinity methods
 * the server sends no claim. Spread them before the existing handlers: `{ ...Server.unimplemented(Greeter), hello }`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const unimplemented = <S extends Service_.Any>(service: S): Unimplemented<Service_.Methods<S>> =>
  Unimplemented_.unimplemented(service) as never

/**
 * Makes a server. It is ready when this succeeds: the broker has acknowledged its subscriptions.
 *
 * The server drains when its scope closes, as by `drain`. Servers of one scope, or of merged Layers, drain together.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: <
  S extends Service_.Any,
  H extends GivenHandlers<S>,
  const I extends ReadonlyArray<Interceptor.Any> = readonly [],
  Problem = HandlerProblems<H, S>
>(
  service: S,
  handlers: NoInfer<Problem> & H,
  options?: Options<Service_.Methods<S>, I>
) => Effect.Effect<
  Server<Service_.Methods<S>>,
  PsrpcError.PsrpcError,
  MessageBus | InterceptedServices<H, Service_.Methods<S>, I> | Scope.Scope
> = Make.make as never

/**
 * Makes a server as a Layer. `handlers` is the object of handlers, or an Effect that makes it, whose requirements the
 * Layer then has. Each call makes another server.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <
  S extends Service_.Any,
  H extends GivenHandlers<S> | Effect.Effect<GivenHandlers<S>, unknown, unknown>,
  const I extends ReadonlyArray<Interceptor.Any> = readonly [],
  Problem = HandlerProblems<H, S>
>(
  service: S,
  handlers: NoInfer<Problem> & H,
  options?: Options<Service_.Methods<S>, I>
): Layer.Layer<
  never,
  PsrpcError.PsrpcError | HandlersError<H>,
  MessageBus | InterceptedServices<HandlersIn<H>, Service_.Methods<S>, I> | Exclude<MakingServices<H>, Scope.Scope>
> => Layer.effectDiscard(Make.makeFrom(service as never, handlers as object, options)) as never

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
  S extends Service_.Any,
  H extends GivenHandlers<S> | Effect.Effect<GivenHandlers<S>, unknown, unknown>,
  const I extends ReadonlyArray<Interceptor.Any> = readonly [],
  Problem = HandlerProblems<H, S>
>(
  service: S,
  handlers: NoInfer<Problem> & H,
  options: ConfigOptions<Service_.Methods<S>, I>
): Layer.Layer<
  never,
  PsrpcError.PsrpcError | Config.ConfigError | HandlersError<H>,
  MessageBus | InterceptedServices<HandlersIn<H>, Service_.Methods<S>, I> | Exclude<MakingServices<H>, Scope.Scope>
> => Layer.effectDiscard(Make.makeConfigured(service as never, handlers as object, options)) as never

/**
 * The class of a server as a service of the program.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServiceClass<Self, Id extends string, S extends Service_.Any> extends Context.ServiceClass<
  Self,
  Id,
  Server<Service_.Methods<S>>
> {
  /** The service that the server serves. */
  readonly service: S
  /** Makes the server as a Layer that provides its handle; see `Server.layer`. */
  readonly layer: <
    H extends GivenHandlers<S> | Effect.Effect<GivenHandlers<S>, unknown, unknown>,
    const I extends ReadonlyArray<Interceptor.Any> = readonly [],
    Problem = HandlerProblems<H, S>
  >(
    handlers: NoInfer<Problem> & H,
    options?: Options<Service_.Methods<S>, I>
  ) => Layer.Layer<
    Self,
    PsrpcError.PsrpcError | HandlersError<H>,
    MessageBus | InterceptedServices<HandlersIn<H>, Service_.Methods<S>, I> | Exclude<MakingServices<H>, Scope.Scope>
  >
  /** Makes the server with options from the configuration, as a Layer that provides its handle; see `Server.layerConfig`. */
  readonly layerConfig: <
    H extends GivenHandlers<S> | Effect.Effect<GivenHandlers<S>, unknown, unknown>,
    const I extends ReadonlyArray<Interceptor.Any> = readonly [],
    Problem = HandlerProblems<H, S>
  >(
    handlers: NoInfer<Problem> & H,
    options: ConfigOptions<Service_.Methods<S>, I>
  ) => Layer.Layer<
    Self,
    PsrpcError.PsrpcError | Config.ConfigError | HandlersError<H>,
    MessageBus | InterceptedServices<HandlersIn<H>, Service_.Methods<S>, I> | Exclude<MakingServices<H>, Scope.Scope>
  >
}

/**
 * Makes the class of a server as a service of the program, to be extended. The service is the server's handle, for programs
 * that register topics while they run, or drain by themselves. `id` is the service's key in the context.
 *
 * **Example** (A topic that is served until a scope closes)
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
  <const Id extends string, S extends Service_.Any>(id: Id, service: S): ServiceClass<Self, Id, S> => {
    const Tag = Context.Service<Self, Server<Service_.Methods<S>>>()(id)
    return Object.assign(Tag, {
      service,
      layer: (handlers: object, options?: Options<Service_.AnyMethods>) =>
        Layer.effect(Tag, Make.makeFrom(service as never, handlers, options) as never),
      layerConfig: (handlers: object, options: ConfigOptions<Service_.AnyMethods>) =>
        Layer.effect(Tag, Make.makeConfigured(service as never, handlers, options) as never)
    }) as never
  }
