/** What a test has of a net of servers: its types; public as `PsrpcTest.Call` and so on. */
import type { Effect, Result, Scope } from "effect"
import type { HandlerOf, HandlersServices, InterceptedServices } from "../../../internal/calls/handlerTypes.ts"
import type * as Interceptor from "../../../Interceptor.ts"
import type { MessageBus } from "../../../MessageBus.ts"
import type { Metadata } from "../../../Metadata.ts"
import type * as Payload from "../../../Payload.ts"
import type { DomainErrorOf, PsrpcError } from "../../../PsrpcError.ts"
import type * as Server from "../../../Server.ts"
import type * as Topic from "../../../Topic.ts"

/**
 * The methods that servers answer.
 *
 * @category utility types
 * @since 0.1.0
 */
export type CalledKey<Methods> = {
  [K in keyof Methods]: Methods[K] extends { readonly kind: "subscription" } ? never : K
}[keyof Methods] &
  string

/**
 * The methods that publishers push.
 *
 * @category utility types
 * @since 0.1.0
 */
export type SubscriptionKey<Methods> = {
  [K in keyof Methods]: Methods[K] extends { readonly kind: "subscription" } ? K : never
}[keyof Methods] &
  string

// ── what is recorded ──────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * A server's offer to take a call.
 *
 * @category models
 * @since 0.1.0
 */
export interface Claim {
  readonly serverId: string
  /** A float32; 1 where the method has no affinity. */
  readonly affinity: number
  /** Unix milliseconds on the Clock. */
  readonly at: number
}

/** What all calls have. Times are unix milliseconds on the Clock. */
interface AnyCall<out K, out T> {
  /** Its key in the service. */
  readonly method: K
  readonly requestId: string
  /** Who calls. */
  readonly clientId: string
  readonly topic: Topic.Topic<T>
  readonly metadata: Metadata
  readonly sentAt: number
  /** When the caller stops waiting. */
  readonly deadline: number
  /** The offers of servers, in their order. Empty where the method needs none. */
  readonly claims: ReadonlyArray<Claim>
  /** When the caller gave up before its deadline; `undefined` where it has not. */
  readonly cancelledAt: number | undefined
}

/**
 * A call with one answer. What has not happened yet is `undefined`.
 *
 * @category models
 * @since 0.1.0
 */
export interface UnaryCall<out K, out Request, out Response, out Error, out T> extends AnyCall<K, T> {
  readonly kind: "unary"
  readonly request: Payload.Output<Request>
  /** The server that was chosen; where the method needs no claims, the one that answered. */
  readonly server: string | undefined
  /** What that server answered. */
  readonly result: Result.Result<Payload.Output<Response>, DomainErrorOf<Error> | PsrpcError> | undefined
  readonly answeredAt: number | undefined
}

/**
 * One server's answer to a call that every server answers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer<out A, out E> {
  readonly serverId: string
  readonly result: Result.Result<A, E>
  /** Unix milliseconds on the Clock. */
  readonly at: number
}

/**
 * A call that every server answers.
 *
 * @category models
 * @since 0.1.0
 */
export interface MultiCall<out K, out Request, out Response, out Error, out T> extends AnyCall<K, T> {
  readonly kind: "multi"
  readonly request: Payload.Output<Request>
  /** The answers, in their order. */
  readonly answers: ReadonlyArray<Answer<Payload.Output<Response>, DomainErrorOf<Error> | PsrpcError>>
}

/**
 * A message of a stream.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamMessage<out A> {
  readonly message: A
  /** Unix milliseconds on the Clock. */
  readonly at: number
}

/**
 * A stream. What has not happened yet is `undefined`.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamCall<out K, out Send, out Receive, out T> extends AnyCall<K, T> {
  readonly kind: "stream"
  readonly streamId: string
  /** The server that was chosen; where the method needs no claims, the one that opened the stream. */
  readonly server: string | undefined
  /** When the server said that the stream is open. */
  readonly openedAt: number | undefined
  /** What the client sent. */
  readonly sent: ReadonlyArray<StreamMessage<Payload.Output<Send>>>
  /** What the server sent. */
  readonly received: ReadonlyArray<StreamMessage<Payload.Output<Receive>>>
  /** Who closed it first, and the cause, `undefined` for none. */
  readonly closed:
    | { readonly by: "client" | "server"; readonly cause: PsrpcError | undefined; readonly at: number }
    | undefined
}

/**
 * A call of one of the methods, as the network saw it: lost messages are among what is recorded, as are those of other
 * clients and servers that share the network. It goes on being filled in while the call goes on.
 *
 * @category models
 * @since 0.1.0
 */
export type Call<Methods, K extends keyof Methods = CalledKey<Methods>> = {
  [P in K]: Methods[P] extends {
    readonly kind: "unary"
    readonly request: infer Request
    readonly response: infer Response
    readonly error: infer Error
    readonly topic: infer T
  }
    ? UnaryCall<P, Request, Response, Error, T>
    : Methods[P] extends {
          readonly kind: "multi"
          readonly request: infer Request
          readonly response: infer Response
          readonly error: infer Error
          readonly topic: infer T
        }
      ? MultiCall<P, Request, Response, Error, T>
      : Methods[P] extends {
            readonly kind: "stream"
            readonly send: infer Send
            readonly receive: infer Receive
            readonly topic: infer T
          }
        ? StreamCall<P, Send, Receive, T>
        : never
}[K]

/**
 * An update that was published.
 *
 * @category models
 * @since 0.1.0
 */
