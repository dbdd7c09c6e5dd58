/** The types of a test network and its servers; public as `PsrpcTest.TestNetwork` and so on. */
import type { Context, Duration, Effect, Scope } from "effect"
import type { HandlersServices } from "../../../internal/calls/handlerTypes.ts"
import type * as Client from "../../../Client.ts"
import type * as Interceptor from "../../../Interceptor.ts"
import type { PsrpcError } from "../../../PsrpcError.ts"
import type * as Publisher from "../../../Publisher.ts"
import type * as Server from "../../../Server.ts"
import type * as Service from "../../../Service.ts"
import type { Fault, FaultyMessageBus } from "../../FaultyMessageBus.ts"
import type { Call, CallKey, SubscriptionKey, Update } from "./callRecords.ts"
import type { CallInfo, ErrorOf, FaultOptions, MessageKind } from "./faultOptions.ts"
import type { HandlerFn } from "./serverOptions.ts"

/**
 * A server of a test network: a `Server` that can crash and start again.
 *
 * @category models
 * @since 0.1.0
 */
export interface TestServer<in out S> extends Server.Server<Service.Methods<S>> {
  /**
   * The server's connection to the broker. `connection.partition` makes the server silent, as a process that hangs, until
   * `connection.heal`. `connection.disconnect` breaks the connection until `connection.reconnect`. The server has another
   * connection after each start.
   */
  readonly connection: FaultyMessageBus["Service"]
  /**
   * Ends the server as a killed process: its subscriptions end, it sends no more messages, its handlers are interrupted.
   */
  readonly crash: Effect.Effect<void>
  /**
   * Starts the server again after `crash`, `kill` or `drain`, with the topics of its options. Runs an Effect that makes
   * handlers again. Does nothing if the server runs.
   */
  readonly start: Effect.Effect<void, PsrpcError>
}

/**
 * A client and servers of one service on an in-memory broker, with the records of all calls and with faults.
 *
 * A fault ends when its scope closes. If a call has several faults, delays add up, and the latest of `fail` and `handle`
 * responds.
 *
 * @category models
 * @since 0.1.0
 */
export interface TestNetwork<
  in out S extends Service.Any,
  out Servers extends ReadonlyArray<TestServer<S>> = ReadonlyArray<TestServer<S>>
> {
  /** The service's wire name. */
  readonly serviceName: S["serviceName"]
  /** The client, on the connection of the code under test. */
  readonly client: Client.From<S>
  /** A publisher of updates, on a connection without faults. */
  readonly publisher: Publisher.From<S>
  /** The connection of the code under test: that of the client, and the `MessageBus` of the Layer. */
  readonly connection: FaultyMessageBus["Service"]
  /** The servers, in the order of their options. */
  readonly servers: Servers
  /** Returns a server by its id. Throws a `TypeError` for an unknown id. */
  readonly server: (serverId: string) => TestServer<S>

  /** Returns the recorded calls of one method, or of all methods, in order. */
  readonly calls: {
    <K extends CallKey<S>>(method: K): ReadonlyArray<Call<S, K>>
    (): ReadonlyArray<Call<S>>
  }
  /** Returns the recorded updates of one subscription method, or of all, in order. */
  readonly updates: {
    <K extends SubscriptionKey<S>>(method: K): ReadonlyArray<Update<S, K>>
    (): ReadonlyArray<Update<S>>
  }
  /**
   * Waits until the predicate returns `true`: `network.waitUntil(() => network.calls("hello").length === 2)`. Checks it now
   * and after each recorded message.
   */
  readonly waitUntil: (predicate: () => boolean) => Effect.Effect<void>

  /** Makes a method fail in place of its handler. Of a subscription method: publishing fails, and no update is sent. */
  readonly fail: <const K extends CallKey<S> | SubscriptionKey<S>>(
    method: K,
    error: ErrorOf<Service.Methods<S>[K]> | ((call: CallInfo<S, K>) => ErrorOf<Service.Methods<S>[K]>),
    options?: FaultOptions<S, K>
  ) => Effect.Effect<void, never, Scope.Scope>
  /**
   * Delays the handler of a method; the request keeps its deadline. Of a subscription method: delays its updates, and
   * others can overtake them.
   */
  readonly delay: <const K extends CallKey<S> | SubscriptionKey<S>>(
    method: K,
    duration: Duration.Input,
    options?: FaultOptions<S, K>
  ) => Effect.Effect<void, never, Scope.Scope>
  /**
   * Replaces the handler of a method, at the servers that registered the method. TypeScript infers the parameters of a
   * function; those of a generator (`Effect.fnUntraced(function* (request: string) { … })`) need their types.
   */
  readonly handle: <const K extends CallKey<S>, H extends HandlerFn<Service.Methods<S>[K]>>(
    method: K,
    handler: H,
    options?: FaultOptions<S, K>
  ) => Effect.Effect<void, never, HandlersServices<{ readonly handler: H }> | Scope.Scope>
  /** Loses messages of a method. */
  readonly lose: <const K extends CallKey<S> | SubscriptionKey<S>>(
    method: K,
    kind: MessageKind<Service.Methods<S>[K]>,
    options?: FaultOptions<S, K>
  ) => Effect.Effect<void, never, Scope.Scope>
  /** Applies a fault of `FaultyMessageBus` to messages of a method. */
  readonly inject: <const K extends CallKey<S> | SubscriptionKey<S>>(
    method: K,
    kind: MessageKind<Service.Methods<S>[K]>,
    fault: Fault,
    options?: FaultOptions<S, K>
  ) => Effect.Effect<void, never, Scope.Scope>

  /**
   * Restores the initial state, for the next test: clears the records, ends all faults, heals and reconnects the
   * connections, and starts the servers that have ended.
   */
  readonly reset: Effect.Effect<void, PsrpcError>
}

/**
 * Any test network, erased.
 *
 * @category models
 * @since 0.1.0
 */
export interface AnyTestNetwork {
  readonly connection: FaultyMessageBus["Service"]
}

/**
 * Options of a test network.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<I extends ReadonlyArray<Interceptor.Any> = readonly []> {
  /** Options of the client. The test network has the requirements of its interceptors. */
  readonly client?: Client.Options<I> | undefined
}

/**
 * A service, or the class of its client, whose key in the context is `Self`.
 *
 * @category models
 * @since 0.1.0
 */
export type Target<S extends Service.Any, Self = unknown> = S | (Context.Key<Self, unknown> & { readonly service: S })
