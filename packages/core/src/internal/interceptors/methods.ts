/** Interceptors of one method, with its types; public in `Interceptor`. */
import type { Effect, Scope, Stream } from "effect"
import type { BidiStream, ServerStream } from "../../BidiStream.ts"
import type * as Payload from "../../Payload.ts"
import type { DomainErrorOf, PsrpcError } from "../../PsrpcError.ts"
import type * as Rpc from "../../Rpc.ts"
import * as Service from "../definition/service.ts"
import type * as Topic from "../../Topic.ts"
import type { Answer } from "../calls/clientTypes.ts"
import { changed, functionOf, make, type Step } from "./chain.ts"
import type { CallOf, Info, NextOf } from "../calls/interceptedCalls.ts"
import type { Single } from "../calls/interceptorTypes.ts"
import type { Answering, Streaming } from "./handlerSteps.ts"

type Methods = Service.AnyMethods

type KeysOf<M, K extends Rpc.Kind> = { [P in keyof M]: M[P] extends { readonly kind: K } ? P : never }[keyof M] & string

type RequestOf<M> = M extends { readonly request: infer T } ? T : never
type ResponseOf<M> = M extends { readonly response: infer T } ? T : never
type SendOf<M> = M extends { readonly send: infer T } ? T : never
type ReceiveOf<M> = M extends { readonly receive: infer T } ? T : never
type MessageOf<M> = M extends { readonly message: infer T } ? T : never
type ErrorOf<M> = PsrpcError | (M extends { readonly error: infer T } ? DomainErrorOf<T> : never)
type TopicOf<M> = M extends { readonly topic: infer T } ? Topic.Topic<T> : never

/** What a call is about, with the method's own types. */
type About<C, M> = Omit<C, "topic" | "request" | "message"> & { readonly topic: TopicOf<M> }

/** Whether a call is one of the method. Throws for what a program without types may have given. */
const isOf = (service: Service.Any, key: string): ((call: Info) => boolean) => {
  const rpc = Object.hasOwn(service.methods, key) ? service.methods[key] : undefined
  if (rpc === undefined) throw new TypeError(`${service.serviceName}: no method ${key}`)
  const method = Service.wireName(key, rpc)
  return (call) => call.service === service.serviceName && call.method === method
}

/** A step around the calls of one method, and around nothing else. */
const only = <C>(
  name: string,
  service: Service.Any,
  key: string,
  f: unknown,
  about: (call: C) => Info,
  step: Step<C>
) => {
  functionOf(name, f)
  const own = isOf(service, key)
  const one: Step<C> = (call, next) => (own(about(call)) ? step(call, next) : next(call))
  return one
}

const itself = (call: Info): Info => call
const aboutOf = ({ about }: { readonly about: Info }): Info => about

/**
 * As `Interceptor.server`, for one method, with its types: what `next` is given is the request that the handler gets.
 *
 * **Example** (A request that is put in order first)
 *
 * ```ts
 * import { Interceptor, Rpc, Service } from "@effect-psrpc/core"
 * import { Effect, Schema } from "effect"
 *
 * class Greeter extends Service.make("Greeter", {
 *   hello: Rpc.unary({ request: Schema.String, response: Schema.String })
 * }) {}
 *
 * const trimmed = Interceptor.serverMethod(Greeter, "hello", (name, call, next) =>
 *   Effect.map(next(name.trim()), (answer) => `${answer}!`)
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const serverMethod = <
  Name extends string,
  M extends Methods,
  const K extends KeysOf<M, "unary" | "multi">,
  R = never
>(
  service: Service.Service<Name, M>,
  method: K,
  f: (
    request: Payload.Output<RequestOf<M[K]>>,
    call: About<CallOf<"server">, M[K]>,
    next: (request: Payload.Output<RequestOf<M[K]>>) => Effect.Effect<Payload.Input<ResponseOf<M[K]>>, ErrorOf<M[K]>>
  ) => Effect.Effect<Payload.Input<ResponseOf<M[K]>>, ErrorOf<M[K]>, R>
): Single<"server", never, R> => {
  const step = only<Answering>("serverMethod", service, method, f, aboutOf, (each, next) =>
    f(each.about.request as never, each.about as never, (request) =>
      next({ ...each, about: { ...each.about, request } })
    )
  )
  return make([{ kind: "server", step }]) as never
}

/**
 * As `Interceptor.serverStream`, for one method, with its types.
 *
 * @category constructors
 * @since 0.1.0
 */
export const serverStreamMethod = <
  Name extends string,
  M extends Methods,
  const K extends KeysOf<M, "stream">,
  R = never
>(
  service: Service.Service<Name, M>,
  method: K,
  f: (
    stream: ServerStream<Payload.Input<ReceiveOf<M[K]>>, Payload.Output<SendOf<M[K]>>>,
    call: About<CallOf<"serverStream">, M[K]>,
    next: (
      stream: ServerStream<Payload.Input<ReceiveOf<M[K]>>, Payload.Output<SendOf<M[K]>>>
    ) => Effect.Effect<unknown, PsrpcError>
  ) => Effect.Effect<unknown, PsrpcError, R>
): Single<"serverStream", never, R> => {
  const step = only<Streaming>("serverStreamMethod", service, method, f, aboutOf, (each, next) =>
    f(each.stream as never, each.about as never, (stream) => next({ ...each, stream: stream as Streaming["stream"] }))
  )
  return make([{ kind: "serverStream", step }]) as never
}

/**
 * As `Interceptor.client`, for one method, with its types: what `next` is given is the request that is sent.
 *
 * @category constructors
 * @since 0.1.0
 */
