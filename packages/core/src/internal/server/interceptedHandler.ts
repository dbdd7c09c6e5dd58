/** The interceptors around a server's handlers. */
import type { ServerStream } from "../../BidiStream.ts"
import type { CalledMethod } from "../definition/method.ts"
import type { AnyHandler } from "./handlerOf.ts"
import type { AnyCall, AnyEffect } from "../calls/callContext.ts"
import { compose, type Entry, infoOf, defer, stepsOf } from "../interceptors/chain.ts"
import type { ServerStreamCall } from "../calls/interceptedCalls.ts"
import type { Answering, Streaming } from "../interceptors/handlerSteps.ts"

/** Returns a handler inside of the interceptors of its kind, composed once. An affinity function has no interceptors. */
export const intercepted = (entries: ReadonlyArray<Entry>, method: CalledMethod, handler: AnyHandler): AnyHandler => {
  const steps = stepsOf(entries, method.kind === "stream" ? "serverStream" : "server")
  if (steps.length === 0) return handler
  const handle = handler.handle as (given: unknown, call: AnyCall) => AnyEffect
  const info = infoOf(method)
  if (method.kind === "stream") {
    const run = compose<Streaming, AnyEffect>(
      steps,
      defer(({ about, call }) => handle(about.stream, call)),
      defer
    )
    const streaming = (stream: ServerStream<unknown, unknown>, call: AnyCall): AnyEffect =>
      run({ about: { ...info, ...call, kind: "stream", stream: stream as ServerStreamCall["stream"] }, call })
    return { ...handler, isIntercepted: true, handle: streaming as AnyHandler["handle"] }
  }
  const { kind } = method
  const run = compose<Answering, AnyEffect>(
    steps,
    defer(({ about, call }) => handle(about.request, call)),
    defer
  )
  const answering = (request: unknown, call: AnyCall): AnyEffect =>
    run({ method, about: { ...info, ...call, kind, request }, call })
  return { ...handler, isIntercepted: true, handle: answering as AnyHandler["handle"] }
}
