/**
 * A test network: a client and servers of one service, in memory, with handlers that the test defines. It records every
 * call and applies faults on demand. Time is the Clock's: under TestClock everything happens at its exact instant.
 *
 * Only the broker differs from production: claims, selection, deadlines, streams and errors are those of the wire
 * protocol. Each server has a connection of its own, and the code under test has another.
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
 * const Test = PsrpcTest.layer(GreeterClient, [
 *   { serverId: "far", handlers: { hello: (name) => Effect.succeed(`Hello ${name}`) } },
 *   { serverId: "near", handlers: { render: (job) => Effect.succeed(`job ${job}`) }, affinity: 0.9 }
 * ])
 *
 * it.effect("greets again if the first call fails", () =>
 *   Effect.gen(function*() {
 *     const network = yield* PsrpcTest.network(GreeterClient)
 *     yield* network.fail("hello", new PsrpcError.Unavailable({ message: "busy" }), { times: 1 })
 *     yield* network.delay("hello", "200 millis")
 *     const fiber = yield* Effect.forkChild(greet("Ada"))
 *     yield* TestClock.adjust("400 millis")
 *     assert.strictEqual(yield* Fiber.join(fiber), "Hello Ada")
 *     const calls = network.calls("hello")
 *     assert.deepStrictEqual(calls.map((call) => [call.request, call.serverId, call.respondedAt]), [
 *       ["Ada", "far", 200],
 *       ["Ada", "far", 400]
 *     ])
 *   }).pipe(Effect.provide(Test)))
 * ```
 *
 * @since 0.1.0
 */
import type { Context, Effect, Layer, Scope } from "effect"
import type * as Interceptor from "../Interceptor.ts"
import type { MessageBus } from "../MessageBus.ts"
import type { PsrpcError } from "../PsrpcError.ts"
import type * as Service from "../Service.ts"
import type { FaultyMessageBus } from "./FaultyMessageBus.ts"
import type {
  AnyTestNetwork,
  Options,
  Target,
  TestNetwork,
  TestServer
} from "./internal/testNetwork/testNetworkTypes.ts"
import type {
  CheckedServers,
  ServerOptions,
  ServersError,
  ServersServices
} from "./internal/testNetwork/serverOptions.ts"
import * as Network from "./internal/testNetwork/testNetwork.ts"

export type {
  Call,
  CallKey,
  Claim,
  MultiCall,
  ServerResponse,
  StreamCall,
  StreamMessage,
  SubscriptionKey,
  UnaryCall,
  Update
} from "./internal/testNetwork/callRecords.ts"

export type { CallInfo, ErrorOf, FaultOptions, MessageKind } from "./internal/testNetwork/faultOptions.ts"

export type {
  AnyTestNetwork,
  Options,
  Target,
  TestNetwork,
  TestServer
} from "./internal/testNetwork/testNetworkTypes.ts"

export type {
  CheckedServers,
  HandlerFn,
  Handlers,
  ServerOptions,
  ServersError,
  ServersServices
} from "./internal/testNetwork/serverOptions.ts"

/**
 * Makes a test network. The servers run and the client is ready when this succeeds. When the scope closes, everything ends
 * at once: running handlers are interrupted, and servers do not drain.
 *
 * **Example** (Several services on one broker)
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
 *   yield* greeter.connection.disconnect // for both clients
 *   return yield* Effect.exit(billing.client.total())
 * }).pipe(Effect.scoped)
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <
  S extends Service.Any,
  const Servers extends ReadonlyArray<ServerOptions<S>>,
  const I extends ReadonlyArray<Interceptor.Any> = readonly [],
  Problem = CheckedServers<Servers, S>
>(
  target: Target<S>,
  servers: NoInfer<Problem> & Servers,
  options?: Options<I> & {
    /** Another test network. This one uses its broker and its connection. Default: a new broker. */
    readonly join?: AnyTestNetwork | undefined
  }
): Effect.Effect<
  TestNetwork<S, { readonly [P in keyof Servers]: TestServer<S> }>,
  PsrpcError | ServersError<Servers>,
  ServersServices<Servers, S> | Interceptor.ClientServices<I> | Scope.Scope
> => Network.make(target, servers as ReadonlyArray<ServerOptions<S>>, options) as never

/**
 * The test network of a service, as a service of the context that `layer` provides.
 *
 * @category services
 * @since 0.1.0
 */
export const network: <S extends Service.Any>(target: Target<S>) => Context.Service<TestNetwork<S>, TestNetwork<S>> =
  Network.keyOf

/**
 * Makes a Layer of a test network. It provides the network (`PsrpcTest.network`), the client if `target` is the class of a
 * client, and the connection of the code under test as a `MessageBus`, for its other clients, publishers and servers. It
 * has the requirements of the servers and interceptors.
 *
 * Layers that are provided together share one broker.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <
  S extends Service.Any,
  const Servers extends ReadonlyArray<ServerOptions<S>>,
  Self = never,
  const I extends ReadonlyArray<Interceptor.Any> = readonly [],
  Problem = CheckedServers<Servers, S>
>(
  target: Target<S, Self>,
  servers: NoInfer<Problem> & Servers,
  options?: Options<I>
): Layer.Layer<
  Self | TestNetwork<S> | MessageBus | FaultyMessageBus,
  PsrpcError | ServersError<Servers>,
  ServersServices<Servers, S> | Interceptor.ClientServices<I>
> => Network.layer(target, servers as ReadonlyArray<ServerOptions<S>>, options) as never
