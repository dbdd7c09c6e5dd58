/** Interceptors of one method, with its types; public in `Interceptor`. */
import { Effect } from "effect"
import type { BidiStream } from "../../BidiStream.ts"
import type * as Payload from "../../Payload.ts"
import type { DomainErrorOf, PsrpcError } from "../../PsrpcError.ts"
import type * as Rpc from "../../Rpc.ts"
import * as Service from "../../Service.ts"
import type * as Topic from "../../Topic.ts"
import { changed, make, type Step } from "./chain.ts"
import type { CallOf, Info, NextOf, Single } from "./models.ts"
import type { Answering } from "./server.ts"

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

/** Whether a call is one of the method. */
const isOf = (service: Service.Any, key: string): ((call: Info) => boolean) => {
  const method = Service.wireName(key, service.methods[key]!)
  return (call) => call.service === service.serviceName && call.method === method
}

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
  const own = isOf(service, method)
  const step: Step<Answering> = (each, next) =>
    own(each.about)
      ? f(each.about.request as never, each.about as never, (request) =>
          next({ ...each, about: { ...each.about, request } })
        )
      : next(each)
  return make([{ kind: "server", step }]) as never
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
  const own = isOf(service, method)
  const step: Step<CallOf<"client">> = (call, next) =>
    own(call)
      ? f(call.request as never, call as never, (request, options) => next({ ...changed(call, options), request }))
      : next(call)
  return make([{ kind: "client", step }]) as never
}

/**
 * As `Interceptor.stream`, for one method, at the client's end, with its types.
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
    stream: BidiStream<Payload.Input<SendOf<M[K]>>, Payload.Output<ReceiveOf<M[K]>>>,
    call: About<CallOf<"clientStream">, M[K]>
  ) => BidiStream<Payload.Input<SendOf<M[K]>>, Payload.Output<ReceiveOf<M[K]>>>
): Single<"clientStream", never, R> => {
  const own = isOf(service, method)
  const step: Step<CallOf<"clientStream">> = (call, next) =>
    own(call) ? Effect.map(next(call), (given) => f(given as never, call as never)) : next(call)
  return make([{ kind: "clientStream", step }]) as never
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
  const own = isOf(service, method)
  const step: Step<CallOf<"publish">> = (call, next) =>
    own(call)
      ? f(call.message as never, call as never, (message, options) => next({ ...changed(call, options), message }))
      : next(call)
  return make([{ kind: "publish", step }]) as never
}
