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
import { Context, Duration, Effect, Layer, type Scope } from "effect"
import type { CheckedHandlers, Handlers, InterceptedServices } from "./internal/calls/handlerTypes.ts"
import { methodOf } from "./internal/definition/method.ts"
import * as Made from "./internal/server/make.ts"
import type * as Interceptor from "./Interceptor.ts"
import type { MessageBus } from "./MessageBus.ts"
import * as PsrpcError from "./PsrpcError.ts"
import type * as Service_ from "./Service.ts"
import type * as Topic from "./Topic.ts"

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

/**
 * How long a server waits where nobody says, for the requests in hand when it closes: 3 seconds, as Go's server timeout.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultTimeout: Duration.Duration = Duration.millis(Made.defaultTimeout)

/**
 * How many requests of a method may be in hand before it takes no more, where nobody says.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultMaxPending: number = Made.defaultMaxPending

/**
 * The methods that are registered by topic, each by itself.
 *
 * @category utility types
 * @since 0.1.0
 */
export type TopicMethod<Methods> = {
  [K in keyof Methods]: Methods[K] extends { readonly topic: infer T; readonly group: undefined }
    ? Topic.IsEmpty<T> extends true
      ? never
      : K
    : never
}[keyof Methods] &
  string

/**
 * The topic groups of methods.
 *
 * @category utility types
 * @since 0.1.0
 */
export type GroupOf<Methods> = {
  [K in keyof Methods]: Methods[K] extends { readonly group: infer G extends string } ? G : never
}[keyof Methods]

/**
 * The topic of a topic group.
 *
 * @category utility types
 * @since 0.1.0
 */
export type TopicOfGroup<Methods, G extends string> = {
  [K in keyof Methods]: Methods[K] extends { readonly group: G } ? TopicOf<Methods[K]> : never
}[keyof Methods]

/**
 * A method's topic.
 *
 * @category utility types
 * @since 0.1.0
 */
export type TopicOf<M> = M extends { readonly topic: infer T } ? Topic.Topic<T> : never

/**
 * Options of a server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Methods, I extends ReadonlyArray<Interceptor.Any> = readonly []> {
  /** The server's id, unique among all servers of the service. Default: `SRV_` and 12 random characters. */
  readonly serverId?: string | undefined
  /** How long requests in hand may take when the server closes. Default: 3 seconds. */
  readonly drainTimeout?: Duration.Input | undefined
  /**
   * The topics to register at once, by method. Methods without a topic are registered anyway, others when `register`
   * says so. Default: none.
   */
  readonly topics?:
    | ({ readonly [K in TopicMethod<Methods>]?: ReadonlyArray<TopicOf<Methods[K]>> } & {
        readonly [K in Exclude<keyof Methods, TopicMethod<Methods>>]?: never
      })
    | undefined
  /** The topics to register at once, by topic group. Default: none. */
  readonly groups?:
    | ([GroupOf<Methods>] extends [never]
        ? { readonly [G in keyof Methods]?: never }
        : { readonly [G in GroupOf<Methods>]?: ReadonlyArray<TopicOfGroup<Methods, G>> })
    | undefined
  /**
   * How many requests may wait for their affinity, per method, where to more the server keeps silent; and how many
   * messages of a stream to be read, where more make the sender wait. Default: 100.
   */
  readonly bufferSize?: number | undefined
  /** How long a send on a stream takes at most, where it does not say. Default: 3 seconds. */
  readonly timeout?: Duration.Input | undefined
  /** How often a stream with nothing to send gives a sign of life; `"Infinity"` for never. Default: 10 seconds. */
  readonly keepalive?: Duration.Input | undefined
  /**
   * How many requests and streams of a method, per topic, may be in hand, waiting for their claims or running, before it
   * makes no more offers, and where nothing is claimed answers `resource_exhausted`. Default: 10,000.
   */
  readonly maxPending?: number | undefined
  /**
   * What runs around handlers, the first outermost. What it provides, the handlers need not be given; what it requires,
   * the server requires. Default: none.
   */
  readonly interceptors?: I | undefined
}

