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
import { Context, Duration, Effect, Layer, Scope, Tracer } from "effect"
import { BoundedCache } from "./internal/boundedCache.ts"
import { CurrentCall } from "./internal/callContext.ts"
import * as Channels from "./internal/channel.ts"
import * as Deadlines from "./internal/deadlines.ts"
import * as Drops from "./internal/drops.ts"
import { handlerOf } from "./internal/handlerOf.ts"
import type { CheckedHandlers, Handlers, HandlersServices } from "./internal/handlers.ts"
import { newServerId } from "./internal/id.ts"
import { Idle } from "./internal/idle.ts"
import { isUnary, unaryMethod, type UnaryMethod } from "./internal/method.ts"
import { checkCount, checkServerId, checkTimeout } from "./internal/options.ts"
import { Registrations } from "./internal/registrations.ts"
import { type Handler, type Replies, type ServerState, UnaryDispatch } from "./internal/unaryServer.ts"
import { defaultBufferSize, MessageBus } from "./MessageBus.ts"
import * as Metadata from "./Metadata.ts"
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
  HandlersServices
} from "./internal/handlers.ts"

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
} from "./internal/callContext.ts"

/**
 * How long a server waits where nobody says, for the requests in hand when it closes: 3 seconds, as Go's server timeout.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultTimeout: Duration.Duration = Duration.seconds(3)

/** A key may have the name of what every object inherits. */
const own = <A>(record: { readonly [key: string]: A }, key: string): A | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined

type AnyTopic = Readonly<Record<string, unknown>>

/**
 * How many requests of a method may be in hand before it makes no more offers, where nobody says.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultMaxPending = 10_000

/** How many clients a server keeps the names of. */
const clientsKept = 10_000

/**
 * The methods that are registered by topic.
 *
 * @category utility types
 * @since 0.1.0
 */