export const clientMethod = <Name extends string, M extends Methods, const K extends KeysOf<M, "unary">, R = never>(
  service: Service.Service<Name, M>,
  method: K,
  f: (
    request: Payload.Input<RequestOf<M[K]>>,
    call: About<CallOf<"client">, M[K]>,
    next: (
      request: Payload.Input<RequestOf<M[K]>>,
      ...args: NextOf<"client">
    ) => Effect.Effect<Payload.Output<ResponseOf<M[K]>>, ErrorOf<M[K]>>
  ) => Effect.Effect<Payload.Output<ResponseOf<M[K]>>, ErrorOf<M[K]>, R>
): Single<"client", never, R> => {
  const step = only<CallOf<"client">>("clientMethod", service, method, f, itself, (call, next) =>
    f(call.request as never, call as never, (request, options) => next({ ...changed(call, options), request }))
  )
  return make([{ kind: "client", step }]) as never
}

/** One server's answer to a method, of many. */
type AnswerTo<M> = Answer<Payload.Output<ResponseOf<M>>, ErrorOf<M>>

/**
 * As `Interceptor.clientMulti`, for one method, with its types: what `next` is given is the request that is sent.
 *
 * @category constructors
 * @since 0.1.0
 */
export const clientMultiMethod = <
  Name extends string,
  M extends Methods,
  const K extends KeysOf<M, "multi">,
  R = never
>(
  service: Service.Service<Name, M>,
  method: K,
  f: (
    request: Payload.Input<RequestOf<M[K]>>,
    call: About<CallOf<"clientMulti">, M[K]>,
    next: (
      request: Payload.Input<RequestOf<M[K]>>,
      ...args: NextOf<"clientMulti">
    ) => Stream.Stream<AnswerTo<M[K]>, PsrpcError>
  ) => Stream.Stream<AnswerTo<M[K]>, PsrpcError, R>
): Single<"clientMulti", never, R> => {
  const step = only<CallOf<"clientMulti">>("clientMultiMethod", service, method, f, itself, (call, next) =>
    f(call.request as never, call as never, (request, options) => next({ ...changed(call, options), request }))
  )
  return make([{ kind: "clientMulti", step }]) as never
}

/** A method's stream, at the client's end. */
type ClientEnd<M> = BidiStream<Payload.Input<SendOf<M>>, Payload.Output<ReceiveOf<M>>>

/**
 * As `Interceptor.clientStream`, for one method, with its types.
 *
 * **Example** (Messages that are put in order before they are sent)
 *
 * ```ts
 * import { Interceptor, Rpc, Service } from "@effect-psrpc/core"
 * import { Effect, Schema } from "effect"
 *
 * class Chat extends Service.make("Chat", { talk: Rpc.stream({ send: Schema.String, receive: Schema.String }) }) {}
 *
 * const trimmed = Interceptor.clientStreamMethod(Chat, "talk", (call, next) =>
 *   Effect.map(next(), (stream) => ({ ...stream, send: (text, options) => stream.send(text.trim(), options) }))
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const clientStreamMethod = <
  Name extends string,
  M extends Methods,
  const K extends KeysOf<M, "stream">,
  R = never
>(
  service: Service.Service<Name, M>,
  method: K,
  f: (
    call: About<CallOf<"clientStream">, M[K]>,
    next: (...args: NextOf<"clientStream">) => Effect.Effect<ClientEnd<M[K]>, PsrpcError, Scope.Scope>
  ) => Effect.Effect<ClientEnd<M[K]>, PsrpcError, R | Scope.Scope>
): Single<"clientStream", never, R> => {
  const step = only<CallOf<"clientStream">>("clientStreamMethod", service, method, f, itself, (call, next) =>
    f(call as never, (options) => next(changed(call, options)))
  )
  return make([{ kind: "clientStream", step }]) as never
}

/**
 * As `Interceptor.subscribe`, for one method, with its types.
 *
 * @category constructors
 * @since 0.1.0
 */
export const subscribeMethod = <
  Name extends string,
  M extends Methods,
  const K extends KeysOf<M, "subscription">,
  R = never
>(
  service: Service.Service<Name, M>,
  method: K,
  f: (
    call: About<CallOf<"subscribe">, M[K]>,
    next: (
      ...args: NextOf<"subscribe">
    ) => Effect.Effect<Stream.Stream<Payload.Output<MessageOf<M[K]>>, PsrpcError>, PsrpcError, Scope.Scope>
  ) => Effect.Effect<Stream.Stream<Payload.Output<MessageOf<M[K]>>, PsrpcError>, PsrpcError, R | Scope.Scope>
): Single<"subscribe", never, R> => {
  const step = only<CallOf<"subscribe">>("subscribeMethod", service, method, f, itself, (call, next) =>
    f(call as never, (options) => next(changed(call, options)))
  )
  return make([{ kind: "subscribe", step }]) as never
}

/**
 * As `Interceptor.publish`, for one method, with its types: what `next` is given is the update that is sent.
 *
 * @category constructors
 * @since 0.1.0
 */
export const publishMethod = <
  Name extends string,
  M extends Methods,
  const K extends KeysOf<M, "subscription">,
  R = never
>(
  service: Service.Service<Name, M>,
  method: K,
  f: (
    message: Payload.Input<MessageOf<M[K]>>,
    call: About<CallOf<"publish">, M[K]>,
    next: (message: Payload.Input<MessageOf<M[K]>>, ...args: NextOf<"publish">) => Effect.Effect<void, PsrpcError>
  ) => Effect.Effect<void, PsrpcError, R>
): Single<"publish", never, R> => {
  const step = only<CallOf<"publish">>("publishMethod", service, method, f, itself, (call, next) =>
    f(call.message as never, call as never, (message, options) => next({ ...changed(call, options), message }))
  )
  return make([{ kind: "publish", step }]) as never
}
