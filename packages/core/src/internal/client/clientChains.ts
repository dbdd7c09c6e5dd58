/** The interceptors around a client's methods, for each kind of method. */
import { Effect, type Scope, Stream } from "effect"
import type { PsrpcError } from "../../PsrpcError.ts"
import type { CallControl } from "../calls/callControl.ts"
import type { Method } from "../definition/method.ts"
import { invalidArgument } from "../errors/invalidArgument.ts"
import { messageOf } from "../errors/messageOf.ts"
import { defer, effectOf } from "../interceptors/chain.ts"
import type { Services } from "../interceptors/interceptorServices.ts"
import { type AnyOptions, type Invocation, MethodChain, type StepCall } from "../interceptors/methodChain.ts"
import { resolveTimeouts, sendTimeoutOf } from "./prepare.ts"
import type { ClientState, Closeable } from "./clientState.ts"
import type { AnyStreamOptions, Open, StreamOpener, Through } from "./streamCall.ts"

/** Defers each step, and gives it the timeouts of its call, counted from the time at which the step runs. */
const timed =
  (client: ClientState, { label }: Method) =>
  <A, R>(run: (each: StepCall) => Effect.Effect<A, any, R>) =>
  (each: StepCall): Effect.Effect<A, any, R> =>
    Effect.withFiber((fiber) => {
      let timeout: number
      let sendTimeout: number
      try {
        const timeouts = resolveTimeouts(client, fiber, each.options.timeout)
        timeout = Math.max(0, timeouts.timeout)
        sendTimeout = sendTimeoutOf(each.options, timeouts)
      } catch (cause) {
        return Effect.fail(invalidArgument(`${label}: ${messageOf(cause)}`, cause))
      }
      const times = each.kind === "stream" ? { timeout, sendTimeout } : { timeout }
      return effectOf(run({ ...each, ...times }))
    })

/** The services of a client's interceptors, with the control of a method's calls. Made once for each method. */
const controlled = (client: ClientState, method: Method): Services => {
  const series = client.metrics.of(method)
  const control: CallControl = {
    awaitClosed: Effect.callback((resume) => {
      if (client.closed) return resume(Effect.void)
      const waiter: Closeable = { close: Effect.sync(() => resume(Effect.void)) }
      client.subscriptions.add(waiter)
      return Effect.sync(() => {
        client.subscriptions.delete(waiter)
      })
    }),
    countRetry() {
      series.retries++
    }
  }
  return client.interception.services.withControl(control)
}

type Unary<O> = (request: unknown, options?: O) => Effect.Effect<unknown, unknown>

export const unary = <O extends AnyOptions>(client: ClientState, method: Method, call: Unary<O>): Unary<O> => {
  const services = controlled(client, method)
  const invocation: Invocation<ReturnType<Unary<O>>> = { defer: timed(client, method), fail: Effect.fail }
  const last = (each: StepCall) => call(each.request, each.options)
  const chain = new MethodChain(client.interception, "client", method, invocation, last)
  return (request, options) =>
    chain.hasSteps || options?.interceptors !== undefined
      ? services.effect(Effect.scoped(Effect.suspend(() => chain.run({ request }, options))))
      : call(request, options)
}

const streamOf = <A, E>(given: Stream.Stream<A, E>): Stream.Stream<A, E> =>
  Stream.isStream(given) ? given : Stream.die(new TypeError(`expected a Stream, got ${typeof given}`))

type Multi<O> = (request: unknown, options?: O) => Stream.Stream<unknown, PsrpcError>

export const multi = <O extends AnyOptions>(client: ClientState, method: Method, call: Multi<O>): Multi<O> => {
  const services = controlled(client, method)
  const timedStep = timed(client, method)
  const invocation: Invocation<ReturnType<Multi<O>>> = {
    defer: (run) => {
      const step = timedStep((each) => Effect.succeed(streamOf(run(each))))
      return (each) => Stream.unwrap(step(each))
    },
    fail: Stream.fail
  }
  const last = (each: StepCall) => call(each.request, each.options)
  const chain = new MethodChain(client.interception, "clientMulti", method, invocation, last)
  return (request, options) =>
    chain.hasSteps || options?.interceptors !== undefined
      ? services.stream(Stream.scoped(Stream.suspend(() => chain.run({ request }, options))))
      : call(request, options)
}

/** The interceptors are around the opening. `through` opens its streams with the same interceptors. */
export const stream = (
  client: ClientState,
  method: Method,
  { open, openObserved, through }: StreamOpener
): Open & { readonly through: Through } => {
  const services = controlled(client, method)
  const invocation: Invocation<ReturnType<Open>> = { defer: timed(client, method), fail: Effect.fail }
  const around = (open: Open): Open => {
    const chain = new MethodChain(client.interception, "clientStream", method, invocation, (each) => open(each.options))
    return (options?: AnyStreamOptions & AnyOptions) =>
      chain.hasSteps || options?.interceptors !== undefined
        ? services.effect(Effect.suspend(() => chain.run({}, options)))
        : open(options)
  }
  return Object.assign(around(open), { through: through(around(openObserved)) })
}

type Subscribed = Effect.Effect<Stream.Stream<unknown, PsrpcError>, PsrpcError, Scope.Scope>

export const subscriber = <O extends AnyOptions>(
  client: ClientState,
  method: Method,
  subscribe: (options?: O) => Subscribed
): ((options?: O) => Subscribed) => {
  const { services } = client.interception
  const invocation: Invocation<Subscribed> = { defer, fail: Effect.fail }
  const last = (each: StepCall) => subscribe(each.options)
  const chain = new MethodChain(client.interception, "subscribe", method, invocation, last)
  return (options) =>
    chain.hasSteps || options?.interceptors !== undefined
      ? services.effect(Effect.suspend(() => chain.run({}, options)))
      : subscribe(options)
}
