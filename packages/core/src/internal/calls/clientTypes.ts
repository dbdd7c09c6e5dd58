/**
 * The types of what a client has, by the methods that it calls; public as `Client.UnaryCall` and so on.
 */
import type { Effect, Result, Scope, Stream } from "effect"
import type { BidiStream } from "../../BidiStream.ts"
import type * as Payload from "../../Payload.ts"
import type { DomainErrorOf, PsrpcError } from "../../PsrpcError.ts"
import type { Arguments, OptionArguments } from "./arguments.ts"
import type {
  AffinityCallOptions,
  AffinityStreamOptions,
  CallOptions,
  MultiCallOptions,
  QueueCallOptions,
  QueueStreamOptions,
  StreamOptions,
  SubscribeOptions,
  ThroughOptions
} from "./callOptions.ts"

/**
 * How a unary method is called. It fails with what the method declares, or with a `PsrpcError`.
 *
 * @category utility types
 * @since 0.1.0
 */
export type UnaryCall<M> = M extends {
  readonly kind: "unary"
  readonly request: infer Request
  readonly response: infer Response
  readonly error: infer Error
  readonly topic: infer T
  readonly routing: infer R
  readonly singleServer: infer Single
}
  ? (
      ...args: Arguments<
        Request,
        T,
        Single extends true ? CallOptions : R extends "affinity" ? AffinityCallOptions : QueueCallOptions
      >
    ) => Effect.Effect<Payload.Output<Response>, DomainErrorOf<Error> | PsrpcError>
  : never

/**
 * One server's answer to a call that every server answers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer<out A, out E> {
  /** The server that answers; "" for an error of this side, such as an overflow. */
  readonly serverId: string
  readonly result: Result.Result<A, E>
}

/**
 * How a method that every server answers is called. Each run of the Stream is a request of its own; each answer, or
 * error of a server, is an element of it as it comes. It ends at the timeout, or as the options say; ending it early
 * tells the servers.
 *
 * @category utility types
 * @since 0.1.0
 */
export type MultiCall<M> = M extends {
  readonly kind: "multi"
  readonly request: infer Request
  readonly response: infer Response
  readonly error: infer Error
  readonly topic: infer T
}
  ? (
      ...args: Arguments<Request, T, MultiCallOptions>
    ) => Stream.Stream<Answer<Payload.Output<Response>, DomainErrorOf<Error> | PsrpcError>, PsrpcError>
  : never

/**
 * How a stream is opened: by the call itself, for as long as the scope is open, or by `through`, for a Stream of what is
 * sent.
 *
 * @category utility types
 * @since 0.1.0
 */
export type StreamCall<M> = M extends {
  readonly kind: "stream"
  readonly send: infer Send
  readonly receive: infer Receive
  readonly topic: infer T
  readonly routing: infer R
  readonly singleServer: infer Single
}
  ? StreamOpener<
      Payload.Input<Send>,
      Payload.Output<Receive>,
      T,
      Single extends true ? StreamOptions : R extends "affinity" ? AffinityStreamOptions : QueueStreamOptions
    >
  : never

/**
 * What opens a stream.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamOpener<Send, Receive, T, O> {
  /**
   * Opens a stream, which is closed with the scope: with a cause where the scope ends in a failure or an interruption.
   */
  (...args: OptionArguments<T, O>): Effect.Effect<BidiStream<Send, Receive>, PsrpcError, Scope.Scope>
  /**
   * Opens a stream, sends what `outgoing` gives, and gives what is received. When `outgoing` has ended, the other end is
   * told that no more follows, and the Stream ends when that has closed the stream, or has no more to send either. A
   * failure of `outgoing`, or of a send, ends it. Each run opens a stream of its own.
   */
  readonly through: <E = never, R = never>(
    outgoing: Stream.Stream<Send, E, R>,
    ...args: OptionArguments<T, O & ThroughOptions>
  ) => Stream.Stream<Receive, PsrpcError | E, R>
}

/**
 * How updates are subscribed to. It succeeds when the broker has acknowledged the subscription: what is published from
 * then on arrives. The Stream is there for as long as the scope is open, and each update is read once.
 *
 * @category utility types
 * @since 0.1.0
 */
export type SubscriptionCall<M> = M extends {
  readonly kind: "subscription"
  readonly message: infer Message
  readonly topic: infer T
}
  ? (
      ...args: OptionArguments<T, SubscribeOptions>
    ) => Effect.Effect<Stream.Stream<Payload.Output<Message>, PsrpcError>, PsrpcError, Scope.Scope>
  : never

/**
 * How a method is called, by its kind.
 *
 * @category utility types
 * @since 0.1.0
 */
export type CallOf<M> = M extends { readonly kind: "unary" }
  ? UnaryCall<M>
  : M extends { readonly kind: "multi" }
    ? MultiCall<M>
    : M extends { readonly kind: "stream" }
      ? StreamCall<M>
      : SubscriptionCall<M>

/**
 * The client of methods.
 *
 * @category utility types
 * @since 0.1.0
 */
export type FromMethods<Methods> = { readonly [K in keyof Methods]: CallOf<Methods[K]> }