export type TopicMethod<Methods> = {
  [K in keyof Methods]: Methods[K] extends { readonly kind: "unary"; readonly topic: infer T }
    ? Topic.IsEmpty<T> extends true
      ? never
      : K
    : never
}[keyof Methods] &
  string

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
export interface Options<Methods> {
  /** The server's id, unique among all servers of the service. Default: `SRV_` and 12 random characters. */
  readonly serverId?: string | undefined
  /** How long requests in hand may take when the server closes. Default: 3 seconds. */
  readonly drainTimeout?: Duration.Input | undefined
  /**
   * The topics to register at once, by method. Methods without a topic are registered anyway, others when `register`
   * says so. Default: none.
   */
  readonly topics?: { readonly [K in TopicMethod<Methods>]?: ReadonlyArray<TopicOf<Methods[K]>> } | undefined
  /** How many requests may wait for their affinity, per method; to more the server keeps silent. Default: 100. */
  readonly bufferSize?: number | undefined
  /**
   * How many requests of a method, per topic, may be in hand, waiting for their claims or running, before it makes no more
   * offers. Default: 10,000.
   */
  readonly maxPending?: number | undefined
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
   * Ends a registration before its scope does. Requests in hand are finished and answered, and not waited for. Without
   * such a registration it does nothing.
   */
  readonly deregister: <const K extends TopicMethod<Methods>>(
    method: K,
    topic: TopicOf<Methods[K]>
  ) => Effect.Effect<void, PsrpcError.PsrpcError>
  /**
   * Takes no more requests, finishes those in hand within the drain timeout, then interrupts what is left, which is
   * answered `unavailable`. The scope's closing does the same.
   */
  readonly drain: Effect.Effect<void>
  /** Interrupts every handler at once; their callers are answered `unavailable`. */
  readonly kill: Effect.Effect<void>
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
export const make: <Name extends string, M extends Service_.AnyMethods, const H extends Handlers<M>>(
  service: Service_.Service<Name, M>,
  handlers: H & CheckedHandlers<H, M>,
  options?: Options<M>
) => Effect.Effect<Server<M>, PsrpcError.PsrpcError, MessageBus | HandlersServices<H> | Scope.Scope> =
  Effect.fnUntraced(function* <Name extends string, M extends Service_.AnyMethods>(
    service: Service_.Service<Name, M>,
    handlers: object,
    options: Options<M> = {}
  ): Effect.fn.Return<Server<M>, PsrpcError.PsrpcError, any> {
    const name = service.serviceName
    const at = `server of ${name}`
    const scope = yield* Effect.scope
    // what the Layer, or the call that this is made in, has of its own must not reach the handlers
    const context = Context.omit(
      Scope.Scope,
      Tracer.ParentSpan,
      Metadata.Outgoing,
      CurrentCall
    )(yield* Effect.context<any>()) as Context.Context<never>
    const serverId = options.serverId === undefined ? newServerId() : yield* checkServerId(at, options.serverId)
    const bufferSize = yield* checkCount(at, "bufferSize", options.bufferSize ?? defaultBufferSize)
    const maxPending = yield* checkCount(at, "maxPending", options.maxPending ?? defaultMaxPending)
    const drainTimeout = yield* checkTimeout(at, "drainTimeout", options.drainTimeout ?? defaultTimeout)
    const bus = yield* MessageBus
    const idle = new Idle()
    const state: ServerState = {
      serverId,
      bus,
      deadlines: yield* Deadlines.make,
      drops: Drops.make(context, "server", name),
      context,
      replies: new BoundedCache<string, Replies>(clientsKept, (clientId) => ({
        claim: bus.target(Channels.claimRequest(name, clientId)),
        response: bus.target(Channels.response(name, clientId))
      })),
      bufferSize,
      maxPending,
      done: idle.check,
      killed: false
    }
    const registrations = new Registrations(state, name, idle, drainTimeout)
    yield* registrations.closeWith(scope)

    const methods = new Map<string, { readonly method: UnaryMethod; readonly handler: Handler }>()
    for (const [key, rpc] of Object.entries(service.methods)) {
      if (!isUnary(rpc)) continue
      const method = unaryMethod(name, key, rpc)
      methods.set(key, { method, handler: yield* handlerOf(handlers, key, method) })
    }
    const extra = Object.keys(handlers).find((key) => !methods.has(key))
    if (extra !== undefined) {
      const kind = own(service.methods, extra)?.kind
      const why =
        kind === undefined
          ? `which is not one of its methods: ${[...methods.keys()].join(", ")}`
          : `a ${kind} method: servers of this version answer unary methods`
      return yield* PsrpcError.fromCode("invalid_argument", {
        message: `${at}: a handler for "${extra}", ${why}`,
        mayHaveRun: false
      })
    }

    /** The method and the topic as the wire has it. */
    const place = (key: string, topic: AnyTopic | undefined) =>
      Effect.try({
        try: () => {
          const known = methods.get(key)
          if (known === undefined) throw new TypeError(`no method of the service`)
          const { handler, method } = known
          const parts = method.topic.encode(topic)
          return { method, parts, dispatch: new UnaryDispatch(state, method, topic ?? {}, handler) }
        },
        catch: (cause) =>
          PsrpcError.fromCode("invalid_argument", {
            message: `${at}, ${key}: ${(cause as Error).message}`,
            mayHaveRun: false
          })
      })
    const topics = (options.topics ?? {}) as Record<string, ReadonlyArray<AnyTopic>>
    const atOnce = [...methods].flatMap(([key, { method }]) =>
      (method.topic.names.length === 0 ? [undefined] : (own(topics, key) ?? [])).map((topic) =>
        Effect.flatMap(place(key, topic), ({ dispatch, method, parts }) => registrations.add(method, parts, dispatch))
      )
    )
    yield* Effect.all(atOnce, { concurrency: "unbounded", discard: true })

    return {
      serverId,
      register: (key, topic) =>
        Effect.flatMap(place(key, topic as AnyTopic), ({ dispatch, method, parts }) =>
          registrations.addScoped(method, parts, dispatch)
        ),
      deregister: (key, topic) =>
        Effect.flatMap(place(key, topic as AnyTopic), ({ method, parts }) => registrations.remove(method, parts)),
      drain: registrations.drain,
      kill: registrations.kill
    }
  })

/** Makes a server of handlers, or of an Effect that makes them. */
const makeFrom = <Name extends string, M extends Service_.AnyMethods>(
  service: Service_.Service<Name, M>,
  handlers: object,
  options: Options<M> | undefined
): Effect.Effect<Server<M>, unknown, unknown> =>
  Effect.flatMap(Effect.isEffect(handlers) ? handlers : Effect.succeed(handlers), (made) =>
    make(service, made as never, options)
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
  R = never
>(
  service: Service_.Service<Name, M>,
  handlers: (H & CheckedHandlers<H, M>) | Effect.Effect<H & CheckedHandlers<H, M>, E, R>,
  options?: Options<M>
): Layer.Layer<never, PsrpcError.PsrpcError | E, MessageBus | HandlersServices<H> | Exclude<R, Scope.Scope>> =>
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
  readonly layer: <const H extends Handlers<M>, E = never, R = never>(
    handlers: (H & CheckedHandlers<H, M>) | Effect.Effect<H & CheckedHandlers<H, M>, E, R>,
    options?: Options<M>
  ) => Layer.Layer<Self, PsrpcError.PsrpcError | E, MessageBus | HandlersServices<H> | Exclude<R, Scope.Scope>>
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
