/**
 * Publishers: what pushes the updates of a service's subscriptions.
 *
 * A publisher needs a message bus and nothing else: no server, no client.
 *
 * **Example** (An update, and who hears of it)
 *
 * ```ts
 * import { Client, Publisher, Rpc, Service } from "@effect-psrpc/core"
 * import { Effect, Schema, Stream } from "effect"
 *
 * class Regions extends Service.make("Regions", {
 *   changed: Rpc.subscription({ message: Schema.String, topic: ["region"], routing: "multi" })
 * }) {}
 *
 * const program = Effect.gen(function*() {
 *   const regions = yield* Client.make(Regions)
 *   const changes = yield* regions.changed({ topic: { region: "eu" } })
 *
 *   const publisher = yield* Publisher.make(Regions)
 *   yield* publisher.changed("up", { topic: { region: "eu" } })
 *   return yield* Stream.runHead(changes)
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 */
import { Clock, Context, Duration, Effect, Exit, Layer } from "effect"
import type { Arguments } from "./internal/calls/arguments.ts"
import type { PublishOptions } from "./internal/calls/callOptions.ts"
import * as Channels from "./internal/wire/channel.ts"
import { byTopic } from "./internal/definition/byTopic.ts"
import { unencodable } from "./internal/errors/failures.ts"
import { encodeValue } from "./internal/wire/callEnvelope.ts"
import * as Chain from "./internal/interceptors/chain.ts"
import type { Interception } from "./internal/interceptors/chain.ts"
import * as Intercepted from "./internal/publisher/intercepted.ts"
import { invalidArgument } from "./internal/errors/invalidArgument.ts"
import { messageOf } from "./internal/errors/messageOf.ts"
import { methodOf, type SubscriptionMethod } from "./internal/definition/method.ts"
import * as Meter from "./internal/telemetry/metrics/meter.ts"
import type { Outcome, Series } from "./internal/telemetry/metrics/series.ts"
import { millisOf } from "./internal/time/millis.ts"
import { checkInterceptors } from "./internal/interceptors/checkInterceptors.ts"
import { checkTimeout } from "./internal/errors/checks.ts"
import type * as Interceptor from "./Interceptor.ts"
import * as Attributes from "./internal/telemetry/attributes.ts"
import { type CallSpan, describeUpdates, within } from "./internal/telemetry/spans.ts"
import { type Delivery, MessageBus } from "./MessageBus.ts"
import type * as PsrpcError from "./PsrpcError.ts"
import type * as Rpc from "./Rpc.ts"
import type * as Service_ from "./Service.ts"

export type { PublishOptions } from "./internal/calls/callOptions.ts"

/**
 * How long an update waits for a lost connection to come back, where nobody says: 3 seconds, as a call does.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultTimeout: Duration.Duration = Duration.seconds(3)

/**
 * Options of a publisher.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<I extends ReadonlyArray<Interceptor.Any> = readonly []> {
  /** How long updates wait for a lost connection to come back. Default: 3 seconds. */
  readonly timeout?: Duration.Input | undefined
  /** What runs around updates, the first outermost. What it requires, the publisher requires. Default: none. */
  readonly interceptors?: I | undefined
}

/**
 * How an update is published. It succeeds when the broker has it, whether anybody listens or not, and fails with
 * `unavailable` where the broker cannot be reached in time, with `malformed_request` for what cannot be encoded, with
 * `resource_exhausted` for what is larger than the broker takes.
 *
 * @category utility types
 * @since 0.1.0
 */
export type PublishCall<M> =
  M extends Rpc.Subscription<infer Message, infer T, infer _R>
    ? (...args: Arguments<Message, T, PublishOptions, "message">) => Effect.Effect<void, PsrpcError.PsrpcError>
    : never

/**
 * The publisher of methods: of a service's subscriptions.
 *
 * @category utility types
 * @since 0.1.0
 */
export type FromMethods<Methods> = {
  readonly [K in keyof Methods as Methods[K] extends { readonly kind: "subscription" } ? K : never]: PublishCall<
    Methods[K]
  >
}

/**
 * The publisher of a service.
 *
 * @category utility types
 * @since 0.1.0
 */
export type From<S> = FromMethods<Service_.Methods<S>>

/** An update on its way. */
class Update implements Delivery {
  readonly #resume: (exit: Exit.Exit<void, PsrpcError.PsrpcError>) => void
  readonly #series: Series
  #isWanted = true

  constructor(resume: (exit: Exit.Exit<void, PsrpcError.PsrpcError>) => void, series: Series) {
    this.#resume = resume
    this.#series = series
  }

  wanted(): boolean {
    return this.#isWanted
  }

  // that nobody listens means nothing to an update
  delivered(): void {
    this.#end(Exit.void, "ok")
  }

  undelivered(error: PsrpcError.PsrpcError): void {
    this.#end(Exit.fail(error), error.code)
  }

  /** Nobody waits for it any more: it is not sent where it has not been. */
  withdraw(): void {
    this.#over("canceled")
  }

  #end(exit: Exit.Exit<void, PsrpcError.PsrpcError>, outcome: Outcome): void {
    if (this.#over(outcome)) this.#resume(exit)
  }

