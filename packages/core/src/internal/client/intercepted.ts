/** A client's methods behind interceptors. */
import { Effect, type Scope, Stream } from "effect"
import type { BidiStream } from "../../BidiStream.ts"
import type { PsrpcError } from "../../PsrpcError.ts"
import { ownedBy } from "./ownership.ts"
import { patienceOf, sendTimeoutOf } from "./prepare.ts"
import type { ClientState } from "./state.ts"
import { invalidArgument } from "../errors/invalidArgument.ts"
import { messageOf } from "../errors/messageOf.ts"
import type { Method } from "../definition/method.ts"
import { effectOf, defer } from "../interceptors/chain.ts"
import { type AnyOptions, type Invocation, MethodChain, type StepCall } from "../interceptors/methodChain.ts"

/** Runs each step when its time has come, and tells it how long its call may take from then on. */
const timed =
  (client: ClientState, { label }: Method) =>
  <A, R>(run: (each: StepCall) => Effect.Effect<A, any, R>) =>
  (each: StepCall): Effect.Effect<A, any, R> =>
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
  const invocation: Invocation<ReturnType<Unary<O>>> = { defer: timed(client, method), fail: Effect.fail }
  const last = (each: StepCall) => call(each.request, each.options)
  const chain = new MethodChain(client.interception, "client", method, invocation, last)
  return (request, options) =>
    chain.isEmpty(options)
      ? call(request, options)
      : services.effect(Effect.scoped(Effect.suspend(() => chain.run({ request, ...owned }, options))))
}

const streamOf = <A, E>(given: Stream.Stream<A, E>): Stream.Stream<A, E> =>
  Stream.isStream(given) ? given : Stream.die(new TypeError(`expected a Stream, got ${typeof given}`))

type Multi<O> = (request: unknown, options?: O) => Stream.Stream<unknown, PsrpcError>

export const multi = <O extends AnyOptions>(client: ClientState, method: Method, call: Multi<O>): Multi<O> => {
  const { services } = client.interception
  const tell = timed(client, method)
  const invocation: Invocation<ReturnType<Multi<O>>> = {
    defer: (run) => {
      const told = tell((each) => Effect.succeed(streamOf(run(each))))
      return (each) => Stream.unwrap(told(each))
    },
    fail: Stream.fail
  }
  const last = (each: StepCall) => call(each.request, each.options)
  const chain = new MethodChain(client.interception, "clientMulti", method, invocation, last)
  return (request, options) =>
    chain.isEmpty(options)
      ? call(request, options)
      : services.stream(Stream.scoped(Stream.suspend(() => chain.run({ request }, options))))
}

const opens = Symbol("effect-psrpc/opens")

/** What a call's stream is opened by, inside of all. */
interface Opens extends StepCall {
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
  const invocation: Invocation<Opened> = { defer: timed(client, method), fail: Effect.fail }
  const last = (each: StepCall) => (each as Opens)[opens](each.options)
  const chain = new MethodChain(client.interception, "clientStream", method, invocation, last)
  return (options, open) =>
    chain.isEmpty(options)
      ? undefined
      : services.effect(Effect.suspend(() => chain.run({ ...owned, [opens]: open }, options)))
}

type Subscribed = Effect.Effect<Stream.Stream<unknown, PsrpcError>, PsrpcError, Scope.Scope>

export const subscriber = <O extends AnyOptions>(
  client: ClientState,
  method: Method,
  subscribe: (options?: O) => Subscribed
): ((options?: O) => Subscribed) => {
  const { services } = client.interception
  const invocation: Invocation<Subscribed> = { defer: defer, fail: Effect.fail }
  const last = (each: StepCall) => subscribe(each.options)
  const chain = new MethodChain(client.interception, "subscribe", method, invocation, last)
  return (options) =>
    chain.isEmpty(options) ? subscribe(options) : services.effect(Effect.suspend(() => chain.run({}, options)))
}
