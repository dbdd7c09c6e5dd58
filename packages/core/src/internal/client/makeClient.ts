/** Makes a client: checks its options, subscribes to its channels, and makes one function per method. */
import { type Config, Context, Effect, Scope } from "effect"
import { MessageBus } from "../../MessageBus.ts"
import type { PsrpcError } from "../../PsrpcError.ts"
import { defaultBufferSize, defaultKeepalive } from "../calls/defaults.ts"
import { configured } from "../calls/configurable.ts"
import type * as Interceptor from "../calls/interceptorTypes.ts"
import { methodOf } from "../definition/method.ts"
import type { Any } from "../definition/service.ts"
import { checkCount, checkTimeout } from "../errors/checks.ts"
import { servicesOf } from "../interceptors/interceptorServices.ts"
import { checkInterceptors } from "../interceptors/checkInterceptors.ts"
import { checkMetadata } from "../metadata/checkMetadata.ts"
import { defaultMaxMetadataSize } from "../metadata/metadataCheck.ts"
import { emptyMetadata } from "../metadata/model.ts"
import { checkKeepalive } from "../stream/keepalive.ts"
import * as Drops from "../telemetry/drops.ts"
import * as MethodMetrics from "../telemetry/metrics/methodMetrics.ts"
import * as Deadlines from "../time/deadlines.ts"
import * as Envelope from "../wire/callEnvelope.ts"
import * as Channels from "../wire/channel.ts"
import { newClientId } from "../wire/id.ts"
import { decodeStream } from "../wire/streamEnvelope.ts"
import { checkClientId } from "./clientId.ts"
import { checkSelection } from "./clientSelection.ts"
import * as Intercepted from "./clientChains.ts"
import { multi } from "./multiCall.ts"
import type { ConfigOptions, Options } from "./clientOptions.ts"
import type { AnyCallOptions } from "./prepare.ts"
import { type ClientState, clientClosed } from "./clientState.ts"
import { opener } from "./streamCall.ts"
import { subscriber } from "./subscription.ts"
import type { From } from "./clientServiceTypes.ts"
import { unary } from "./unaryCall.ts"

type BufferOption = Extract<keyof Options, `${string}BufferSize`>

/** `Client.make`. */
export const make = Effect.fnUntraced(function* <
  S extends Any,
  const I extends ReadonlyArray<Interceptor.Any> = readonly []
>(
  service: S,
  options: Options<I> = {}
): Effect.fn.Return<From<S>, PsrpcError, MessageBus | Interceptor.ClientServices<I> | Scope.Scope> {
  const name = service.serviceName
  const at = `client of ${name}`
  const clientId = options.clientId === undefined ? newClientId() : yield* checkClientId(at, options.clientId)
  const context = Context.omit(Scope.Scope)(yield* Effect.context<Interceptor.ClientServices<I> | Scope.Scope>())
  const maxMetadataSize = yield* checkCount(at, "maxMetadataSize", options.maxMetadataSize ?? defaultMaxMetadataSize)
  const bufferSize = (option: BufferOption) => checkCount(at, option, options[option] ?? defaultBufferSize)
  const metrics = MethodMetrics.make(context, "client", name)
  const state: ClientState = {
    clientId,
    bus: yield* MessageBus,
    deadlines: yield* Deadlines.make,
    calls: new Map(),
    streams: new Map(),
    subscriptions: new Set(),
    metrics,
    drops: Drops.make(context, metrics),
    fork: Effect.runForkWith(context),
    timeout: options.timeout === undefined ? undefined : yield* checkTimeout(at, "timeout", options.timeout),
    selection: options.selection === undefined ? undefined : yield* checkSelection(at, service, options.selection),
    metadata: yield* checkMetadata(at, options.metadata ?? emptyMetadata, maxMetadataSize),
    maxMetadataSize,
    interception: {
      entries: yield* checkInterceptors(at, "client", options.interceptors),
      services: servicesOf(context as Context.Context<never>)
    },
    streamBufferSize: yield* bufferSize("streamBufferSize"),
    subscriptionBufferSize: yield* bufferSize("subscriptionBufferSize"),
    multiBufferSize: yield* bufferSize("multiBufferSize"),
    claimBufferSize: yield* bufferSize("claimBufferSize"),
    keepalive: yield* checkKeepalive(at, options.keepalive ?? defaultKeepalive),
    closed: false
  }
  const { bus, calls, drops, streams, subscriptions } = state
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
      }),
      bus.subscribe(Channels.clientStream(name, clientId), (bytes) => {
        const message = decodeStream(bytes)
        if (typeof message === "string") drops(message, "streams")
        else streams.get(message.streamId)?.receive(message)
      })
    ],
    { concurrency: "unbounded", discard: true }
  )
  // added last and so run first: pending calls fail while the bus is still open
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      state.closed = true
      for (const call of calls.values()) call.close()
      for (const stream of streams.values()) stream.closeUnsafe(clientClosed(name, true))
      return Effect.forEach(Array.from(subscriptions), ({ close }) => close, {
        concurrency: "unbounded",
        discard: true
      })
    })
  )
  const client: Record<string, unknown> = Object.create(null)
  for (const [key, rpc] of Object.entries(service.methods)) {
    const method = methodOf(service, key)
    if (method.kind === "stream") client[key] = Intercepted.stream(state, method, opener(state, method))
    else if (method.kind === "subscription") {
      client[key] = Intercepted.subscriber(state, method, subscriber(state, method))
    } else {
      const call =
        method.kind === "unary"
          ? Intercepted.unary(state, method, unary(state, method))
          : Intercepted.multi(state, method, multi(state, method))
      const takesNothing = (rpc as { readonly request?: unknown }).request === undefined
      client[key] = takesNothing ? (callOptions?: AnyCallOptions) => call(undefined, callOptions) : call
    }
  }
  return client as From<S>
})

/** `Client.make`, with options from the configuration. */
export const makeConfigured = <S extends Any, const I extends ReadonlyArray<Interceptor.Any>>(
  service: S,
  options: ConfigOptions<I>
): Effect.Effect<From<S>, PsrpcError | Config.ConfigError, MessageBus | Interceptor.ClientServices<I> | Scope.Scope> =>
  Effect.flatMap(configured<Options<I>>(options), (read) => make(service, read))
