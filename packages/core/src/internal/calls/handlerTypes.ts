/**
 * The types of handlers, by method kind. Public in `Server`.
 */
import type { Effect, Scope } from "effect"
import type { ServerStream } from "../../BidiStream.ts"
import type * as Payload from "../../Payload.ts"
import type * as PsrpcError from "../../PsrpcError.ts"
import type * as Topic from "../../Topic.ts"
import type { Call, CurrentCall } from "./callContext.ts"
import type { AroundCalls, AroundStreams } from "./interceptorTypes.ts"

/**
 * A handler of a unary or multi method. It runs in a scope of its own and is interrupted at its deadline.
 *
 * @category models
 * @since 0.1.0
 */
export interface HandlerFn<Request, Response, Error, T> {
  (
    request: Payload.Output<Request>,
    call: Call<Topic.Topic<T>>
  ): Effect.Effect<Payload.Input<Response>, PsrpcError.DomainErrorOf<Error> | PsrpcError.PsrpcError, any>
}

/**
 * The affinity of a server for a request: a number, an Effect of a number, or a function of the request. The server sends no
 * claim if it is below 0, or if it fails; a failure is logged.
 *
 * @category models
 * @since 0.1.0
 */
export type Affinity<Request, T> =
  | number
  | Effect.Effect<number, unknown, any>
  | ((request: Payload.Output<Request>, call: Call<Topic.Topic<T>>) => number | Effect.Effect<number, unknown, any>)

/**
 * The handler of an affinity method.
 *
 * @category models
 * @since 0.1.0
 */
export interface AffinityHandler<Request, Response, Error, T> {
  readonly affinity: Affinity<Request, T>
  readonly handle: HandlerFn<Request, Response, Error, T>
}

/**
 * The handler of a stream. It runs in a scope of its own. When it returns, the stream closes, with its error if it fails,
 * unless the handler has used `hijack`.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamHandlerFn<Send, Receive, T> {
  (
    stream: ServerStream<Payload.Input<Send>, Payload.Output<Receive>>,
    call: Call<Topic.Topic<T>>
  ): Effect.Effect<unknown, PsrpcError.PsrpcError, any>
}

/**
 * The affinity of a server for a stream: a number, an Effect of a number, or a function of the call. The server sends no claim
 * if it is below 0, or if it fails; a failure is logged.
 *
 * @category models
 * @since 0.1.0
 */
export type StreamAffinity<T> =
  | number
  | Effect.Effect<number, unknown, any>
  | ((call: Call<Topic.Topic<T>>) => number | Effect.Effect<number, unknown, any>)

/**
 * The handler of a stream with affinity.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamAffinityHandler<Send, Receive, T> {
  readonly affinity: StreamAffinity<T>
  readonly handle: StreamHandlerFn<Send, Receive, T>
}

/**
 * The handler that a method needs.
 *
 * @category utility types
 * @since 0.1.0
 */
export type HandlerOf<M> = M extends {
  readonly kind: "unary"
  readonly request: infer Request
  readonly response: infer Response
  readonly error: infer Error
  readonly topic: infer T
  readonly routing: infer R
}
  ? [R] extends ["affinity"]
    ? AffinityHandler<Request, Response, Error, T>
    : HandlerFn<Request, Response, Error, T>
  : M extends {
        readonly kind: "multi"
        readonly request: infer Request
        readonly response: infer Response
        readonly error: infer Error
        readonly topic: infer T
      }
    ? HandlerFn<Request, Response, Error, T>
    : // the server sends what the client receives
      M extends {
          readonly kind: "stream"
          readonly send: infer Send
          readonly receive: infer Receive
          readonly topic: infer T
          readonly routing: infer R
        }
      ? [R] extends ["affinity"]
        ? StreamAffinityHandler<Receive, Send, T>
        : StreamHandlerFn<Receive, Send, T>
      : never

/**
 * The handlers that methods need. Subscriptions have none: publishers push them.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Handlers<Methods> = {
  readonly [K in keyof Methods as Methods[K] extends { readonly kind: "subscription" } ? never : K]: HandlerOf<
    Methods[K]
  >
} & {
  readonly [K in keyof Methods as Methods[K] extends { readonly kind: "subscription" } ? K : never]?: never
}

export type Methods<S> = S extends { readonly methods: infer M } ? M : never

/** A member of a definition, such as its request; `never` if the definition has no such member. */
export type Member<M, Name extends string> = M extends { readonly [P in Name]: infer T } ? T : never

/** The function of a method's handler. */
export type HandleOf<M> = [M] extends [{ readonly kind: "stream" }]
  ? // the server sends what the client receives
    StreamHandlerFn<Member<M, "receive">, Member<M, "send">, Member<M, "topic">>
  : HandlerFn<Member<M, "request">, Member<M, "response">, Member<M, "error">, Member<M, "topic">>

/** The handler of a method with affinity. An object without a condition around it: see `handlerProblems`. */
export interface AffinityHandlerOf<M> {
  readonly affinity: [M] extends [{ readonly kind: "stream" }]
    ? StreamAffinity<Member<M, "topic">>
    : Affinity<Member<M, "request">, Member<M, "topic">>
  readonly handle: HandleOf<M>
}

type ServicesOfEffect<E> = E extends Effect.Effect<infer _A, infer _E, infer R> ? R : never

type ServicesOfHandler<H> = H extends (...args: any) => infer E
  ? ServicesOfEffect<E>
  : H extends Effect.Effect<infer _A, infer _E, infer R>
    ? R
    : H extends object
      ? { [K in keyof H]: ServicesOfHandler<H[K]> }[keyof H]
      : never

/** The part of a handler that interceptors run around, and the part that they do not. */
type HandleIn<H> = H extends { readonly handle: infer F } ? F : H
type AffinityOf<H> = H extends { readonly affinity: infer F } ? F : never

/** The services that handlers of some kinds require. */
type ServicesOf<H, Methods, Kind> = {
  [K in keyof H]: K extends keyof Methods
    ? Methods[K] extends { readonly kind: Kind }
      ? ServicesOfHandler<HandleIn<H[K]>>
      : never
    : never
}[keyof H]

type AffinityServices<H> = { [K in keyof H]: ServicesOfHandler<AffinityOf<H[K]>> }[keyof H]

/**
 * The requirements of handlers behind interceptors: without the services that the interceptors provide, and with those that
 * they require. None for an Effect that cannot succeed with handlers.
 *
 * @category utility types
 * @since 0.1.0
 */
export type InterceptedServices<H, Methods, I> = [H] extends [Effect.Effect<unknown, unknown, unknown>]
  ? never
  :
      | AroundCalls<I, ServicesOf<H, Methods, "unary" | "multi">>
      | AroundStreams<I, ServicesOf<H, Methods, "stream">>
      | Exclude<AffinityServices<H>, Scope.Scope | CurrentCall>

/**
 * What handlers require, but for what each call has of its own: a `Scope`, and `Server.CurrentCall`.
 *
 * @category utility types
 * @since 0.1.0
 */
export type HandlersServices<H> = Exclude<
  { [K in keyof H]: ServicesOfHandler<H[K]> }[keyof H],
  Scope.Scope | CurrentCall
>
