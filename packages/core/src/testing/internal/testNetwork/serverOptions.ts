/** The types of a test network's servers and their handlers; public as `PsrpcTest.ServerOptions` and so on. */
import type { Effect, Scope } from "effect"
import type { SomeHandlers } from "../../../internal/calls/handlerProblems.ts"
import type { HandlerOf, HandlersServices, InterceptedServices } from "../../../internal/calls/handlerTypes.ts"
import type * as Interceptor from "../../../Interceptor.ts"
import type { MessageBus } from "../../../MessageBus.ts"
import type * as Server from "../../../Server.ts"
import type { Methods } from "../../../Service.ts"

/**
 * The handler of a method, as a function also if the method has affinity.
 *
 * @category utility types
 * @since 0.1.0
 */
export type HandlerFn<M> = HandlerOf<M> extends { readonly handle: infer Handle } ? Handle : HandlerOf<M>

/**
 * Handlers for some of the methods. The handler of a method with affinity can be a function.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Handlers<S> = SomeHandlers<S>

/**
 * One server of a test network.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerOptions<S> extends Server.Options<Methods<S>, ReadonlyArray<Interceptor.Any>> {
  /** The server's id. Default: `server-1`, `server-2` and so on, by its position. */
  readonly serverId?: string | undefined
  /**
   * The handlers, or an Effect that makes them at each start, with the server's connection as the `MessageBus`. The server
   * does not register methods without a handler; spread `Server.unimplemented(service)` before the handlers to respond with
   * `unimplemented` instead.
   */
  readonly handlers: Handlers<S> | Effect.Effect<Handlers<S>, unknown, unknown>
  /** The affinity for methods with affinity whose handler is a function. Default: 1. */
  readonly affinity?:
    | number
    | Effect.Effect<number, unknown, unknown>
    | ((call: Server.Call<Readonly<Record<string, unknown>>>) => number | Effect.Effect<number, unknown, unknown>)
    | undefined
}

type HandlersIn<O> = O extends { readonly handlers: infer H }
  ? H extends Effect.Effect<infer A, unknown, unknown>
    ? A
    : H
  : never

/**
 * Refuses handlers for methods that the service does not have, and unknown options.
 *
 * @category utility types
 * @since 0.1.0
 */
export type CheckedServers<Servers, S> = {
  readonly [I in keyof Servers]: {
    readonly [P in keyof Servers[I]]: P extends "handlers"
      ? Checked<Servers[I], S>
      : P extends keyof ServerOptions<S>
        ? unknown
        : `${P & string} is no option of a server`
  }
}

type Checked<O, S> = O extends { readonly handlers: Effect.Effect<infer A, unknown, unknown> }
  ? Effect.Effect<UnknownHandlers<A, Methods<S>>, unknown, unknown>
  : UnknownHandlers<HandlersIn<O>, Methods<S>>

/** Refuses handlers of methods that the service does not have, and of subscriptions. */
type UnknownHandlers<H, M> = {
  readonly [K in Exclude<keyof H, keyof M>]: `${K & string} is no method of the service`
} & {
  readonly [
    K in keyof H & keyof M as M[K] extends { readonly kind: "subscription" } ? K : never
  ]: `${K & string} is a subscription: use the publisher of the test network`
}

type InterceptorsIn<O> = O extends { readonly interceptors: infer I extends ReadonlyArray<Interceptor.Any> }
  ? I
  : readonly []

type ServicesIn<H> = H extends Effect.Effect<infer _A, infer _E, infer R> ? R : never

/** The requirements of one server, without the services that it provides itself. */
type ServerServices<O, S> = O extends { readonly handlers: infer H }
  ? Exclude<
      | InterceptedServices<HandlersIn<O>, Methods<S>, InterceptorsIn<O>>
      | HandlersServices<Pick<O, "affinity" & keyof O>>
      | ServicesIn<H>,
      MessageBus | Scope.Scope
    >
  : never

type ServerError<O> = O extends { readonly handlers: Effect.Effect<infer _A, infer E, infer _R> } ? E : never

/**
 * The requirements of servers, without a `MessageBus` and a `Scope`: each server has its own.
 *
 * @category utility types
 * @since 0.1.0
 */
export type ServersServices<Servers extends ReadonlyArray<unknown>, S> = ServerServices<Servers[number], S>

/**
 * The errors of the Effects that make handlers.
 *
 * @category utility types
 * @since 0.1.0
 */
export type ServersError<Servers extends ReadonlyArray<unknown>> = ServerError<Servers[number]>
