/**
 * The types of handlers, by method kind. Public in `Server`.
 */
import type { Effect, Scope } from "effect"
import type { ServerStream } from "../../BidiStream.ts"
import type * as Payload from "../../Payload.ts"
import type * as PsrpcError from "../../PsrpcError.ts"
import type * as Topic from "../../Topic.ts"
import type { Call, CurrentCall } from "./callContext.ts"
import type { UnknownField } from "./unknownField.ts"
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

/** The methods of a service that have handlers: all but subscriptions. */
export type HandledKey<Methods> = {
  [K in keyof Methods]: Methods[K] extends { readonly kind: "subscription" } ? never : K
}[keyof Methods]

type Member<M, Name extends string> = M extends { readonly [P in Name]: infer T } ? T : never

type IsAffinity<M> = M extends { readonly routing: "affinity" } ? true : false

export type Handle<M> = M extends { readonly kind: "stream" }
  ? // the server sends what the client receives
    StreamHandlerFn<Member<M, "receive">, Member<M, "send">, Member<M, "topic">>
  : HandlerFn<Member<M, "request">, Member<M, "response">, Member<M, "error">, Member<M, "topic">>

type AffinityFor<M> = M extends { readonly kind: "stream" }
  ? StreamAffinity<Member<M, "topic">>
  : Affinity<Member<M, "request">, Member<M, "topic">>

type OnlyWithAffinity = `only a method with routing: "affinity" has an affinity: its handler is { affinity, handle }`

/** The handler of a method with affinity. For another method the members say why it has none. */
export interface WithAffinity<M> {
  readonly affinity: IsAffinity<M> extends true ? AffinityFor<M> : OnlyWithAffinity
  readonly handle: IsAffinity<M> extends true ? Handle<M> : OnlyWithAffinity
}

type WithoutAffinity<M> =
  IsAffinity<M> extends true ? `a method with routing: "affinity" needs { affinity, handle }` : Handle<M>

/**
 * The type that TypeScript infers handlers against: a mapped type over the methods of the service, with each condition
 * inside a property. A condition around the object, or around a property's object, is not evaluated before the service is
 * inferred: the parameters of a handler in `Effect.fnUntraced(function* (request) { … })` would be `any`.
 *
 * @category utility types
 * @since 0.1.0
 */
export type HandlersOf<S> = {
  readonly [K in HandledKey<Methods<S>>]: WithoutAffinity<Methods<S>[K]> | WithAffinity<Methods<S>[K]>
}

type Methods<S> = S extends { readonly methods: infer M } ? M : never

type Success<F> = F extends (...args: any) => Effect.Effect<infer A, infer _E, infer _R>
  ? A
  : F extends { readonly handle: (...args: any) => Effect.Effect<infer A, infer _E, infer _R> }
    ? A
    : never

/** Refuses a response with a field that the payload does not have. */
type KnownFields<F, M> = M extends { readonly kind: "unary" | "multi"; readonly response: infer P }
  ? UnknownField<Success<F>, Payload.Input<P>> extends infer Field extends string
    ? [Field] extends [never]
      ? unknown
      : `the response has no field ${Field}`
    : unknown
  : unknown

/**
 * Refuses handlers of methods that the service does not have. The type of such a handler is the reason.
 *
 * @category utility types
 * @since 0.1.0
 */
export type CheckedHandlers<H, M> = {
  readonly [K in Exclude<keyof H, keyof M>]: `${K & string} is no method of the service`
}

/** Refuses handlers of subscriptions, and responses with unknown fields. */
type CheckedResponses<H, M> = {
  readonly [K in keyof H & keyof M]: M[K] extends { readonly kind: "subscription" }
    ? `${K & string} is a subscription: publishers send its updates, and a server has no handler`
    : KnownFields<H[K], M[K]>
}

/**
 * Handlers `H` of the service `S`, checked: none is missing, none is of another method, and no response has an unknown
 * field.
 *
 * @category utility types
 * @since 0.1.0
 */
export type ValidHandlers<H, S> = H & HandlersOf<S> & CheckedHandlers<H, Methods<S>> & CheckedResponses<H, Methods<S>>

type ServicesOfEffect<E> = E extends Effect.Effect<infer _A, infer _E, infer R> ? R : never

type ServicesOfHandler<H> = H extends (...args: any) => infer E
  ? ServicesOfEffect<E>
  : H extends Effect.Effect<infer _A, infer _E, infer R>
    ? R
    : H extends object
      ? { [K in keyof H]: ServicesOfHandler<H[K]> }[keyof H]
      : never

/** The part of a handler that interceptors run around, and the part that they do not. */
type HandleOf<H> = H extends { readonly handle: infer F } ? F : H
type AffinityOf<H> = H extends { readonly affinity: infer F } ? F : never

/** The services that handlers of some kinds require. */
type ServicesOf<H, Methods, Kind> = {
  [K in keyof H]: K extends keyof Methods
    ? Methods[K] extends { readonly kind: Kind }
      ? ServicesOfHandler<HandleOf<H[K]>>
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