/**
 * A running server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Server<in out Methods> {
  readonly serverId: string
  /**
   * Serves a method for a topic until the scope closes; ready when this succeeds. Fails with `already_exists` for a
   * topic that is registered, with `canceled` when the server is closed.
   */
  readonly register: <const K extends TopicMethod<Methods>>(
    method: K,
    topic: TopicOf<Methods[K]>
  ) => Effect.Effect<void, PsrpcError.PsrpcError, Scope.Scope>
  /**
   * Ends a registration before its scope does. Requests in hand are finished and answered, and not waited for; its
   * streams are closed with `unavailable` "EOF". Without such a registration it does nothing.
   */
  readonly deregister: <const K extends TopicMethod<Methods>>(
    method: K,
    topic: TopicOf<Methods[K]>
  ) => Effect.Effect<void, PsrpcError.PsrpcError>
  /**
   * Serves the methods of a topic group for a topic until the scope closes: all of them, or none where it fails. See
   * `register`.
   */
  readonly registerGroup: <const G extends GroupOf<Methods>>(
    group: G,
    topic: TopicOfGroup<Methods, G>
  ) => Effect.Effect<void, PsrpcError.PsrpcError, Scope.Scope>
  /** Ends the registrations of a topic group for a topic. See `deregister`. */
  readonly deregisterGroup: <const G extends GroupOf<Methods>>(
    group: G,
    topic: TopicOfGroup<Methods, G>
  ) => Effect.Effect<void, PsrpcError.PsrpcError>
  /**
   * Takes no more requests, closes its streams with `unavailable` "EOF", finishes what is in hand within the drain
   * timeout, then interrupts what is left, which is answered `unavailable`. The scope's closing does the same.
   */
  readonly drain: Effect.Effect<void>
  /** Interrupts every handler at once; their callers are answered `unavailable`. */
  readonly kill: Effect.Effect<void>
}

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
): Unimplemented<M> => {
  const all: Record<string, unknown> = {}
  for (const [key, rpc] of Object.entries(service.methods)) {
    const method = methodOf(service.serviceName, key, rpc)
    if (method.kind === "subscription") continue
    const message = `method is not implemented (${method.label})`
    const handle = () => Effect.fail(PsrpcError.fromCode("unimplemented", { message }))
    all[key] = method.affinity ? { affinity: -1, handle } : handle
  }
  return all as Unimplemented<M>
}

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
  Made.make

/** Makes a server of handlers, or of an Effect that makes them. */
const makeFrom = <Name extends string, M extends Service_.AnyMethods>(
  service: Service_.Service<Name, M>,
  handlers: object,
  options: Options<M, ReadonlyArray<Interceptor.Any>> | undefined
): Effect.Effect<Server<M>, unknown, unknown> =>
  Effect.flatMap(Effect.isEffect(handlers) ? handlers : Effect.succeed(handlers), (made) =>
    Made.make(service, made as never, options)
  )

/**
 * A server as a Layer. `handlers` is the object of handlers, or an Effect that makes it, whose requirements the Layer
 * then has. Each call makes a server of its own.
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
  Layer.effectDiscard(makeFrom(service, handlers as object, options)) as never

/**
 * The class of a server as a service of the program.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServiceClass<Self, Id extends string, M extends Service_.AnyMethods> extends Context.ServiceClass<
  Self,
  Id,
  Server<M>
> {
  /** The server as a Layer, which provides its handle; see `Server.layer`. */
  readonly layer: <
    const H extends Handlers<M>,
    E = never,
    R = never,
    const I extends ReadonlyArray<Interceptor.Any> = readonly []
  >(
    handlers: (H & CheckedHandlers<H, M>) | Effect.Effect<H & CheckedHandlers<H, M>, E, R>,
    options?: Options<M, I>
  ) => Layer.Layer<Self, PsrpcError.PsrpcError | E, MessageBus | InterceptedServices<H, M, I> | Exclude<R, Scope.Scope>>
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
  ): ServiceClass<Self, Id, M> => {
    const Tag = Context.Service<Self, Server<M>>()(id)
    const made: ServiceClass<Self, Id, M>["layer"] = (handlers, options) =>
      Layer.effect(Tag, makeFrom(service, handlers as object, options)) as never
    return Object.assign(Tag, { layer: made }) as unknown as ServiceClass<Self, Id, M>
  }
