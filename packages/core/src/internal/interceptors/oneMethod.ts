/** Interceptors of one method, with its types. Public as `Interceptor.method`. */
import type { Effect, Scope, Stream } from "effect"
import type { BidiStream, ServerStream } from "../../BidiStream.ts"
import type * as Payload from "../../Payload.ts"
import type { DomainErrorOf, PsrpcError } from "../../PsrpcError.ts"
import type * as Rpc from "../../Rpc.ts"
import type * as Topic from "../../Topic.ts"
import type { Member } from "../calls/handlerTypes.ts"
import type { CallOf, CallInfo, Signatures } from "../calls/interceptedCalls.ts"
import type { CallServices, Interceptor, Kind, Wrap } from "../calls/interceptorTypes.ts"
import type { Answer } from "../calls/clientTypes.ts"
import * as Service from "../definition/service.ts"
import { changed, functionOf, make, type Step } from "./chain.ts"
import { handlerStep } from "./kinds.ts"

type Request<M> = Member<M, "request">
type Response<M> = Member<M, "response">
type Errors<M> = PsrpcError | (M extends { readonly error: infer T } ? DomainErrorOf<T> : never)

/** A call with the types of the method `M`: its topic, and what `Own` has. */
type Typed<C, M, Own> = Omit<C, "topic" | "rpc" | keyof Own> & {
  readonly topic: M extends { readonly topic: infer T } ? Topic.Topic<T> : never
  readonly rpc: M
} & Own

/** The changes that `next` takes: of the options, and of what `Own` has. */
type Changes<K extends Kind, Own> = Omit<Signatures[K]["changes"], keyof Own> & Partial<Own>

/** The function of an interceptor of one method: the same shape for all kinds. */
type AroundMethod<K extends Kind, M, Own, Result, Required> = (
  call: Typed<CallOf<K>, M, Own>,
  next: (changes?: Changes<K, Own>) => Result
) => Required

/** One server's answer to a multi method. */
type AnswerTo<M> = Answer<Payload.Output<Response<M>>, Errors<M>>

/** The client's end of a method's stream. */
type ClientEnd<M> = BidiStream<Payload.Input<Member<M, "send">>, Payload.Output<Member<M, "receive">>>

/** The server's end of a method's stream: it sends what the client receives. */
type ServerEnd<M> = ServerStream<Payload.Input<Member<M, "receive">>, Payload.Output<Member<M, "send">>>

type Updates<M> = Stream.Stream<Payload.Output<Member<M, "message">>, PsrpcError>

type ClientSide<M, R> = M extends { readonly kind: "unary" }
  ? AroundMethod<
      "client",
      M,
      { readonly request: Payload.Input<Request<M>> },
      Effect.Effect<Payload.Output<Response<M>>, Errors<M>>,
      Effect.Effect<Payload.Output<Response<M>>, Errors<M>, R>
    >
  : M extends { readonly kind: "multi" }
    ? AroundMethod<
        "clientMulti",
        M,
        { readonly request: Payload.Input<Request<M>> },
        Stream.Stream<AnswerTo<M>, PsrpcError>,
        Stream.Stream<AnswerTo<M>, PsrpcError, R>
      >
    : M extends { readonly kind: "stream" }
      ? AroundMethod<
          "clientStream",
          M,
          {},
          Effect.Effect<ClientEnd<M>, PsrpcError, Scope.Scope>,
          Effect.Effect<ClientEnd<M>, PsrpcError, R | Scope.Scope>
        >
      : AroundMethod<
          "subscribe",
          M,
          {},
          Effect.Effect<Updates<M>, PsrpcError, Scope.Scope>,
          Effect.Effect<Updates<M>, PsrpcError, R | Scope.Scope>
        >

type ServerSide<M, R> = M extends { readonly kind: "unary" | "multi" }
  ? AroundMethod<
      "server",
      M,
      { readonly request: Payload.Output<Request<M>> },
      Effect.Effect<Payload.Input<Response<M>>, Errors<M>>,
      Effect.Effect<Payload.Input<Response<M>>, Errors<M>, R>
    >
  : M extends { readonly kind: "stream" }
    ? AroundMethod<
        "serverStream",
        M,
        { readonly stream: ServerEnd<M> },
        Effect.Effect<unknown, PsrpcError>,
        Effect.Effect<unknown, PsrpcError, R>
      >
    : "a subscription has no server: its sides are client and publisher"

