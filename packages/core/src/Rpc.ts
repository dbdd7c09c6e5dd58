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
 * The kinds of method.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = "unary" | "multi" | "stream" | "subscription"

/**
 * How a server is chosen: `queue`, whichever is free; `affinity`, the one that says it fits best.
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
}

/**
 * One request, one answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Unary<
  out Request,
  out Response,
  out Error,
  out T,
  out R extends Routing,
  out Single extends boolean,
  out G extends string | undefined
> extends Any {
  readonly kind: "unary"
  readonly request: Request
  readonly response: Response
  readonly error: Error
  readonly topic: T
  readonly routing: R
  readonly singleServer: Single
  readonly group: G
  readonly idempotent: boolean
  readonly runToCompletion: boolean
}

/**
 * One request, an answer from every server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Multi<out Request, out Response, out Error, out T, out G extends string | undefined> extends Any {
  readonly kind: "multi"
  readonly request: Request
  readonly response: Response
  readonly error: Error
  readonly topic: T
  readonly group: G
  readonly idempotent: boolean
  readonly runToCompletion: boolean
}

/**
 * Messages both ways. `send` and `receive` are the client's words.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stream<
  out Send,
  out Receive,
  out T,
  out R extends Routing,
  out Single extends boolean,
  out G extends string | undefined
> extends Any {
  readonly kind: "stream"
  readonly send: Send
  readonly receive: Receive
  readonly topic: T
  readonly routing: R
  readonly singleServer: Single
  readonly group: G
  readonly idempotent: boolean
}

/**
 * Updates that a publisher pushes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subscription<out Message, out T, out R extends "queue" | "multi"> extends Any {
  readonly kind: "subscription"
  readonly message: Message
  readonly topic: T
  readonly routing: R
}

/** What every definition may say. */
interface Named {
  /** The method's name on the wire. Default: Go's CamelCase of its key, `sayHello` → `SayHello`. */
  readonly name?: string | undefined
}

interface WithTopic<T> {
  /** The topic's parameters: `["region"]`, or `{ region: Schema }`. Default: none. */
  readonly topic?: T & Topic.Valid<T>
}

interface Grouped<G> {
  /**
   * The topic group that the method is in. A server registers and deregisters the methods of a group for a topic
   * together; they have the same topic parameters. Default: none.
   */
  readonly group?: G
}

interface Repeatable {
  /**
   * Whether running a request twice is the same as running it once, so that it may be tried again when it is not known
   * whether it has run: see `Retry`. Default: `false`.
   */
  readonly idempotent?: boolean | undefined
}

interface Calls<Request, Response, Error> extends Repeatable {
  /** What the caller sends. Default: nothing. */
  readonly request?: Request
  /** What the server answers. Default: nothing. */
  readonly response?: Response
  /**
   * The method's own errors, beside `PsrpcError`: a tagged error class, a Schema union of such classes, or a protobuf
   * message. The call may fail with them, and so may the handler. Default: none.
   */
  readonly error?: Error & ValidDomainError<Error>
  /**
   * Whether a handler goes on where it would be interrupted: past its deadline, and when its caller has gone. Its
   * answer comes too late for either. Default: `false`.
   */
  readonly runToCompletion?: boolean | undefined
}

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
 * A method with one answer, from one server.
 *
 * **Details**
 *
 * `routing: "queue"` (the default) gives each request to one server of the method, which claims it. With `"affinity"`
 * every server sees the request and says how well it fits; the client chooses. `singleServer: true` is for methods
 * where one server alone listens, as a rule one for each topic: it answers without claims, in half the messages.
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
  options: Named &
    WithTopic<T> &
    Grouped<G> &
    Calls<Request, Response, Error> & {
      /** How a server is chosen. Default: `"queue"`. */
      readonly routing?: R
      /**
       * Whether exactly one server serves the method, or each topic of it, so that no claim is needed. Excludes
       * `routing: "affinity"`. Default: `false`.
       */
      readonly singleServer?: Single & ValidSingle<R, Single>
    } = {}
): Unary<Request, Response, Error, T, R, Single, G> => ({
  [TypeId]: TypeId,
  kind: "unary",
  name: options.name,
  request: options.request as Request,
  response: options.response as Response,
  error: options.error as Error,
  topic: (options.topic ?? []) as T,
  routing: (options.routing ?? "queue") as R,
  singleServer: (options.singleServer ?? false) as Single,
  group: options.group as G,
  idempotent: options.idempotent ?? false,
  runToCompletion: options.runToCompletion ?? false
})

/**
 * A method that every server answers.
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
): Multi<Request, Response, Error, T, G> => ({
  [TypeId]: TypeId,
  kind: "multi",
  name: options.name,
  request: options.request as Request,
  response: options.response as Response,
  error: options.error as Error,
  topic: (options.topic ?? []) as T,
  group: options.group as G,
  idempotent: options.idempotent ?? false,
  runToCompletion: options.runToCompletion ?? false
})

/**
 * A stream of messages both ways, between a client and one server. Every server of the method hears of an opening and
 * offers itself, whatever the routing: with `"queue"` the first is taken, with `"affinity"` the best.
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
    Repeatable & {
      /** What the client sends. */
      readonly send: Send
      /** What the client receives. */
      readonly receive: Receive
      /** How a server is chosen. Default: `"queue"`. */
      readonly routing?: R
      /**
       * Whether exactly one server serves the method, or each topic of it, so that no claim is needed. Excludes
       * `routing: "affinity"`. Default: `false`.
       */
      readonly singleServer?: Single & ValidSingle<R, Single>
    }
): Stream<Send, Receive, T, R, Single, G> => ({
  [TypeId]: TypeId,
  kind: "stream",
  name: options.name,
  send: options.send,
  receive: options.receive,
  topic: (options.topic ?? []) as T,
  routing: (options.routing ?? "queue") as R,
  singleServer: (options.singleServer ?? false) as Single,
  group: options.group as G,
  idempotent: options.idempotent ?? false
})

/**
 * Updates that a publisher pushes, to one subscriber each (`"queue"`, the default) or to all (`"multi"`).
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
      /** What an update carries. Default: nothing. */
      readonly message?: Message
      /** Who receives an update: one subscriber, or all. Default: `"queue"`. */
      readonly routing?: R
    } = {}
): Subscription<Message, T, R> => ({
  [TypeId]: TypeId,
  kind: "subscription",
  name: options.name,
  message: options.message as Message,
  topic: (options.topic ?? []) as T,
  routing: (options.routing ?? "queue") as R
})
