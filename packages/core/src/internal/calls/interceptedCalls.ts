/**
 * The types of calls and results as interceptors see them. Public in `Interceptor`.
 */
import type { Context, Effect, Result, Scope, Stream } from "effect"
import type { BidiStream, ServerStream } from "../../BidiStream.ts"
import type { PsrpcError } from "../../PsrpcError.ts"
import type * as Rpc from "../../Rpc.ts"
import type { Selection } from "./selection.ts"
import type { Call } from "./callContext.ts"
import type { CallOptions, MultiCallOptions, PublishOptions, StreamOptions, SubscribeOptions } from "./callOptions.ts"
import type { Kind } from "./interceptorTypes.ts"

/**
 * The answer of any method. An interceptor may return it, keep it, or return it again for the same method; it cannot make one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer {
  readonly "~effect-psrpc/Interceptor/Answer": never
}

/**
 * A typed error of any method.
 *
 * @category models
 * @since 0.1.0
 */
export interface MethodError {
  readonly "~effect-psrpc/Interceptor/MethodError": never
}

/**
 * A message of a stream, or an update, of any method.
 *
 * @category models
 * @since 0.1.0
 */
export interface Message {
  readonly "~effect-psrpc/Interceptor/Message": never
}

/**
 * The failure of a call of any method.
 *
 * @category models
 * @since 0.1.0
 */
export type Failure = PsrpcError | MethodError

/**
 * What every interceptor receives about a call.
 *
 * @category models
 * @since 0.1.0
 */
export interface CallInfo {
  /** The service's name on the wire. */
  readonly service: string
  /** The method's name on the wire. */
  readonly method: string
  readonly kind: Rpc.Kind
  /** The method's definition: its payloads, and its descriptor with custom options if it comes from a .proto. */
  readonly rpc: Rpc.Any
  /** The annotations of the method over those of its service. See `Rpc.Any.annotate`. */
  readonly annotations: Context.Context<never>
  /** The topic's values, by parameter. */
  readonly topic: Readonly<Record<string, unknown>>
  /** Whether the method is defined as idempotent. */
  readonly idempotent: boolean
}

/**
 * A unary or multi call at the server.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerCall extends CallInfo, Call<Readonly<Record<string, unknown>>> {
  readonly kind: "unary" | "multi"
  readonly topic: Readonly<Record<string, unknown>>
  readonly request: unknown
}

/**
 * A stream at the server.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerStreamCall extends CallInfo, Call<Readonly<Record<string, unknown>>> {
  readonly kind: "stream"
  readonly topic: Readonly<Record<string, unknown>>
  /** The server's end of the stream. */
  readonly stream: ServerStream<Message, Message>
}

/** Options without the interceptors: an interceptor cannot change these. */
type WithoutInterceptors<O> = Omit<O, "interceptors">

/**
 * Options of a unary call that an interceptor may change.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientOptions extends WithoutInterceptors<CallOptions> {
  /**
   * How this call selects a server. Has no effect on a method with a single server. One that does not take the first claim
   * fails the call of a method with queue routing with `invalid_argument`.
   */
  readonly selection?: Selection | undefined
}

/**
 * Options of a multi call that an interceptor may change.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientMultiOptions extends WithoutInterceptors<MultiCallOptions> {}

/**
 * Options of the opening of a stream that an interceptor may change.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientStreamOptions extends WithoutInterceptors<StreamOptions> {
  /**
   * How this call selects a server. Has no effect on a method with a single server. One that does not take the first claim
   * fails the call of a method with queue routing with `invalid_argument`.
   */
  readonly selection?: Selection | undefined
}

/** The time of a client's calls and streams. */
interface Timed {
  /**
   * Time left for the call, in milliseconds: the least of its options, its client's timeout and its caller's deadline. The
   * call's time starts when the innermost interceptor calls `next`: the time that interceptors take does not count.
   */
  readonly timeout: number
}

/**
 * A unary call at the client.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientCall extends CallInfo, Timed {
  readonly kind: "unary"
  readonly request: unknown
  /** The options of the call, with the changes of outer interceptors. */
  readonly options: ClientOptions
}

