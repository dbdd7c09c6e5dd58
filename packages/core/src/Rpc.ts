/**
 * The kinds of method a service has.
 *
 * - `unary`: one request, one answer, from one server: whichever is free (a queue), the best by affinity, or the only
 *   one of its topic.
 * - `multi`: one request, an answer from every server.
 * - `stream`: messages both ways, between a client and one server.
 * - `subscription`: updates, pushed to one subscriber or to all.
 *
 * **Example** (A service with every kind)
 *
 * ```ts
 * import { Rpc, Service } from "@effect-psrpc/core"
 * import { Schema } from "effect"
 *
 * class Greeter extends Service.make("Greeter", {
 *   hello: Rpc.unary({ request: Schema.String, response: Schema.String }),
 *   reload: Rpc.unary({ topic: ["node"], singleServer: true }),
 *   stats: Rpc.multi({ response: Schema.Struct({ calls: Schema.Int }) }),
 *   chat: Rpc.stream({ send: Schema.String, receive: Schema.String }),
 *   regionChanged: Rpc.subscription({ message: Schema.String, topic: ["region"], routing: "multi" })
 * }) {}
 * ```
 *
 * @since 0.1.0
 */
import type { DescMethod } from "@bufbuild/protobuf"
import { Context } from "effect"
import type * as Payload from "./Payload.ts"
import type { DomainErrorInput, ValidDomainError } from "./PsrpcError.ts"
import type * as Topic from "./Topic.ts"

/**
 * The type id of methods.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId: TypeId = "~effect-psrpc/Rpc"

/**
 * The type id of methods.
 *
 * @category type IDs
 * @since 0.1.0
 */
export type TypeId = "~effect-psrpc/Rpc"

/**
 * The kinds of methods.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = "unary" | "multi" | "stream" | "subscription"

/**
 * How a server is selected: `queue`, the first that is free; `affinity`, the one with the highest affinity.
 *
 * @category models
 * @since 0.1.0
 */
export type Routing = "queue" | "affinity"

/**
 * Any method, erased.
 *
 * @category models
 * @since 0.1.0
 */
export interface Any {
  readonly [TypeId]: TypeId
  readonly kind: Kind
  /** The method's name on the wire; `undefined` for Go's CamelCase of its key in the service. */
  readonly name: string | undefined
  /** The method's descriptor, with its custom options, if the method comes from a .proto. */
  readonly desc: DescMethod | undefined
  /** The annotations of the method. An interceptor also reads those of its service: `call.annotations`. */
  readonly annotations: Context.Context<never>
  /**
   * Returns the same method with an annotation: a value under a key, for interceptors and tools. A service's annotation is
   * the default of all its methods.
   *
   * **Example** (A role that a method requires)
   *
   * ```ts
   * import { Interceptor, PsrpcError, Rpc, Service } from "@effect-psrpc/core"
   * import { Context, Effect, Schema } from "effect"
   *
   * const RequiredRole = Context.Reference<string>("app/RequiredRole", { defaultValue: () => "user" })
   *
   * class Accounts extends Service.make("Accounts", {
   *   read: Rpc.unary({ request: Schema.String, response: Schema.String }),
   *   close: Rpc.unary({ request: Schema.String }).annotate(RequiredRole, "admin")
   * }) {}
   *
   * const authorization = Interceptor.server((call, next) =>
   *   call.header.metadata["role"] === Context.get(call.annotations, RequiredRole)
   *     ? next()
   *     : Effect.fail(new PsrpcError.PermissionDenied({ message: `${call.method}: another role is required` }))
   * )
   * ```
   */
  annotate<I, S>(key: Context.Key<I, S>, value: NoInfer<S>): this
  /** Returns the same method with all annotations of a context. */
  annotateMerge<I>(annotations: Context.Context<I>): this
}

/**
 * The types of the options of a unary method. A member that is left out has the default of {@link unary}.
 *
 * @category models
 * @since 0.1.0
 */
export interface UnaryTypes {
  readonly request?: unknown
  readonly response?: unknown
  readonly error?: unknown
  readonly topic?: unknown
  readonly routing?: Routing
  readonly singleServer?: boolean
  readonly group?: string | undefined
}

/** A member of the types of a method's options, or its default. */
type Member<O, Name extends string, Default> = O extends { readonly [P in Name]: infer V } ? V : Default

/**
 * One request, one response. `O` has the types of its options.
 *
 * @category models
 * @since 0.1.0
 */
export interface Unary<O extends UnaryTypes> extends Any {
  readonly kind: "unary"
  readonly request: Member<O, "request", undefined>
  readonly response: Member<O, "response", undefined>
  readonly error: Member<O, "error", undefined>
  readonly topic: Member<O, "topic", readonly []>
  readonly routing: Member<O, "routing", "queue">
  readonly singleServer: Member<O, "singleServer", false>
  readonly group: Member<O, "group", undefined>
  readonly idempotent: boolean
  readonly runToCompletion: boolean
}