  #over(outcome: Outcome): boolean {
    if (!this.#isWanted) return false
    this.#isWanted = false
    this.#series.finish(outcome)
    return true
  }
}

interface AnyPublishOptions extends PublishOptions {
  readonly topic?: Readonly<Record<string, unknown>> | undefined
}

/** The function that publishes a method's updates; all that is made once is made here. */
const publisher = (
  bus: MessageBus["Service"],
  clock: Clock.Clock,
  method: SubscriptionMethod,
  defaultMillis: number,
  series: Series
): ((message: unknown, options?: AnyPublishOptions) => Effect.Effect<void, PsrpcError.PsrpcError>) => {
  const { label, name, queue, service, type } = method
  // three updates that are alike are three updates, also for a queue that tells messages by their bytes
  const targetOf = byTopic(method, (topic) =>
    bus.target(Channels.request(service, name, topic, queue), { unique: true })
  )
  const described = describeUpdates(method, "producer")

  const publish = (
    message: unknown,
    options: AnyPublishOptions | undefined,
    span: CallSpan | undefined
  ): Effect.Effect<void, PsrpcError.PsrpcError> => {
    let target: ReturnType<typeof targetOf>
    let timeout: number
    let raw: Uint8Array
    try {
      target = targetOf(options?.topic)
      timeout = options?.timeout === undefined ? defaultMillis : millisOf("timeout", options.timeout)
    } catch (cause) {
      return Effect.fail(invalidArgument(`${label}: ${messageOf(cause)}`, cause))
    }
    try {
      raw = method.message.encode(message)
    } catch (cause) {
      return Effect.fail(unencodable(label, "update", cause))
    }
    span?.attribute(Attributes.messagingBodySize, raw.length)
    // sent by the waiting itself: who is interrupted before that has sent nothing
    return Effect.callback((resume) => {
      const update = new Update(resume, series)
      const value = encodeValue(target, type, raw, span?.context())
      series.started++
      series.send(raw.length)
      bus.publishUnsafe(target, value, clock.currentTimeMillisUnsafe() + timeout, update)
      return Effect.sync(() => update.withdraw())
    })
  }

  return (message, options) =>
    Effect.withFiber((fiber) =>
      fiber.cache.tracer === undefined
        ? publish(message, options, undefined)
        : within(fiber, described, Attributes.destination(method, options?.topic), (span) =>
            publish(message, options, span)
          )
    )
}

/**
 * Makes a publisher of a service's subscriptions. Any number of them may be made; they hold nothing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: <
  Name extends string,
  M extends Service_.AnyMethods,
  const I extends ReadonlyArray<Interceptor.Any> = readonly []
>(
  service: Service_.Service<Name, M>,
  options?: Options<I>
) => Effect.Effect<FromMethods<M>, PsrpcError.PsrpcError, MessageBus | Interceptor.PublisherServices<I>> =
  Effect.fnUntraced(function* <Name extends string, M extends Service_.AnyMethods>(
    service: Service_.Service<Name, M>,
    options: Options<ReadonlyArray<Interceptor.Any>> = {}
  ): Effect.fn.Return<FromMethods<M>, PsrpcError.PsrpcError, any> {
    const name = service.serviceName
    const at = `publisher of ${name}`
    const bus = yield* MessageBus
    const meter = Meter.make(yield* Effect.context<never>(), "publisher", name)
    const clock = yield* Clock.Clock
    const timeout = yield* checkTimeout(at, "timeout", options.timeout ?? defaultTimeout)
    const interception: Interception = {
      entries: yield* checkInterceptors(at, "publisher", options.interceptors),
      services: Chain.servicesOf(yield* Effect.context<never>())
    }
    const all: Record<string, unknown> = Object.create(null)
    for (const [key, rpc] of Object.entries(service.methods)) {
      const method = methodOf(name, key, rpc)
      if (method.kind !== "subscription") continue
      const publish = Intercepted.publisher(
        interception,
        method,
        publisher(bus, clock, method, timeout, meter.of(method))
      )
      const sendsNothing = (rpc as { readonly message?: unknown }).message === undefined
      all[key] = sendsNothing ? (publishOptions?: AnyPublishOptions) => publish(undefined, publishOptions) : publish
    }
    return all as FromMethods<M>
  })

/**
 * The class of a publisher as a service of the program.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServiceClass<Self, Id extends string, M extends Service_.AnyMethods> extends Context.ServiceClass<
  Self,
  Id,
  FromMethods<M>
> {
  /** The publisher with the defaults. */
  readonly layer: Layer.Layer<Self, PsrpcError.PsrpcError, MessageBus>
  /** The publisher with options. */
  readonly layerWith: <const I extends ReadonlyArray<Interceptor.Any> = readonly []>(
    options: Options<I>
  ) => Layer.Layer<Self, PsrpcError.PsrpcError, MessageBus | Interceptor.PublisherServices<I>>
}

/**
 * Makes the class of a publisher as a service of the program, to be extended: `id` is the service's key in the context.
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
    const layerWith = <const I extends ReadonlyArray<Interceptor.Any> = readonly []>(options: Options<I>) =>
      Layer.effect(Tag, make(service, options))
    return Object.assign(Tag, { layerWith, layer: layerWith({}) }) as unknown as ServiceClass<Self, Id, M>
  }
