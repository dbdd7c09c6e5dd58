/** Makes a publisher: checks its options and makes one function per subscription. */
import { Clock, type Config, Effect } from "effect"
import { MessageBus } from "../../MessageBus.ts"
import type * as PsrpcError from "../../PsrpcError.ts"
import { configured } from "../calls/configurable.ts"
import type * as Interceptor from "../calls/interceptorTypes.ts"
import { methodOf } from "../definition/method.ts"
import type { Any } from "../definition/service.ts"
import { checkTimeout } from "../errors/checks.ts"
import { servicesOf } from "../interceptors/interceptorServices.ts"
import type { Interception } from "../interceptors/interceptorServices.ts"
import { checkInterceptors } from "../interceptors/checkInterceptors.ts"
import * as MethodMetrics from "../telemetry/metrics/methodMetrics.ts"
import * as Intercepted from "./publisherChain.ts"
import { type AnyPublishOptions, publisher } from "./publish.ts"
import type { ConfigOptions, From, Options } from "./publisherTypes.ts"

/** Milliseconds. */
export const defaultTimeout = 3000

/** `Publisher.make`. */
export const make = Effect.fnUntraced(function* <
  S extends Any,
  const I extends ReadonlyArray<Interceptor.Any> = readonly []
>(
  service: S,
  options: Options<I> = {}
): Effect.fn.Return<From<S>, PsrpcError.PsrpcError, MessageBus | Interceptor.PublisherServices<I>> {
  const name = service.serviceName
  const at = `publisher of ${name}`
  const bus = yield* MessageBus
  const metrics = MethodMetrics.make(yield* Effect.context<never>(), "publisher", name)
  const clock = yield* Clock.Clock
  const timeout = yield* checkTimeout(at, "timeout", options.timeout ?? defaultTimeout)
  const interception: Interception = {
    entries: yield* checkInterceptors(at, "publisher", options.interceptors),
    services: servicesOf(yield* Effect.context<never>())
  }
  const all: Record<string, unknown> = Object.create(null)
  for (const [key, rpc] of Object.entries(service.methods)) {
    const method = methodOf(service, key)
    if (method.kind !== "subscription") continue
    const publish = Intercepted.publisher(
      interception,
      method,
      publisher(bus, clock, method, timeout, metrics.of(method))
    )
    const sendsNothing = (rpc as { readonly message?: unknown }).message === undefined
    all[key] = sendsNothing ? (publishOptions?: AnyPublishOptions) => publish(undefined, publishOptions) : publish
  }
  return all as From<S>
})

/** `Publisher.make`, with options from the configuration. */
export const makeConfigured = <S extends Any, const I extends ReadonlyArray<Interceptor.Any>>(
  service: S,
  options: ConfigOptions<I>
): Effect.Effect<From<S>, PsrpcError.PsrpcError | Config.ConfigError, MessageBus | Interceptor.PublisherServices<I>> =>
  Effect.flatMap(configured<Options<I>>(options), (read) => make(service, read))
