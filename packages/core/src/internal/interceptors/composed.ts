/** Interceptors that are made of those of single kinds. Public in `Interceptor`. */
import { type Context, Effect, Stream } from "effect"
import type { BidiStream } from "../../BidiStream.ts"
import type { PsrpcError } from "../../PsrpcError.ts"
import type { CallOf, Message } from "../calls/interceptedCalls.ts"
import type { Any, Interceptor, Wraps } from "../calls/interceptorTypes.ts"
import { merge } from "../metadata/combine.ts"
import type { Metadata } from "../metadata/model.ts"
import { effectOf, entriesOf, functionOf, make } from "./chain.ts"
import * as Kinds from "./kinds.ts"

const server = Kinds.server("server")
const serverStream = Kinds.server("serverStream")
const client = Kinds.client("client")
const clientMulti = Kinds.client("clientMulti")
const clientStream = Kinds.client("clientStream")

export const all = <const I extends ReadonlyArray<Any>>(...interceptors: I): Interceptor<Wraps<I>> =>
  make(entriesOf(interceptors)) as never

/** An open stream of any method, at either end. */
export type AnyStream = BidiStream<Message, Message>

/** A stream's call, at either end. */
export type StreamCall = CallOf<"clientStream"> | CallOf<"serverStream">

export const stream = <R>(
  f: (stream: AnyStream, call: StreamCall) => AnyStream | Effect.Effect<AnyStream, PsrpcError, R>
): never => {
  functionOf("stream", f)
  const wrapped = (given: AnyStream, call: StreamCall) =>
    Effect.suspend(() => {
      const own = f(given, call)
      return Effect.isEffect(own) ? own : Effect.succeed(own)
    })
  return all(
    clientStream((call, next) => Effect.flatMap(next(), (given) => wrapped(given, call))),
    serverStream((call, next) =>
      Effect.flatMap(wrapped(call.stream, call), (own) => next({ stream: { ...own, hijack: call.stream.hijack } }))
    )
  ) as never
}

/** A call that a server answers. */
export type AnsweredCall = CallOf<"server"> | CallOf<"serverStream">

export const provide = <I, S, R>(
  key: Context.Key<I, S>,
  f: (call: AnsweredCall) => Effect.Effect<S, PsrpcError, R>
): never => {
  functionOf("provide", f)
  const around = <A, E, Q>(call: AnsweredCall, rest: Effect.Effect<A, E, Q>) =>
    Effect.flatMap(effectOf(f(call)), (service) => Effect.provideService(rest, key, service))
  return all(
    server({ provides: key }, (call, next) => around(call, next())),
    serverStream({ provides: key }, (call, next) => around(call, next()))
  ) as never
}

/** A call of a client that has metadata. */
export type CarryingCall = CallOf<"client"> | CallOf<"clientMulti"> | CallOf<"clientStream">

export const metadata = <R>(f: Metadata | ((call: CarryingCall) => Effect.Effect<Metadata, PsrpcError, R>)): never => {
  const of = (call: CarryingCall): Effect.Effect<{ readonly metadata: Metadata }, PsrpcError, R> =>
    Effect.map(typeof f === "function" ? f(call) : Effect.succeed(f), (own) => ({
      metadata: merge(own, call.options.metadata)
    }))
  return all(
    client((call, next) => Effect.flatMap(of(call), next)),
    clientMulti((call, next) => Stream.unwrap(Effect.map(of(call), next))),
    clientStream((call, next) => Effect.flatMap(of(call), next))
  ) as never
}