type PublisherSide<M, R> = M extends { readonly kind: "subscription" }
  ? AroundMethod<
      "publish",
      M,
      { readonly message: Payload.Input<Member<M, "message">> },
      Effect.Effect<void, PsrpcError>,
      Effect.Effect<void, PsrpcError, R>
    >
  : "only a subscription has a publisher: the sides of this method are client and server"

/**
 * The functions of an interceptor of one method, by side. `ClientRequires`, `ServerRequires` and `PublisherRequires` are the
 * services that the functions require.
 *
 * The kinds of methods are told apart in each property, not around all of them: TypeScript finds the contextual type of
 * `Effect.fnUntraced(function* (call, next) { … })` only by a property that is there before the method is inferred.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sides<M, ClientRequires, ServerRequires, PublisherRequires> {
  /** Runs around the calls, the opening of streams, or the subscriptions of a client. */
  readonly client?: ClientSide<M, ClientRequires>
  /** Runs around the handler of a server. */
  readonly server?: ServerSide<M, ServerRequires>
  /** Runs around the updates of a publisher. */
  readonly publisher?: PublisherSide<M, PublisherRequires>
}

interface KindsOf {
  readonly unary: readonly ["client", "server"]
  readonly multi: readonly ["clientMulti", "server"]
  readonly stream: readonly ["clientStream", "serverStream"]
  readonly subscription: readonly ["subscribe", "publish"]
}

type RpcKind<M> = M extends { readonly kind: infer K extends Rpc.Kind } ? K : never

/** The interceptor of a method, from the requirements of its sides. */
type MethodInterceptor<M, C, S, P> = Interceptor<
  readonly [
    Wrap<KindsOf[RpcKind<M>][0], never, Exclude<C, Scope.Scope>>,
    Wrap<KindsOf[RpcKind<M>][1], never, Exclude<S, CallServices> | Exclude<P, Scope.Scope>>
  ]
>

const kindsOf: { readonly [K in Rpc.Kind]: Readonly<Record<string, Kind>> } = {
  unary: { client: "client", server: "server" },
  multi: { client: "clientMulti", server: "server" },
  stream: { client: "clientStream", server: "serverStream" },
  subscription: { client: "subscribe", publisher: "publish" }
}

/** Adapts an interceptor of a client's calls: `request` and `message` change the call, all else its options. */
const callStep =
  (f: (call: any, next: (changes?: object) => any) => any): Step<CallInfo & { readonly options: object }> =>
  (call, next) =>
    f(call, (changes) => {
      if (changes === undefined) return next(call)
      const options: Record<string, unknown> = { ...changes }
      const own: Record<string, unknown> = {}
      for (const name of ["request", "message"]) {
        if (!Object.hasOwn(options, name)) continue
        own[name] = options[name]
        delete options[name]
      }
      return next({ ...changed(call, options), ...own })
    })

/** Runs the step for the calls of one method, and nothing for all others. */
const only =
  (service: string, method: string, infoOf: (call: any) => CallInfo, step: Step): Step =>
  (call, next) => {
    const info = infoOf(call)
    return info.service === service && info.method === method ? step(call, next) : next(call)
  }

export const method = <
  S extends Service.Any,
  const K extends keyof Service.Methods<S> & string,
  ClientRequires = never,
  ServerRequires = never,
  PublisherRequires = never
>(
  service: S,
  key: K,
  sides: Sides<Service.Methods<S>[K], ClientRequires, ServerRequires, PublisherRequires>
): MethodInterceptor<Service.Methods<S>[K], ClientRequires, ServerRequires, PublisherRequires> => {
  const rpc = Object.hasOwn(service.methods, key) ? service.methods[key] : undefined
  if (rpc === undefined) {
    throw new TypeError(
      `Interceptor.method: ${service.serviceName} has no method ${key}, only ${Object.keys(service.methods).join(", ")}`
    )
  }
  const at = `method(${service.serviceName}, ${key})`
  const kinds = kindsOf[rpc.kind]
  const name = Service.wireName(key, rpc)
  return make(
    Object.entries<unknown>(sides as {}).flatMap(([side, f]) => {
      if (f === undefined) return []
      const kind = kinds[side]
      if (kind === undefined) {
        throw new TypeError(
          `Interceptor.${at}: a ${rpc.kind} method has the sides ${Object.keys(kinds).join(" and ")}, and no ${side}`
        )
      }
      const given = functionOf(`${at}, ${side}`, f as never)
      const ofServer = kind === "server" || kind === "serverStream"
      const step = ofServer
        ? only(service.serviceName, name, ({ about }) => about, handlerStep(given))
        : only(service.serviceName, name, (call) => call, callStep(given))
      return [{ kind, step }]
    })
  ) as never
}
