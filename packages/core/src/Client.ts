/**
 * Clients: what calls a service's methods.
 *
 * **Example** (A client as a service of the program)
 *
 * ```ts
 * import { Client, LocalMessageBus, Rpc, Service } from "@effect-psrpc/core"
 * import { Effect, Layer, Schema } from "effect"
 *
 * class Greeter extends Service.make("Greeter", {
 *   hello: Rpc.unary({ request: Schema.String, response: Schema.String })
 * }) {}
 *
 * class GreeterClient extends Client.Service<GreeterClient>()("app/GreeterClient", Greeter) {}
 *
 * const program = Effect.gen(function*() {
 *   const greeter = yield* GreeterClient
 *   return yield* greeter.hello("Ada", { timeout: "1 second" })
 * })
 *
 * const runnable = Effect.provide(program, GreeterClient.layer.pipe(Layer.provide(LocalMessageBus.layer)))
 * ```
 *
 * @since 0.1.0
 */
import { Context, Duration, Effect, Layer, type Scope } from "effect"
import * as Channels from "./internal/channel.ts"
import * as Deadlines from "./internal/deadlines.ts"
import * as Drops from "./internal/drops.ts"
import * as Envelope from "./internal/envelope.ts"
import { newClientId } from "./internal/id.ts"
import { isUnary, unaryMethod } from "./internal/method.ts"
import { checkClientId, checkCount, checkTimeout } from "./internal/options.ts"
import type { ClientState } from "./internal/unaryCall.ts"
import * as Unary from "./internal/unaryClient.ts"
import { defaultBufferSize, MessageBus } from "./MessageBus.ts"
import * as Metadata from "./Metadata.ts"
import type * as Payload from "./Payload.ts"
import type { DomainErrorOf, PsrpcError } from "./PsrpcError.ts"
import type * as Rpc from "./Rpc.ts"
import type { Selection } from "./Selection.ts"
import type * as Service_ from "./Service.ts"
import type * as Topic from "./Topic.ts"

/**
 * How long a call waits for its answer where nobody says: 3 seconds, as in Go.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultTimeout: Duration.Duration = Duration.millis(Unary.defaultTimeout)

/**
 * Options of a client.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The client's id, unique among all clients of the service. Default: `CLI_` and 12 random characters. */
  readonly clientId?: string | undefined
  /**
   * How long calls wait for their answers, never past the deadline of the handler that they are made in. Default: the
   * time left to that deadline, 3 seconds where there is none.
   */
  readonly timeout?: Duration.Input | undefined
  /** How calls choose a server. Default: `Selection.affinity` for affinity methods, `Selection.first` for others. */
  readonly selection?: Selection | undefined
  /** Metadata of every call. Default: none. */
  readonly metadata?: Metadata.Metadata | undefined
  /** How many claims wait to be compared, per call; more are dropped and counted. Default: 100. */
  readonly bufferSize?: number | undefined
}

/**
 * Options of a call.
 *
 * @category models
 * @since 0.1.0
 */
export interface CallOptions {
  /** How long this call waits, in place of the client's timeout. */
  readonly timeout?: Duration.Input | undefined
  /** Metadata of this call, over the client's and `Metadata.with`'s. */
  readonly metadata?: Metadata.Metadata | undefined
}

/**
 * Options of a call that chooses among servers.
 *
 * @category models
 * @since 0.1.0
 */
export interface SelectingCallOptions extends CallOptions {
  /** How this call chooses, in place of the client's selection. */
  readonly selection?: Selection | undefined
}

type OptionArguments<T, O> =
  Topic.IsEmpty<T> extends true ? [options?: O] : [options: O & { readonly topic: Topic.Topic<T> }]

type Arguments<Request, T, O> = [Request] extends [undefined]
  ? OptionArguments<T, O>
  : [request: Payload.Input<Request>, ...options: OptionArguments<T, O>]

/**
 * How a unary method is called. It fails with what the method declares, or with a `PsrpcError`.
 *
 * @category utility types
 * @since 0.1.0
 */
export type UnaryCall<M> =
  M extends Rpc.Unary<infer Request, infer Response, infer Error, infer T, infer _R, infer Single>
    ? (
        ...args: Arguments<Request, T, Single extends true ? CallOptions : SelectingCallOptions>
      ) => Effect.Effect<Payload.Output<Response>, DomainErrorOf<Error> | PsrpcError>
    : never