/**
 * A multi call at the client.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientMultiCall extends CallInfo, Timed {
  readonly kind: "multi"
  readonly request: unknown
  /** The options of the call, with the changes of outer interceptors. */
  readonly options: ClientMultiOptions
}

/**
 * A stream that a client opens.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientStreamCall extends CallInfo, Timed {
  readonly kind: "stream"
  /** The options of the opening, with the changes of outer interceptors. */
  readonly options: ClientStreamOptions
  /** Default timeout of a send on the open stream, in milliseconds. */
  readonly sendTimeout: number
}

/**
 * A subscription of a client.
 *
 * @category models
 * @since 0.1.0
 */
export interface SubscribeCall extends CallInfo {
  readonly kind: "subscription"
  /** The options of the subscription, with the changes of outer interceptors. */
  readonly options: WithoutInterceptors<SubscribeOptions>
}

/**
 * An update that a publisher sends.
 *
 * @category models
 * @since 0.1.0
 */
export interface PublishCall extends CallInfo {
  readonly kind: "subscription"
  readonly message: unknown
  /** The options of the update, with the changes of outer interceptors. */
  readonly options: WithoutInterceptors<PublishOptions>
}

/**
 * One server's answer to a multi call.
 *
 * @category models
 * @since 0.1.0
 */
export interface MultiAnswer {
  readonly serverId: string
  readonly result: Result.Result<Answer, Failure>
}

/** Of each kind: the call, the changes that `next` takes, and the result of `next` and of the interceptor. */
export interface Signatures {
  readonly server: {
    readonly call: ServerCall
    readonly changes: Unchangeable
    readonly result: Effect.Effect<Answer, Failure>
  }
  readonly serverStream: {
    readonly call: ServerStreamCall
    readonly changes: { readonly stream?: ServerStream<Message, Message> }
    readonly result: Effect.Effect<unknown, PsrpcError>
  }
  readonly client: {
    readonly call: ClientCall
    readonly changes: ClientOptions
    readonly result: Effect.Effect<Answer, Failure>
  }
  readonly clientMulti: {
    readonly call: ClientMultiCall
    readonly changes: ClientMultiOptions
    readonly result: Stream.Stream<MultiAnswer, PsrpcError>
  }
  readonly clientStream: {
    readonly call: ClientStreamCall
    readonly changes: ClientStreamOptions
    readonly result: Effect.Effect<BidiStream<Message, Message>, PsrpcError, Scope.Scope>
  }
  readonly subscribe: {
    readonly call: SubscribeCall
    readonly changes: WithoutInterceptors<SubscribeOptions>
    readonly result: Effect.Effect<Stream.Stream<Message, PsrpcError>, PsrpcError, Scope.Scope>
  }
  readonly publish: {
    readonly call: PublishCall
    readonly changes: WithoutInterceptors<PublishOptions>
    readonly result: Effect.Effect<void, PsrpcError>
  }
}

/** No changes: an interceptor of any method does not have the type of the request. */
interface Unchangeable {
  readonly request?: never
}

export type CallOf<K extends Kind> = Signatures[K]["call"]

/** Adds `R` to the requirements of an Effect or a Stream. */
type WithRequirements<T, R> =
  T extends Effect.Effect<infer A, infer E, infer Q>
    ? Effect.Effect<A, E, Q | R>
    : T extends Stream.Stream<infer A, infer E, infer Q>
      ? Stream.Stream<A, E, Q | R>
      : never

/** The result of `next`, and of an interceptor, with the services that it requires. */
export type ResultOf<K extends Kind, R> = WithRequirements<Signatures[K]["result"], R>

/** Runs the rest: the inner interceptors, then the handler or the request. `Provides` are the services that it requires. */
export type Next<K extends Kind, Provides = never> = (changes?: Signatures[K]["changes"]) => ResultOf<K, Provides>

/** The function of an interceptor of one kind. */
export type Around<K extends Kind, R, Provides = never> = (call: CallOf<K>, next: Next<K, Provides>) => ResultOf<K, R>
