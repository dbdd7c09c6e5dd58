/** The types of a test network's servers and their handlers; public as `PsrpcTest.ServerOptions` and so on. */
import type { Effect, Scope } from "effect"
import type { HandlerOf, HandlersServices, InterceptedServices } from "../../../internal/calls/handlerTypes.ts"
import type * as Interceptor from "../../../Interceptor.ts"
import type { MessageBus } from "../../../MessageBus.ts"
import type * as Server from "../../../Server.ts"

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
export type Handlers<Methods> = {
  readonly [K in keyof Methods as Methods[K] extends { readonly kind: "subscription" } ? never : K]?:
    | HandlerOf<Methods[K]>
    | HandlerFn<Methods[K]>
} & {
  readonly [K in keyof Methods as Methods[K] extends { readonly kind: "subscription" } ? K : never]?: never
}

/**
 * One server of a test network.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerOptions<Methods> extends Server.Options<Methods, ReadonlyArray<Interceptor.Any>> {
  /** The server's id. Default: `server-1`, `server-2` and so on, by its position. */
  readonly serverId?: string | undefined
  /**
   * The handlers, or an Effect that makes them at each start, with the server's connection as the `MessageBus`. The server
   * does not register methods without a handler; spread `Server.unimplemented(service)` before the handlers to respond with
   * `unimplemented` instead.
   */
  readonly handlers: Handlers<Methods> | Effect.Effect<Handlers<Methods>, unknown, unknown>
  /** The affinity for methods with affinity whose handler is a function. Default: 1. */
  readonly affinity?:
    | number
    | Effect.Effect<number, unknown, unknown>
    | ((call: Server.Call<Readonly<Record<string, unknown>>>) => number | Effect.Effect<number, unknown, unknown>)
    | undefined
}

type HandlersIn<S> = S extends { readonly handlers: infer H }
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
export type CheckedServers<S, Methods> = {
  readonly [I in keyof S]: {
    readonly [P in keyof S[I]]: P extends "handlers"
      ? Checked<S[I], Methods>
      : P extends keyof ServerOptions<Methods>
        ? unknown
        : `${P & string} is no option of a server`
  }
}

type Checked<S, Methods> = S extends { readonly handlers: Effect.Effect<infer A, unknown, unknown> }
  ? Effect.Effect<Server.CheckedHandlers<A, Methods>, unknown, unknown>
  : Server.CheckedHandlers<HandlersIn<S>, Methods>

type InterceptorsIn<S> = S extends { readonly interceptors: infer I extends ReadonlyArray<Interceptor.Any> }
  ? I
  : readonly []

type ServicesIn<H> = H extends Effect.Effect<infer _A, infer _E, infer R> ? R : never

/** The requirements of one server, without the services that it provides itself. */
type ServerServices<S, Methods> = S extends { readonly handlers: infer H }
  ? Exclude<
      | InterceptedServices<HandlersIn<S>, Methods, InterceptorsIn<S>>
      | HandlersServices<Pick<S, "affinity" & keyof S>>
      | ServicesIn<H>,
      MessageBus | Scope.Scope
    >
  : never

type ServerError<S> = S extends { readonly handlers: Effect.Effect<infer _A, infer E, infer _R> } ? E : never

/**
 * The requirements of servers, without a `MessageBus` and a `Scope`: each server has its own.
 *
 * @category utility types
 * @since 0.1.0
 */
export type ServersServices<S extends ReadonlyArray<unknown>, Methods> = ServerServices<S[number], Methods>

/**
 * The errors of the Effects that make handlers.
 *
 * @category utility types
 * @since 0.1.0
 */
export type ServersError<S extends ReadonlyArray<unknown>> = ServerError<S[number]>
