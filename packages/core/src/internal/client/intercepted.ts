/** A client's methods, and a publisher's, behind interceptors. */
import { Effect, type Scope, Stream } from "effect"
import type { BidiStream } from "../../BidiStream.ts"
import type { PsrpcError } from "../../PsrpcError.ts"
import { ownedBy } from "./ownership.ts"
import { patienceOf, sendTimeoutOf } from "./prepare.ts"
import type { ClientState } from "./state.ts"
import { invalidArgument } from "../errors/invalidArgument.ts"
import { messageOf } from "../errors/messageOf.ts"
import type { Method } from "../definition/method.ts"
import {
  around,
  effectOf,
  type Entry,
  entriesOf,
  infoOf,
  type Later,
  later,
  type Services,
  type Step,
  stepsOf
} from "../interceptors/chain.ts"
import type { Kind } from "../calls/interceptedCalls.ts"
import type { Any } from "../calls/interceptorTypes.ts"

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

/** What steps are about, whatever the method. */
interface Each {
  readonly kind?: string
  readonly request?: unknown
  readonly message?: unknown
  readonly options: any
}

/** What a call is made by, and how it fails before anything is run. */
interface Way<R> {
  readonly runs: Later<Each, R>
  readonly fail: (error: PsrpcError) => R
}

const nothing = Object.freeze({})

/** The steps around a method's calls of one kind: its client's, put together once, and behind them a call's own. */
class Steps<R> {
  readonly #own: ReadonlyArray<Step<Each, R>>
  readonly #last: (each: Each) => R
  readonly #chain: (each: Each) => R
  readonly #kind: Kind
  readonly #label: string
  readonly #info: object
  readonly #way: Way<R>

  constructor({ entries }: Interception, kind: Kind, method: Method, way: Way<R>, last: (each: Each) => R) {
    this.#own = stepsOf(entries, kind)
    this.#last = last
    this.#chain = around(this.#own, last, way.runs)
    this.#kind = kind
    this.#label = method.label
    this.#info = infoOf(method)
    this.#way = way
  }

  /** Whether a call has nothing around it. */
  isEmpty(options: AnyOptions | undefined): boolean {
    return this.#own.length === 0 && options?.interceptors === undefined
  }

