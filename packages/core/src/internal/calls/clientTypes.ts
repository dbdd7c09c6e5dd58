/**
 * The types of a client's functions, by method kind. Public in `Client`.
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
 * The function of a unary method. Its Effect fails with the method's domain error, or with a `PsrpcError`.
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
 * The response or error of one server in a multi call.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer<out A, out E> {
  /** The id of the server; "" for an error of this client, such as an overflow. */
  readonly serverId: string
  readonly result: Result.Result<A, E>
}

/**
 * The function of a multi method. Each run of the Stream is a new request. Its elements are the servers' responses and errors,
 * in order of arrival. It ends at the timeout, or by the options `expect` and `idleTimeout`. To end it early cancels the
 * request at the servers.
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
 * The function of a stream method. It opens a stream for the time of a scope; `through` opens one for a Stream of messages.
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
 * The functions that open a stream.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamOpener<Send, Receive, T, O> {
  /**
   * Opens a stream. It closes with the scope: with a cause if the scope ends with a failure or an interruption.
   */
  (...args: OptionArguments<T, O>): Effect.Effect<BidiStream<Send, Receive>, PsrpcError, Scope.Scope>
  /**
   * Opens a stream, sends the messages of `outgoing`, and emits the messages that it receives. After the last message of
   * `outgoing` it half-closes the stream. It ends when the peer closes or half-closes the stream, and fails if `outgoing` or
   * a send fails. Each run opens a new stream.
   */
  readonly through: <E = never, R = never>(
    outgoing: Stream.Stream<Send, E, R>,
    ...args: OptionArguments<T, O & ThroughOptions>
  ) => Stream.Stream<Receive, PsrpcError | E, R>
}

/**
 * The function of a subscription method. It succeeds when the broker has acknowledged the subscription: every later update
 * arrives. The Stream lasts until the scope closes, and each update is read once.
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
 * The function of a method, by its kind.
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
