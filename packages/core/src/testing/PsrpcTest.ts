/**
 * A net of servers for tests of your own: in memory, with the handlers that the test states, on the real protocol. It
 * records every call, and goes wrong when and how the test says. Time is the Clock's, so under TestClock everything
 * happens at its exact instant.
 *
 * Everything runs as in production but the broker: claims, selection, deadlines, streams, errors as they are on the
 * wire. Each server has a connection of its own, and the code under test has another.
 *
 * **Example** (Code that calls a service, and its test)
 *
 * ```ts
 * import { Client, PsrpcError, Rpc, Service } from "@effect-psrpc/core"
 * import { PsrpcTest } from "@effect-psrpc/core/testing"
 * import { assert, it } from "@effect/vitest"
 * import { Effect, Fiber, Schema } from "effect"
 * import { TestClock } from "effect/testing"
 *
 * class Greeter extends Service.make("Greeter", {
 *   hello: Rpc.unary({ request: Schema.String, response: Schema.String }),
 *   render: Rpc.unary({ request: Schema.Int, response: Schema.String, routing: "affinity" })
 * }) {}
 *
 * class GreeterClient extends Client.Service<GreeterClient>()("app/GreeterClient", Greeter) {}
 *
 * // the code under test
 * const greet = Effect.fnUntraced(function*(name: string) {
 *   const greeter = yield* GreeterClient
 *   return yield* greeter.hello(name).pipe(Effect.retry({ times: 1 }))
 * })
 *
 * const Net = PsrpcTest.layer(GreeterClient, [
 *   { serverId: "far", handlers: { hello: (name) => Effect.succeed(`Hello ${name}`) } },
 *   { serverId: "near", handlers: { render: (job) => Effect.succeed(`job ${job}`) }, affinity: 0.9 }
 * ])
 *
 * it.effect("greets again when the first time fails", () =>
 *   Effect.gen(function*() {
 *     const net = yield* PsrpcTest.net(GreeterClient)
 *     yield* net.fail("hello", new PsrpcError.Unavailable({ message: "busy" }), { times: 1 })
 *     yield* net.delay("hello", "200 millis")
 *     const fiber = yield* Effect.forkChild(greet("Ada"))
 *     yield* TestClock.adjust("400 millis")
 *     assert.strictEqual(yield* Fiber.join(fiber), "Hello Ada")
 *     const calls = net.calls("hello")
 *     assert.deepStrictEqual(calls.map((call) => [call.request, call.server, call.answeredAt]), [
 *       ["Ada", "far", 200],
 *       ["Ada", "far", 400]
 *     ])
 *   }).pipe(Effect.provide(Net)))
 * ```
 *
 * @since 0.1.0
 */
import { Context, type Duration, Effect, Layer, type Scope } from "effect"
import type { HandlersServices } from "../internal/calls/handlerTypes.ts"
import type * as Client from "../Client.ts"
import type * as Interceptor from "../Interceptor.ts"
import type { MessageBus } from "../MessageBus.ts"
import type { PsrpcError } from "../PsrpcError.ts"
import type * as Publisher from "../Publisher.ts"
import type * as Server from "../Server.ts"
import type * as Service from "../Service.ts"
import type { FaultyMessageBus } from "./FaultyMessageBus.ts"
import { makeNet, networkOf } from "./internal/testNetwork/net.ts"
import { makeNetwork, Network, networkLayer } from "./internal/testNetwork/network.ts"
import type {
  Asked,
  Call,
  CalledKey,
  CheckedServers,
  ErrorOf,
  FaultOptions,
  HandlerFn,
  Part,
  ServerOptions,
  ServersError,
  ServersServices,
  SubscriptionKey,
  Update
} from "./internal/testNetwork/types.ts"
import type { Fault } from "./internal/faultyBus/fault.ts"

export type {
  Answer,
  Asked,
  Call,
  CalledKey,
  CheckedServers,
  Claim,
  ErrorOf,
  FaultOptions,
  HandlerFn,
  Handlers,
  MultiCall,
  Part,
  ServerOptions,
  ServersError,
  ServersServices,
  StreamCall,
  StreamMessage,
  SubscriptionKey,
  UnaryCall,
  Update
} from "./internal/testNetwork/types.ts"

/**
 * A server of a net: a `Server`, which can also break down.
 *
 * @category models
 * @since 0.1.0
 */