/**
 * The client of methods.
 *
 * @category utility types
 * @since 0.1.0
 */
export type FromMethods<Methods> = {
  readonly [K in keyof Methods as Methods[K] extends { readonly kind: "unary" } ? K : never]: UnaryCall<Methods[K]>
}

/**
 * The client of a service.
 *
 * @category utility types
 * @since 0.1.0
 */
export type From<S> = FromMethods<Service_.Methods<S>>

/**
 * Makes a client. It is ready, its subscriptions acknowledged by the broker, when this succeeds.
 *
 * When its scope closes, calls that still wait fail with `canceled` ("client is closed"), and so do later ones.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: <Name extends string, M extends Service_.AnyMethods>(
  service: Service_.Service<Name, M>,
  options?: Options
) => Effect.Effect<FromMethods<M>, PsrpcError, MessageBus | Scope.Scope> = Effect.fnUntraced(function* <
  Name extends string,
  M extends Service_.AnyMethods
>(
  service: Service_.Service<Name, M>,
  options: Options = {}
): Effect.fn.Return<FromMethods<M>, PsrpcError, MessageBus | Scope.Scope> {
  const name = service.serviceName
  const at = `client of ${name}`
  const clientId = options.clientId === undefined ? newClientId() : yield* checkClientId(at, options.clientId)
  const state: ClientState = {
    clientId,
    bus: yield* MessageBus,
    deadlines: yield* Deadlines.make,
    calls: new Map(),
    drops: Drops.make(yield* Effect.context<never>(), "client", name),
    timeout: options.timeout === undefined ? undefined : yield* checkTimeout(at, "timeout", options.timeout),
    selection: options.selection,
    metadata: options.metadata ?? Metadata.empty,
    bufferSize: yield* checkCount(at, "bufferSize", options.bufferSize ?? defaultBufferSize),
    closed: false
  }
  const { bus, calls, drops } = state
  yield* Effect.all(
    [
      bus.subscribe(Channels.response(name, clientId), (message) => {
        const response = Envelope.decodeResponse(message)
        if (typeof response === "string") drops(response, "responses")
        else calls.get(response.id)?.response(response)
      }),
      bus.subscribe(Channels.claimRequest(name, clientId), (message) => {
        const claim = Envelope.decodeClaimRequest(message)
        if (typeof claim === "string") drops(claim, "claims")
        else if (claim.serverId === "") drops("malformed", "claims")
        else calls.get(claim.id)?.claim(claim)
      })
    ],
    { concurrency: "unbounded", discard: true }
  )
  // first of all at closing: who waits is told while the bus is still there
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      state.closed = true
      for (const call of calls.values()) call.close()
    })
  )
  const client: Record<string, unknown> = Object.create(null)
  for (const [key, method] of Object.entries(service.methods)) {
    if (!isUnary(method)) continue
    const call = Unary.unary(state, unaryMethod(name, key, method))
    client[key] =
      method.request === undefined ? (callOptions?: Unary.AnyCallOptions) => call(undefined, callOptions) : call
  }
  return client as FromMethods<M>
})

/**
 * The class of a client as a service of the program.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServiceClass<Self, Id extends string, M extends Service_.AnyMethods> extends Context.ServiceClass<
  Self,
  Id,
  FromMethods<M>
> {
  /** The client with the defaults. The same value provided twice is one client. */
  readonly layer: Layer.Layer<Self, PsrpcError, MessageBus>
  /** The client with options. Each call makes a client of its own. */
  readonly layerWith: (options: Options) => Layer.Layer<Self, PsrpcError, MessageBus>
}

/**
 * Makes the class of a client as a service of the program, to be extended: `id` is the service's key in the context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const Service =
  <Self>() =>
  <const Id extends string, Name extends string, M extends Service_.AnyMethods>(
    id: Id,
    service: Service_.Service<Name, M>
  ): ServiceClass<Self, Id, M> => {
    const Tag = Context.Service<Self, FromMethods<M>>()(id)
    const layerWith = (options: Options) => Layer.effect(Tag, make(service, options))
    return Object.assign(Tag, { layerWith, layer: layerWith({}) }) as unknown as ServiceClass<Self, Id, M>
  }