export type Update<Methods, K extends keyof Methods = SubscriptionKey<Methods>> = {
  [P in K]: Methods[P] extends {
    readonly kind: "subscription"
    readonly message: infer Message
    readonly topic: infer T
  }
    ? {
        readonly method: P
        readonly kind: "subscription"
        readonly message: Payload.Output<Message>
        readonly topic: Topic.Topic<T>
        /** Unix milliseconds on the Clock. */
        readonly at: number
      }
    : never
}[K]

// ── what goes wrong ───────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * The messages that a method has on the network.
 *
 * | part | of | from | what it is |
 * | --- | --- | --- | --- |
 * | `request` | calls, streams | client | the request, or the opening of a stream |
 * | `claim` | calls with claims, streams | server | its offer |
 * | `choice` | calls, streams | client | which server is chosen, or that the call is given up |
 * | `answer` | calls, streams | server | the answer, or that the stream is open |
 * | `sent` | streams | client | a message |
 * | `received` | streams | server | a message |
 * | `ack` | streams | both | that a message has arrived |
 * | `close` | streams | both | the end |
 * | `update` | subscriptions | publisher | the update |
 *
 * @category models
 * @since 0.1.0
 */
export type Part<M> = M extends { readonly kind: "subscription" }
  ? "update"
  : M extends { readonly kind: "stream" }
    ? "request" | "claim" | "choice" | "answer" | "sent" | "received" | "ack" | "close"
    : M extends { readonly kind: "unary" }
      ? "request" | "claim" | "choice" | "answer"
      : "request" | "choice" | "answer"

/**
 * What a fault can be decided by: what was asked, and by whom; of an update, what it carries.
 *
 * @category models
 * @since 0.1.0
 */
export type Asked<Methods, K extends keyof Methods> = {
  [P in K]: Methods[P] extends {
    readonly kind: "subscription"
  }
    ? Pick<Update<Methods, P>, "message" | "topic">
    : Methods[P] extends { readonly kind: "stream" }
      ? Pick<Extract<Call<Methods, P>, { readonly sent: unknown }>, "clientId" | "metadata" | "topic">
      : Pick<Extract<Call<Methods, P>, { readonly request: unknown }>, "clientId" | "metadata" | "request" | "topic">
}[K]

/**
 * When something goes wrong.
 *
 * @category models
 * @since 0.1.0
 */
export interface FaultOptions<Methods, K extends keyof Methods> {
  /** How often, 1 or more. Default: for as long as the scope is open. */
  readonly times?: number | undefined
  /** For which calls. Default: for all. */
  readonly when?: ((asked: Asked<Methods, K>) => boolean) | undefined
  /** At which server alone; of messages, those that it sends. Default: all, and those of clients and publishers. */
  readonly server?: string | undefined
}

/**
 * What a method can fail with: its own errors, or a `PsrpcError`.
 *
 * @category utility types
 * @since 0.1.0
 */
export type ErrorOf<M> = (M extends { readonly error: infer Error } ? DomainErrorOf<Error> : never) | PsrpcError

// ── servers ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * A handler as a function, whether the method has affinity or not.
 *
 * @category utility types
 * @since 0.1.0
 */
export type HandlerFn<M> = HandlerOf<M> extends { readonly handle: infer Handle } ? Handle : HandlerOf<M>

/**
 * Handlers for some of the methods. Those with affinity may be functions, as the others.
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
 * One server of a net.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerOptions<Methods> extends Server.Options<Methods, ReadonlyArray<Interceptor.Any>> {
  /** Its id. Default: `server-1`, `server-2` and so on, by its place. */
  readonly serverId?: string | undefined
  /**
   * Its handlers, or an Effect that makes them each time it starts, with its connection as the `MessageBus`. A method without one is not served by it; spread
   * `Server.unimplemented(service)` before them for one that answers `unimplemented`.
   */
  readonly handlers: Handlers<Methods> | Effect.Effect<Handlers<Methods>, any, any>
  /** How well it fits in methods with affinity whose handler is a function. Default: 1. */
  readonly affinity?:
    | number
    | Effect.Effect<number, unknown, any>
    | ((call: Server.Call<Readonly<Record<string, unknown>>>) => number | Effect.Effect<number, unknown, any>)
    | undefined
}

type HandlersIn<S> = S extends { readonly handlers: infer H }
  ? H extends Effect.Effect<infer A, any, any>
    ? A
    : H
  : never

/**
 * Refuses handlers for methods that the service does not have, and options that servers do not have.
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

type Checked<S, Methods> = S extends { readonly handlers: Effect.Effect<infer A, any, any> }
  ? Effect.Effect<Server.CheckedHandlers<A, Methods>, any, any>
  : Server.CheckedHandlers<HandlersIn<S>, Methods>

type InterceptorsIn<S> = S extends { readonly interceptors: infer I extends ReadonlyArray<Interceptor.Any> }
  ? I
  : readonly []

/** What one server requires, but for what it has of its own. */
type ServicesOf<S, Methods> = S extends { readonly handlers: infer H }
  ? Exclude<
      | InterceptedServices<HandlersIn<S>, Methods, InterceptorsIn<S>>
      | HandlersServices<Pick<S, "affinity" & keyof S>>
      | (H extends Effect.Effect<any, any, infer R> ? R : never),
      MessageBus | Scope.Scope
    >
  : never

type ErrorIn<S> = S extends { readonly handlers: Effect.Effect<any, infer E, any> } ? E : never

/**
 * What servers require, but for a `MessageBus` and a `Scope`: each has its own.
 *
 * @category utility types
 * @since 0.1.0
 */
export type ServersServices<S extends ReadonlyArray<unknown>, Methods> = ServicesOf<S[number], Methods>

/**
 * What making the handlers of servers fails with.
 *
 * @category utility types
 * @since 0.1.0
 */
export type ServersError<S extends ReadonlyArray<unknown>> = ErrorIn<S[number]>