export interface TestServer<in out Methods> extends Server.Server<Methods> {
  /**
   * Its connection to the network: `connection.partition` makes it silent, as a process that hangs, until
   * `connection.heal`; `connection.disconnect` takes its broker away, until `connection.reconnect`. A server that has
   * started again has another.
   */
  readonly connection: FaultyMessageBus["Service"]
  /**
   * Ends it without a word, as a process that is killed: nobody listens any more, no answer goes out, its handlers are
   * interrupted.
   */
  readonly crash: Effect.Effect<void>
  /**
   * Starts it again after `crash`, `kill` or `drain`, with the topics that it was made with; an Effect that makes its
   * handlers makes them anew. It does nothing for a server that runs.
   */
  readonly start: Effect.Effect<void, PsrpcError>
}

/**
 * A net of servers, with a client.
 *
 * Faults last until the scope that they are made in closes. Where several are for one call, delays add up, and the
 * latest of `fail` and `handle` answers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Net<
  out Name extends string,
  in out Methods,
  out Servers extends ReadonlyArray<TestServer<Methods>> = ReadonlyArray<TestServer<Methods>>
> {
  /** The service's name on the wire. */
  readonly serviceName: Name
  /** The client, on the connection of the code under test. */
  readonly client: Client.FromMethods<Methods>
  /** A publisher of updates, on a connection that does not fail. */
  readonly publisher: Publisher.FromMethods<Methods>
  /** The connection of the code under test: the client's, and the `MessageBus` of the Layer. */
  readonly connection: FaultyMessageBus["Service"]
  /** The servers, in their order. */
  readonly servers: Servers
  /** A server by its id. Throws a `TypeError` where there is none. */
  readonly server: (serverId: string) => TestServer<Methods>

  /** The calls of a method so far, or of all methods, in order. */
  readonly calls: {
    <K extends CalledKey<Methods>>(method: K): ReadonlyArray<Call<Methods, K>>
    (): ReadonlyArray<Call<Methods>>
  }
  /** The updates that were published so far, of a subscription or of all, in order. */
  readonly updates: {
    <K extends SubscriptionKey<Methods>>(method: K): ReadonlyArray<Update<Methods, K>>
    (): ReadonlyArray<Update<Methods>>
  }
  /** Waits until something recorded makes this true: `net.until(() => net.calls("hello").length === 2)`. */
  readonly until: (isSo: () => boolean) => Effect.Effect<void>

  /**
   * Has a method fail instead of running its handler. Of a subscription: the update is not published, and publishing
   * fails.
   */
  readonly fail: <const K extends CalledKey<Methods> | SubscriptionKey<Methods>>(
    method: K,
    error: ErrorOf<Methods[K]> | ((asked: Asked<Methods, K>) => ErrorOf<Methods[K]>),
    options?: FaultOptions<Methods, K>
  ) => Effect.Effect<void, never, Scope.Scope>
  /**
   * Has the handler of a method start later, within its deadline. Of a subscription: its updates arrive later, and
   * others overtake them.
   */
  readonly delay: <const K extends CalledKey<Methods> | SubscriptionKey<Methods>>(
    method: K,
    duration: Duration.Input,
    options?: FaultOptions<Methods, K>
  ) => Effect.Effect<void, never, Scope.Scope>
  /** Has another handler answer a method, at the servers that serve it. */
  readonly handle: <const K extends CalledKey<Methods>, H extends HandlerFn<Methods[K]>>(
    method: K,
    handler: H,
    options?: FaultOptions<Methods, K>
  ) => Effect.Effect<void, never, HandlersServices<{ readonly handler: H }> | Scope.Scope>
  /** Loses messages of a method. */
  readonly lose: <const K extends CalledKey<Methods> | SubscriptionKey<Methods>>(
    method: K,
    part: Part<Methods[K]>,
    options?: FaultOptions<Methods, K>
  ) => Effect.Effect<void, never, Scope.Scope>
  /** Has a fault of `FaultyMessageBus` happen to messages of a method: late, twice, … */
  readonly disturb: <const K extends CalledKey<Methods> | SubscriptionKey<Methods>>(
    method: K,
    part: Part<Methods[K]>,
    fault: Fault,
    options?: FaultOptions<Methods, K>
  ) => Effect.Effect<void, never, Scope.Scope>

  /**
   * Makes it as it was at first, for the next test: forgets what was recorded, ends all faults, heals and reconnects the
   * connections, starts the servers that have ended.
   */
  readonly reset: Effect.Effect<void, PsrpcError>
}

/**
 * Any net, erased.
 *
 * @category models
 * @since 0.1.0
 */
export interface AnyNet {
  readonly connection: FaultyMessageBus["Service"]
}