  /** Runs them for a call. Refuses interceptors that are none. */
  run(what: object, options: AnyOptions | undefined): R {
    let chain = this.#chain
    if (options?.interceptors !== undefined) {
      try {
        const steps = [...this.#own, ...stepsOf(entriesOf(options.interceptors), this.#kind)]
        chain = around(steps, this.#last, this.#way.runs)
      } catch (cause) {
        return this.#way.fail(invalidArgument(`${this.#label}: ${messageOf(cause)}`, cause))
      }
    }
    const about = { ...this.#info, ...what, topic: options?.topic ?? nothing, options: options ?? nothing }
    return chain(about)
  }
}

/** Runs each step when its time has come, and tells it how long its call may take from then on. */
const timed =
  (client: ClientState, { label }: Method) =>
  <A, R>(run: (each: Each) => Effect.Effect<A, any, R>) =>
  (each: Each): Effect.Effect<A, any, R> =>
    Effect.withFiber((fiber) => {
      let timeout: number
      let sendTimeout: number
      try {
        const own = patienceOf(client, fiber, each.options.timeout)
        timeout = Math.max(0, own.timeout)
        sendTimeout = sendTimeoutOf(each.options, own.patience)
      } catch (cause) {
        return Effect.fail(invalidArgument(`${label}: ${messageOf(cause)}`, cause))
      }
      const times = each.kind === "stream" ? { timeout, sendTimeout } : { timeout }
      return effectOf(run({ ...each, ...times }))
    })

type Unary<O> = (request: unknown, options?: O) => Effect.Effect<unknown, unknown>

export const unary = <O extends AnyOptions>(client: ClientState, method: Method, call: Unary<O>): Unary<O> => {
  const { services } = client.interception
  const owned = ownedBy(client, method)
  const way: Way<ReturnType<Unary<O>>> = { runs: timed(client, method), fail: Effect.fail }
  const last = (each: Each) => call(each.request, each.options)
  const steps = new Steps(client.interception, "client", method, way, last)
  return (request, options) =>
    steps.isEmpty(options)
      ? call(request, options)
      : services.effect(Effect.scoped(Effect.suspend(() => steps.run({ request, ...owned }, options))))
}

const streamOf = <A, E>(given: Stream.Stream<A, E>): Stream.Stream<A, E> =>
  Stream.isStream(given) ? given : Stream.die(new TypeError(`expected a Stream, got ${typeof given}`))

type Multi<O> = (request: unknown, options?: O) => Stream.Stream<unknown, PsrpcError>

export const multi = <O extends AnyOptions>(client: ClientState, method: Method, call: Multi<O>): Multi<O> => {
  const { services } = client.interception
  const tell = timed(client, method)
  const way: Way<ReturnType<Multi<O>>> = {
    runs: (run) => {
      const told = tell((each) => Effect.succeed(streamOf(run(each))))
      return (each) => Stream.unwrap(told(each))
    },
    fail: Stream.fail
  }
  const last = (each: Each) => call(each.request, each.options)
  const steps = new Steps(client.interception, "clientMulti", method, way, last)
  return (request, options) =>
    steps.isEmpty(options)
      ? call(request, options)
      : services.stream(Stream.scoped(Stream.suspend(() => steps.run({ request }, options))))
}

const opens = Symbol("effect-psrpc/opens")

/** What a call's stream is opened by, inside of all. */
interface Opens extends Each {
  readonly [opens]: (options: any) => Opened
}

type Opened = Effect.Effect<BidiStream<unknown, unknown>, PsrpcError, Scope.Scope>

/** Opens a stream behind interceptors, with what opens it; `undefined` for a call that has none. */
export const opener = <O extends AnyOptions>(
  client: ClientState,
  method: Method
): ((options: O | undefined, open: (options: O) => Opened) => Opened | undefined) => {
  const { services } = client.interception
  const owned = ownedBy(client, method)
  const way: Way<Opened> = { runs: timed(client, method), fail: Effect.fail }
  const last = (each: Each) => (each as Opens)[opens](each.options)
  const steps = new Steps(client.interception, "clientStream", method, way, last)
  return (options, open) =>
    steps.isEmpty(options)
      ? undefined
      : services.effect(Effect.suspend(() => steps.run({ ...owned, [opens]: open }, options)))
}

type Subscribed = Effect.Effect<Stream.Stream<unknown, PsrpcError>, PsrpcError, Scope.Scope>

export const subscriber = <O extends AnyOptions>(
  client: ClientState,
  method: Method,
  subscribe: (options?: O) => Subscribed
): ((options?: O) => Subscribed) => {
  const { services } = client.interception
  const way: Way<Subscribed> = { runs: later, fail: Effect.fail }
  const last = (each: Each) => subscribe(each.options)
  const steps = new Steps(client.interception, "subscribe", method, way, last)
  return (options) =>
    steps.isEmpty(options) ? subscribe(options) : services.effect(Effect.suspend(() => steps.run({}, options)))
}

type Publish<O> = (message: unknown, options?: O) => Effect.Effect<void, PsrpcError>

export const publisher = <O extends AnyOptions>(
  interception: Interception,
  method: Method,
  publish: Publish<O>
): Publish<O> => {
  const { services } = interception
  const way: Way<ReturnType<Publish<O>>> = { runs: later, fail: Effect.fail }
  const last = (each: Each) => publish(each.message, each.options)
  const steps = new Steps(interception, "publish", method, way, last)
  return (message, options) =>
    steps.isEmpty(options)
      ? publish(message, options)
      : services.effect(Effect.scoped(Effect.suspend(() => steps.run({ message }, options))))
}