/**
 * The types of the options of a multi method. A member that is left out has the default of {@link multi}.
 *
 * @category models
 * @since 0.1.0
 */
export interface MultiTypes {
  readonly request?: unknown
  readonly response?: unknown
  readonly error?: unknown
  readonly topic?: unknown
  readonly group?: string | undefined
}

/**
 * One request, a response from every server. `O` has the types of its options.
 *
 * @category models
 * @since 0.1.0
 */
export interface Multi<O extends MultiTypes> extends Any {
  readonly kind: "multi"
  readonly request: Member<O, "request", undefined>
  readonly response: Member<O, "response", undefined>
  readonly error: Member<O, "error", undefined>
  readonly topic: Member<O, "topic", readonly []>
  readonly group: Member<O, "group", undefined>
  readonly idempotent: boolean
  readonly runToCompletion: boolean
}

/**
 * The types of the options of a stream. A member that is left out has the default of {@link stream}.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamTypes {
  readonly send?: unknown
  readonly receive?: unknown
  readonly topic?: unknown
  readonly routing?: Routing
  readonly singleServer?: boolean
  readonly group?: string | undefined
}

/**
 * Messages in both directions. `send` and `receive` are from the client's side. `O` has the types of its options.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stream<O extends StreamTypes> extends Any {
  readonly kind: "stream"
  readonly send: Member<O, "send", undefined>
  readonly receive: Member<O, "receive", undefined>
  readonly topic: Member<O, "topic", readonly []>
  readonly routing: Member<O, "routing", "queue">
  readonly singleServer: Member<O, "singleServer", false>
  readonly group: Member<O, "group", undefined>
  readonly idempotent: boolean
}

/**
 * The types of the options of a subscription. A member that is left out has the default of {@link subscription}.
 *
 * @category models
 * @since 0.1.0
 */
export interface SubscriptionTypes {
  readonly message?: unknown
  readonly topic?: unknown
  readonly routing?: "queue" | "multi"
}

/**
 * Updates that publishers send. `O` has the types of its options.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subscription<O extends SubscriptionTypes> extends Any {
  readonly kind: "subscription"
  readonly message: Member<O, "message", undefined>
  readonly topic: Member<O, "topic", readonly []>
  readonly routing: Member<O, "routing", "queue">
}

/** The options of every method. */
interface Named {
  /** The method's name on the wire. Default: Go's CamelCase of its key, `sayHello` → `SayHello`. */
  readonly name?: string | undefined
  /** The method's descriptor, if it comes from a .proto: generated code sets it. Default: none. */
  readonly desc?: DescMethod | undefined
}

interface WithTopic<T> {
  /** The topic's parameters: `["region"]`, or `{ region: Schema }`. Default: none. */
  readonly topic?: T & Topic.Valid<T>
}

interface Grouped<G> {
  /**
   * The topic group of the method. A server registers and deregisters the methods of a group for a topic together; they have
   * the same topic parameters. Default: none.
   */
  readonly group?: G
}

interface Repeatable {
  /**
   * Whether a second run of a request has the same effect as one, so that `Retry` may repeat a request that may have run.
   * Default: `false`.
   */
  readonly idempotent?: boolean | undefined
}

interface Selected<R, Single> {
  /** How a server is selected. Default: `"queue"`. */
  readonly routing?: R
  /**
   * Whether each topic has a single server, which answers without a claim, in half the messages. Such a method has no
   * selection, so its routing cannot be `"affinity"`. Default: `false`.
   */
  readonly singleServer?: Single & ValidSingle<R, Single>
}

interface Calls<Request, Response, Error> extends Repeatable {
  /** The payload that the client sends. Default: nothing. */
  readonly request?: Request
  /** The payload that the server answers with. Default: nothing. */
  readonly response?: Response
  /**
   * The typed errors of the method, beside `PsrpcError`: a tagged error class, a Schema union of such classes, or a protobuf
   * message. The handler, and so the call, may fail with them. Default: none.
   */
  readonly error?: Error & ValidDomainError<Error>
  /**
   * Whether a handler runs to completion although its deadline has passed or its client has canceled the call. No response
   * reaches the client then. Default: `false`.
   */
  readonly runToCompletion?: boolean | undefined
}

/** The members of `Any` that every method has by its prototype. */
const Proto = {
  annotate(this: Any, key: Context.Key<never, unknown>, value: unknown): Any {
    return define({ ...this, annotations: Context.add(this.annotations, key, value) })
  },
  annotateMerge(this: Any, annotations: Context.Context<never>): Any {
    return define({ ...this, annotations: Context.merge(this.annotations, annotations) })
  }
}

const define = (members: object): any => Object.assign(Object.create(Proto), members)

/** The members that every method has. */
const common = (kind: Kind, { desc, name }: Named) => ({
  [TypeId]: TypeId,
  kind,
  name,
  desc,
  annotations: Context.empty()
})

