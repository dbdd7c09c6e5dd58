/** The types of recorded calls and updates; public as `PsrpcTest.Call` and so on. */
import type { Result } from "effect"
import type { Metadata } from "../../../Metadata.ts"
import type * as Payload from "../../../Payload.ts"
import type { DomainErrorOf, PsrpcError } from "../../../PsrpcError.ts"
import type { Methods } from "../../../Service.ts"
import type * as Topic from "../../../Topic.ts"

/**
 * The keys of the methods that servers serve: all but subscription methods.
 *
 * @category utility types
 * @since 0.1.0
 */
export type CallKey<S> = {
  [K in keyof Methods<S>]: Methods<S>[K] extends { readonly kind: "subscription" } ? never : K
}[keyof Methods<S>] &
  string

/**
 * The keys of the subscription methods.
 *
 * @category utility types
 * @since 0.1.0
 */
export type SubscriptionKey<S> = {
  [K in keyof Methods<S>]: Methods<S>[K] extends { readonly kind: "subscription" } ? K : never
}[keyof Methods<S>] &
  string

/**
 * A server's claim.
 *
 * @category models
 * @since 0.1.0
 */
export interface Claim {
  readonly serverId: string
  /** A float32; 1 if the method has no affinity. */
  readonly affinity: number
  /** Unix milliseconds on the Clock. */
  readonly at: number
}

/** The fields of every call. Times are Unix milliseconds on the Clock. */
interface AnyCall<out K, out T> {
  /** The method's key in the service. */
  readonly method: K
  readonly requestId: string
  /** The id of the calling client. */
  readonly clientId: string
  readonly topic: Topic.Topic<T>
  readonly metadata: Metadata
  readonly sentAt: number
  readonly deadline: number
  /** The claims, in the order of their arrival. Empty if the method needs no claims. */
  readonly claims: ReadonlyArray<Claim>
  /** The time at which the caller canceled the call before its deadline; otherwise `undefined`. */
  readonly canceledAt: number | undefined
}

/**
 * A call of a unary method. Fields are `undefined` until the event happens.
 *
 * @category models
 * @since 0.1.0
 */
export interface UnaryCall<out K, out Request, out Response, out Error, out T> extends AnyCall<K, T> {
  readonly kind: "unary"
  readonly request: Payload.Output<Request>
  /** The id of the selected server; if the method needs no claims, of the server that responded. */
  readonly serverId: string | undefined
  /** The response of that server. */
  readonly result: Result.Result<Payload.Output<Response>, DomainErrorOf<Error> | PsrpcError> | undefined
  readonly respondedAt: number | undefined
}

/**
 * The response of one server to a call of a multi method.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerResponse<out A, out E> {
  readonly serverId: string
  readonly result: Result.Result<A, E>
  /** Unix milliseconds on the Clock. */
  readonly at: number
}

/**
 * A call of a multi method.
 *
 * @category models
 * @since 0.1.0
 */
export interface MultiCall<out K, out Request, out Response, out Error, out T> extends AnyCall<K, T> {
  readonly kind: "multi"
  readonly request: Payload.Output<Request>
  /** The responses, in the order of their arrival. */
  readonly responses: ReadonlyArray<ServerResponse<Payload.Output<Response>, DomainErrorOf<Error> | PsrpcError>>
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
 * A stream. Fields are `undefined` until the event happens.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamCall<out K, out Send, out Receive, out T> extends AnyCall<K, T> {
  readonly kind: "stream"
  readonly streamId: string
  /** The id of the selected server; if the method needs no claims, of the server that opened the stream. */
  readonly serverId: string | undefined
  /** The time at which the server acknowledged the opening. */
  readonly openedAt: number | undefined
  /** The messages that the client sent. */
  readonly sent: ReadonlyArray<StreamMessage<Payload.Output<Send>>>
  /** The messages that the server sent. */
  readonly received: ReadonlyArray<StreamMessage<Payload.Output<Receive>>>
  /** The first close, and its cause if it has one. */
  readonly closed:
    | { readonly by: "client" | "server"; readonly cause: PsrpcError | undefined; readonly at: number }
    | undefined
}

/** Matches a method definition by its fields, so that the other parameters of `Rpc.Unary` and so on do not matter. */
interface UnaryMethod<out Request, out Response, out Error, out T> {
  readonly kind: "unary"
  readonly request: Request
  readonly response: Response
  readonly error: Error
  readonly topic: T
}

interface MultiMethod<out Request, out Response, out Error, out T> {
  readonly kind: "multi"
  readonly request: Request
  readonly response: Response
  readonly error: Error
  readonly topic: T
}

interface StreamMethod<out Send, out Receive, out T> {
  readonly kind: "stream"
  readonly send: Send
  readonly receive: Receive
  readonly topic: T
}

interface SubscriptionMethod<out Message, out T> {
  readonly kind: "subscription"
  readonly message: Message
  readonly topic: T
}

/**
 * A call of one of the methods, as the broker received it: lost messages are included, as are those of other clients and
 * servers on the same broker. The record is updated as the call continues.
 *
 * @category models
 * @since 0.1.0
 */
export type Call<S, K extends keyof Methods<S> = CallKey<S>> = {
  [P in K]: Methods<S>[P] extends UnaryMethod<infer Request, infer Response, infer Error, infer T>
    ? UnaryCall<P, Request, Response, Error, T>
    : Methods<S>[P] extends MultiMethod<infer Request, infer Response, infer Error, infer T>
      ? MultiCall<P, Request, Response, Error, T>
      : Methods<S>[P] extends StreamMethod<infer Send, infer Receive, infer T>
        ? StreamCall<P, Send, Receive, T>
        : never
}[K]

/**
 * A published update.
 *
 * @category models
 * @since 0.1.0
 */
export type Update<S, K extends keyof Methods<S> = SubscriptionKey<S>> = {
  [P in K]: Methods<S>[P] extends SubscriptionMethod<infer Message, infer T>
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
