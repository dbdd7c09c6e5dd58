/** A client's methods, and a publisher's, behind interceptors. */
import { Effect, type Fiber, type Scope, Stream } from "effect"
import type { BidiStream } from "../../BidiStream.ts"
import type { PsrpcError } from "../../PsrpcError.ts"
import { patienceOf } from "../client/prepare.ts"
import type { ClientState } from "../client/state.ts"
import { invalidArgument } from "../invalidArgument.ts"
import { messageOf } from "../messageOf.ts"
import type { Method } from "../method.ts"
import { around, type Entry, entriesOf, infoOf, type Services, type Step, stepsOf } from "./chain.ts"
import type { Any, ClientCall, ClientStreamCall, Kind, Message, PublishCall, SubscribeCall } from "./models.ts"

/** What a client, or a publisher, has of interceptors. */
export interface Interception {
  readonly entries: ReadonlyArray<Entry>
  readonly services: Services
}

/** Options of a call, whatever its method. */
interface AnyOptions {
  readonly topic?: Readonly<Record<string, unknown>> | undefined
  readonly interceptors?: ReadonlyArray<Any> | undefined
}

const nothing = Object.freeze({})

/** The steps around a method's calls of one kind: the client's, and behind them a call's own. */
class Steps {
  readonly #own: ReadonlyArray<Step>
  readonly #kind: Kind
  readonly #label: string

  constructor({ entries }: Interception, kind: Kind, { label }: Method) {
    this.#own = stepsOf(entries, kind)
    this.#kind = kind
    this.#label = label
  }

  /** Whether a call has nothing around it. */
  isEmpty(options: AnyOptions | undefined): boolean {
    return this.#own.length === 0 && options?.interceptors === undefined
  }

  /** Throws for what are no interceptors. */
  of(options: AnyOptions | undefined): ReadonlyArray<Step> {
    return options?.interceptors === undefined
      ? this.#own
      : [...this.#own, ...stepsOf(entriesOf(options.interceptors), this.#kind)]
  }

  /** Runs what may throw for options that are none. */
  attempt<A, E, R>(
    body: (fiber: Fiber.Fiber<unknown, unknown>) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | PsrpcError, R> {
    return Effect.withFiber((fiber): Effect.Effect<A, E | PsrpcError, R> => {
      try {
        return body(fiber)
      } catch (cause) {
        return Effect.fail(invalidArgument(`${this.#label}: ${messageOf(cause)}`, cause))
      }
    })
  }
}

type Unary<O> = (request: unknown, options?: O) => Effect.Effect<unknown, unknown>

export const unary = <O extends AnyOptions>(client: ClientState, method: Method, call: Unary<O>): Unary<O> => {
  const { services } = client.interception
  const steps = new Steps(client.interception, "client", method)
  const info = infoOf(method)
  const last = (each: ClientCall) => call(each.request, each.options as O)
  return (request, options) =>
    steps.isEmpty(options)
      ? call(request, options)
      : steps.attempt((fiber) => {
          const { timeout } = patienceOf(client, fiber, (options as ClientCall["options"] | undefined)?.timeout)
          const run = around(steps.of(options), last)
          const about = { ...info, topic: options?.topic ?? nothing, request, options: options ?? nothing, timeout }
          return services.effect(Effect.suspend(() => run(about as ClientCall)))
        })
}

type Multi<O> = (request: unknown, options?: O) => Stream.Stream<unknown, PsrpcError>

export const multi = <O extends AnyOptions>(client: ClientState, method: Method, call: Multi<O>): Multi<O> => {
  const { services } = client.interception
  const steps = new Steps(client.interception, "clientMulti", method)
  const info = infoOf(method)
  const last = (each: ClientCall) => call(each.request, each.options as O)
  return (request, options) =>
    steps.isEmpty(options)
      ? call(request, options)
      : Stream.unwrap(
          steps.attempt((fiber) => {
            const { timeout } = patienceOf(client, fiber, (options as ClientCall["options"] | undefined)?.timeout)
            const run = around(steps.of(options), last)
            const about = { ...info, topic: options?.topic ?? nothing, request, options: options ?? nothing, timeout }
            return Effect.succeed(services.stream(Stream.suspend(() => run(about as ClientCall))))
          })
        )
}

type Opened = Effect.Effect<BidiStream<unknown, unknown>, PsrpcError, Scope.Scope>

/** Opens a stream behind interceptors, with what opens it; `undefined` for a call that has none. */
export const opener = <O extends AnyOptions>(
  client: ClientState,
  method: Method
): ((options: O | undefined, open: (options: O) => Opened) => Opened | undefined) => {
  const { services } = client.interception
  const steps = new Steps(client.interception, "clientStream", method)
  const info = infoOf(method)
  return (options, open) =>
    steps.isEmpty(options)
      ? undefined
      : steps.attempt((fiber) => {
          const { timeout } = patienceOf(client, fiber, (options as ClientCall["options"] | undefined)?.timeout)
          const run = around<ClientStreamCall, Opened>(steps.of(options), (each) => open(each.options as O))
          const about = { ...info, topic: options?.topic ?? nothing, options: options ?? nothing, timeout }
          return services.effect(Effect.suspend(() => run(about as ClientStreamCall)))
        })
}

type Subscribed = Effect.Effect<Stream.Stream<unknown, PsrpcError>, PsrpcError, Scope.Scope>

export const subscriber = <O extends AnyOptions>(
  client: ClientState,
  method: Method,
  subscribe: (options?: O) => Subscribed
): ((options?: O) => Subscribed) => {
  const { services } = client.interception
  const steps = new Steps(client.interception, "subscribe", method)
  const info = infoOf(method)
  const last = (each: SubscribeCall) => subscribe(each.options as O)
  return (options) =>
    steps.isEmpty(options)
      ? subscribe(options)
      : steps.attempt(() => {
          const run = around<SubscribeCall, Subscribed>(steps.of(options), last)
          const about = { ...info, topic: options?.topic ?? nothing, options: options ?? nothing }
          return services.effect(Effect.suspend(() => run(about as SubscribeCall)))
        })
}

type Publish<O> = (message: unknown, options?: O) => Effect.Effect<void, PsrpcError>

export const publisher = <O extends AnyOptions>(
  interception: Interception,
  method: Method,
  publish: Publish<O>
): Publish<O> => {
  const { services } = interception
  const steps = new Steps(interception, "publish", method)
  const info = infoOf(method)
  const last = (each: PublishCall) => publish(each.message as Message, each.options as O)
  return (message, options) =>
    steps.isEmpty(options)
      ? publish(message, options)
      : steps.attempt(() => {
          const run = around<PublishCall, Effect.Effect<void, PsrpcError>>(steps.of(options), last)
          const about = { ...info, topic: options?.topic ?? nothing, message, options: options ?? nothing }
          return services.effect(Effect.suspend(() => run(about as PublishCall)))
        })
}