/**
 * Refuses a single server with affinity routing, which needs claims to compare.
 *
 * @category utility types
 * @since 0.1.0
 */
export type ValidSingle<R, Single> = [R, Single] extends ["affinity", true]
  ? Refused<`singleServer: true has no claims to compare: leave out routing: "affinity", or singleServer`>
  : unknown

/** No value has this type: a compiler that refuses one shows the reason. */
interface Refused<out Why extends string> {
  readonly "~effect-psrpc/refused": Why
}

/**
 * Defines a unary method: one request, one response from one server.
 *
 * With `routing: "queue"` (the default) each request goes to one server of the method, which claims it. With `"affinity"`
 * every server receives the request and sends a claim with its affinity; the client selects one. `singleServer: true` is for
 * methods with a single server, usually one for each topic: it answers without a claim, in half the messages.
 *
 * @category constructors
 * @since 0.1.0
 */
export const unary = <
  Request extends Payload.Any = undefined,
  Response extends Payload.Any = undefined,
  Error extends DomainErrorInput | undefined = undefined,
  const T extends Topic.Any = readonly [],
  R extends Routing = "queue",
  Single extends boolean = false,
  const G extends string | undefined = undefined
>(
  options: Named & WithTopic<T> & Grouped<G> & Calls<Request, Response, Error> & Selected<R, Single> = {}
): Unary<{
  readonly request: Request
  readonly response: Response
  readonly error: Error
  readonly topic: T
  readonly routing: R
  readonly singleServer: Single
  readonly group: G
}> =>
  define({
    ...common("unary", options),
    request: options.request,
    response: options.response,
    error: options.error,
    topic: options.topic ?? [],
    routing: options.routing ?? "queue",
    singleServer: options.singleServer ?? false,
    group: options.group,
    idempotent: options.idempotent ?? false,
    runToCompletion: options.runToCompletion ?? false
  })

/**
 * Defines a multi method: one request, a response from every server.
 *
 * @category constructors
 * @since 0.1.0
 */
export const multi = <
  Request extends Payload.Any = undefined,
  Response extends Payload.Any = undefined,
  Error extends DomainErrorInput | undefined = undefined,
  const T extends Topic.Any = readonly [],
  const G extends string | undefined = undefined
>(
  options: Named & WithTopic<T> & Grouped<G> & Calls<Request, Response, Error> = {}
): Multi<{
  readonly request: Request
  readonly response: Response
  readonly error: Error
  readonly topic: T
  readonly group: G
}> =>
  define({
    ...common("multi", options),
    request: options.request,
    response: options.response,
    error: options.error,
    topic: options.topic ?? [],
    group: options.group,
    idempotent: options.idempotent ?? false,
    runToCompletion: options.runToCompletion ?? false
  })

/**
 * Defines a stream: messages in both directions between a client and one server. Every server of the method receives the
 * opening and sends a claim, with either routing: with `"queue"` the client selects the first, with `"affinity"` the best.
 *
 * @category constructors
 * @since 0.1.0
 */
export const stream = <
  Send extends Payload.Any = undefined,
  Receive extends Payload.Any = undefined,
  const T extends Topic.Any = readonly [],
  R extends Routing = "queue",
  Single extends boolean = false,
  const G extends string | undefined = undefined
>(
  options: Named &
    WithTopic<T> &
    Grouped<G> &
    Repeatable &
    Selected<R, Single> & {
      /** The payload of the messages that the client sends. */
      readonly send: Send
      /** The payload of the messages that the client receives. */
      readonly receive: Receive
    }
): Stream<{
  readonly send: Send
  readonly receive: Receive
  readonly topic: T
  readonly routing: R
  readonly singleServer: Single
  readonly group: G
}> =>
  define({
    ...common("stream", options),
    send: options.send,
    receive: options.receive,
    topic: options.topic ?? [],
    routing: options.routing ?? "queue",
    singleServer: options.singleServer ?? false,
    group: options.group,
    idempotent: options.idempotent ?? false
  })

/**
 * Defines a subscription: updates that publishers send, each to one subscriber (`"queue"`, the default) or to all
 * (`"multi"`).
 *
 * @category constructors
 * @since 0.1.0
 */
export const subscription = <
  Message extends Payload.Any = undefined,
  const T extends Topic.Any = readonly [],
  R extends "queue" | "multi" = "queue"
>(
  options: Named &
    WithTopic<T> & {
      /** The payload of an update. Default: nothing. */
      readonly message?: Message
      /** Whether one subscriber receives an update, or all. Default: `"queue"`. */
      readonly routing?: R
    } = {}
): Subscription<{ readonly message: Message; readonly topic: T; readonly routing: R }> =>
  define({
    ...common("subscription", options),
    message: options.message,
    topic: options.topic ?? [],
    routing: options.routing ?? "queue"
  })