/**
 * Options of a net.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<I extends ReadonlyArray<Interceptor.Any> = readonly []> {
  /** Options of its client. What its interceptors require, the net requires. */
  readonly client?: Client.Options<I> | undefined
}

/**
 * A service, or the class of its client.
 *
 * @category models
 * @since 0.1.0
 */
export type Target<Name extends string, M extends Service.AnyMethods> =
  | Service.Service<Name, M>
  | { readonly service: Service.Service<Name, M> }

/**
 * The client that a Layer provides: of a class, its own.
 *
 * @category utility types
 * @since 0.1.0
 */
export type ClientIn<T> = T extends Context.Key<infer Self, any> ? Self : never

const serviceOf = <Name extends string, M extends Service.AnyMethods>(
  target: Target<Name, M>
): Service.Service<Name, M> => ("service" in target ? target.service : target)

/**
 * Makes a net: the servers run, and the client is ready, when this succeeds. Everything ends with the scope: running
 * handlers are interrupted, nothing is waited for.
 *
 * **Example** (Several services on one network)
 *
 * ```ts
 * import { Rpc, Service } from "@effect-psrpc/core"
 * import { PsrpcTest } from "@effect-psrpc/core/testing"
 * import { Effect, Schema } from "effect"
 *
 * class Greeter extends Service.make("Greeter", { hello: Rpc.unary({ response: Schema.String }) }) {}
 * class Billing extends Service.make("Billing", { total: Rpc.unary({ response: Schema.Int }) }) {}
 *
 * const program = Effect.gen(function*() {
 *   const greeter = yield* PsrpcTest.make(Greeter, [{ handlers: { hello: () => Effect.succeed("hi") } }])
 *   const billing = yield* PsrpcTest.make(Billing, [{ handlers: { total: () => Effect.succeed(1) } }], { join: greeter })
 *   yield* greeter.connection.disconnect // for the clients of both
 *   return yield* Effect.exit(billing.client.total())
 * }).pipe(Effect.scoped)
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <
  Name extends string,
  M extends Service.AnyMethods,
  const S extends ReadonlyArray<ServerOptions<M>>,
  const I extends ReadonlyArray<Interceptor.Any> = readonly []
>(
  target: Target<Name, M>,
  servers: S & CheckedServers<S, M>,
  options?: Options<I> & {
    /** Another net, whose network and connection this one is to share. Default: a network of its own. */
    readonly join?: AnyNet | undefined
  }
): Effect.Effect<
  Net<Name, M, { readonly [I in keyof S]: TestServer<M> }>,
  PsrpcError | ServersError<S>,
  ServersServices<S, M> | Interceptor.ClientServices<I> | Scope.Scope
> =>
  Effect.suspend(() => {
    const joined = options?.join === undefined ? makeNetwork : Effect.succeed(networkOf(options.join))
    return Effect.flatMap(joined, (network) =>
      makeNet(network, serviceOf(target), servers as ReadonlyArray<ServerOptions<M>>, options?.client)
    )
  }) as never

/**
 * The net of a service that a Layer has made.
 *
 * @category services
 * @since 0.1.0
 */
export const net = <Name extends string, M extends Service.AnyMethods>(
  target: Target<Name, M>
): Context.Service<Net<Name, M>, Net<Name, M>> =>
  Context.Service<Net<Name, M>>(`@effect-psrpc/core/testing/PsrpcTest/${serviceOf(target).serviceName}`)

/**
 * A net as a Layer. It provides the net, for `PsrpcTest.net`; where it is given the class of a client, that client; and
 * the network as a `MessageBus`, for other clients, publishers and servers of the code under test. What servers and
 * interceptors require, the Layer requires.
 *
 * Several of them that are provided together share one network.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <
  T,
  Name extends string,
  M extends Service.AnyMethods,
  const S extends ReadonlyArray<ServerOptions<M>>,
  const I extends ReadonlyArray<Interceptor.Any> = readonly []
>(
  target: T & Target<Name, M>,
  servers: S & CheckedServers<S, M>,
  options?: Options<I>
): Layer.Layer<
  ClientIn<T> | Net<Name, M> | MessageBus | FaultyMessageBus,
  PsrpcError | ServersError<S>,
  ServersServices<S, M> | Interceptor.ClientServices<I>
> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const service = serviceOf(target)
      const made = yield* makeNet(yield* Network, service, servers as ReadonlyArray<ServerOptions<M>>, options?.client)
      const context = Context.make(net(service), made)
      return Context.isKey(target) ? Context.add(context, target as never, made.client as never) : context
    })
  ).pipe(Layer.provideMerge(networkLayer)) as never
