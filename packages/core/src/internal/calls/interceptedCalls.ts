/**
 * What interceptors are told of calls, and what they give for them; public in `Interceptor`.
 */
import type { Effect, Result, Scope, Stream } from "effect"
import type { BidiStream, ServerStream } from "../../BidiStream.ts"
import type { PsrpcError } from "../../PsrpcError.ts"
import type * as Rpc from "../../Rpc.ts"
import type { Selection } from "../../Selection.ts"
import type { Call } from "./callContext.ts"
import type { CallOptions, MultiCallOptions, PublishOptions, StreamOptions, SubscribeOptions } from "./callOptions.ts"
import type { Kind } from "./interceptorTypes.ts"

/**
 * An answer, as an interceptor of any method sees it: to be handed on, kept, or handed out again for the same method, and
 * not to be made up.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer {
  readonly "~effect-psrpc/Interceptor/Answer": never
}

/**
 * A method's own error, as an interceptor of any method sees it.
 *
 * @category models
 * @since 0.1.0
 */
export interface MethodError {
  readonly "~effect-psrpc/Interceptor/MethodError": never
}

/**
 * A message of a stream, or an update, as an interceptor of any method sees it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Message {
  readonly "~effect-psrpc/Interceptor/Message": never
}

/**
 * What a call fails with, as an interceptor of any method sees it.
 *
 * @category models
 * @since 0.1.0
 */
export type Failure = PsrpcError | MethodError

/**
 * What every interceptor sees.
 *
 * @category models
 * @since 0.1.0
 */
export interface Info {
  /** The service's name on the wire. */
  readonly service: string
  /** The method's name on the wire. */
  readonly method: string
  readonly kind: Rpc.Kind
  /** The topic's values, by parameter. */
  readonly topic: Readonly<Record<string, unknown>>
  /** Whether the method is defined to be idempotent. */
  readonly idempotent: boolean
}

/**
 * A call that a server answers: what its handler gets, and what it is about.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerCall extends Info, Call<Readonly<Record<string, unknown>>> {
  readonly kind: "unary" | "multi"
  readonly topic: Readonly<Record<string, unknown>>
  readonly request: unknown
}

/**
 * A stream that a server takes part in.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerStreamCall extends Info, Call<Readonly<Record<string, unknown>>> {
  readonly kind: "stream"
  readonly topic: Readonly<Record<string, unknown>>
}

/** Options without what runs around: that is settled by the time that interceptors see them. */
type Settled<O> = Omit<O, "interceptors">

/**
 * Options of a call with one answer that an interceptor may change.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientOptions extends Settled<CallOptions> {
  /** How this call chooses among servers; of no effect where there is no choice. */
  readonly selection?: Selection | undefined
}

/**
 * Options of a call that every server answers that an interceptor may change.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientMultiOptions extends Settled<MultiCallOptions> {}

/**
 * Options of a stream's opening that an interceptor may change.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientStreamOptions extends Settled<StreamOptions> {
  /** How this call chooses among servers; of no effect where there is no choice. */
  readonly selection?: Selection | undefined
}

/** What a client's calls and streams have. */
interface Timed {
  /**
   * How long it may take from now on, in milliseconds: by its options, its client, and its caller's deadline. The time of
   * a call begins when the last interceptor has run the rest: what they take themselves is none of it.
   */
  readonly timeout: number
}

/**
 * A call with one answer that a client makes.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientCall extends Info, Timed {
  readonly kind: "unary"
  readonly request: unknown
  /** The options that the call was given, and those that interceptors outside of this one have changed. */
  readonly options: ClientOptions
}

/**
 * A call that every server answers, as a client makes it.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientMultiCall extends Info, Timed {
  readonly kind: "multi"
  readonly request: unknown
  readonly options: ClientMultiOptions
}

/**
 * A stream that a client opens.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientStreamCall extends Info, Timed {
  readonly kind: "stream"
  readonly options: ClientStreamOptions
  /** How long a send on the open stream waits, where it does not say: milliseconds. */
  readonly sendTimeout: number
}

/**
 * A subscription that a client makes.
 *
 * @category models
 * @since 0.1.0
 */
export interface SubscribeCall extends Info {
  readonly kind: "subscription"
  readonly options: Settled<SubscribeOptions>
}

/**
 * An update that a publisher sends.
 *
 * @category models
 * @since 0.1.0
 */
export interface PublishCall extends Info {
  readonly kind: "subscription"
  readonly message: unknown
  readonly options: Settled<PublishOptions>
}

/**
 * One server's answer, of many.
 *
 * @category models
 * @since 0.1.0
 */
export interface MultiAnswer {
  readonly serverId: string
  readonly result: Result.Result<Answer, Failure>
}

/** What each kind is called with, what `next` takes, and what both give. */
export interface Signatures {
  readonly server: {
    readonly call: ServerCall
    readonly next: readonly []
    readonly result: Effect.Effect<Answer, Failure>
  }
  readonly client: {
    readonly call: ClientCall
    readonly next: readonly [options?: ClientOptions]
    readonly result: Effect.Effect<Answer, Failure>
  }
  readonly clientMulti: {
    readonly call: ClientMultiCall
    readonly next: readonly [options?: ClientMultiOptions]
    readonly result: Stream.Stream<MultiAnswer, PsrpcError>
  }
  readonly clientStream: {
    readonly call: ClientStreamCall
    readonly next: readonly [options?: ClientStreamOptions]
    readonly result: Effect.Effect<BidiStream<Message, Message>, PsrpcError, Scope.Scope>
  }
  readonly serverStream: {
    readonly call: ServerStreamCall
    readonly next: readonly [stream: ServerStream<Message, Message>]
    readonly result: Effect.Effect<unknown, PsrpcError>
  }
  readonly subscribe: {
    readonly call: SubscribeCall
    readonly next: readonly [options?: Settled<SubscribeOptions>]
    readonly result: Effect.Effect<Stream.Stream<Message, PsrpcError>, PsrpcError, Scope.Scope>
  }
  readonly publish: {
    readonly call: PublishCall
    readonly next: readonly [options?: Settled<PublishOptions>]
    readonly result: Effect.Effect<void, PsrpcError>
  }
}

export type CallOf<K extends Kind> = Signatures[K]["call"]

export type NextOf<K extends Kind> = Signatures[K]["next"]

/** What `next` gives, and an interceptor gives, with the services that it then requires. */
export type ResultOf<K extends Kind, R> =
  Signatures[K]["result"] extends Effect.Effect<infer A, infer E, infer Q>
    ? Effect.Effect<A, E, Q | R>
    : Signatures[K]["result"] extends Stream.Stream<infer A, infer E, infer Q>
      ? Stream.Stream<A, E, Q | R>
      : never
