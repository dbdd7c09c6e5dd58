/** Unary calls: one request, one response. */
import { Effect, Exit, type Fiber } from "effect"
import * as PsrpcError from "../../PsrpcError.ts"
import type { CallMethod } from "../definition/method.ts"
import { unencodable } from "../errors/failures.ts"
import * as Attributes from "../telemetry/attributes.ts"
import { outcomeOf } from "../telemetry/metrics/series.ts"
import { type CallSpan, templateOfCalls, within } from "../telemetry/spans.ts"
import * as Envelope from "../wire/callEnvelope.ts"
import { type CallKind, OneServerCall } from "./oneServerCall.ts"
import { type AnyCallOptions, preparation } from "./prepare.ts"
import { decodeError, decodeResponse } from "./response.ts"
import { type ClientState, clientClosed } from "./clientState.ts"

/** Makes the function that calls a method, with everything that is made once. */
export const unary = (
  client: ClientState,
  method: CallMethod
): ((request: unknown, options?: AnyCallOptions) => Effect.Effect<unknown, unknown>) => {
  const { label } = method
  const prepare = preparation(client, method)
  const spanTemplate = templateOfCalls(method, "client")
  const series = client.metrics.of(method)

  const kind: CallKind = {
    onResponse(call, response) {
      const { chosen } = call
      if (method.requireClaim && chosen === undefined) return onRejection(call, response)
      if (chosen !== undefined && response.serverId !== chosen && response.serverId !== "") return
      if (chosen === undefined) call.span?.attribute(Attributes.peerId, response.serverId)
      series.receive(response.raw.length)
      if (response.error === "") {
        const decoded = decodeResponse(method, response)
        if (decoded._tag === "Success") call.settle(Exit.succeed(decoded.success), "ok")
        else call.fail(decoded.failure)
      } else if (client.deadlines.now() >= call.expiry) {
        // the error of a handler that its deadline has interrupted: each language has its own
        call.fail(call.timeoutError())
      } else call.settle(Exit.fail(decodeError(method, response, call.mayHaveRun)), outcomeOf(response.code))
    },
    onEnded(call, outcome) {
      call.count(outcome)
    }
  }

  /** A server that cannot decode the request responds before any claim. */
  const onRejection = (call: OneServerCall, response: Envelope.Response): void => {
    if (response.error === "") return
    series.receive(0)
    const rejection = decodeError(method, response, call.mayHaveRun) as PsrpcError.PsrpcError
    call.reject(rejection)
    // in a queue no other server has the request
    if (method.queue) call.fail(rejection)
  }

  const run = (
    fiber: Fiber.Fiber<unknown, unknown>,
    request: unknown,
    options: AnyCallOptions | undefined,
    span: CallSpan | undefined
  ): Effect.Effect<unknown, unknown> => {
    const prepared = prepare(fiber, options)
    if (PsrpcError.is(prepared)) return Effect.fail(prepared)
    let raw: Uint8Array
    try {
      raw = method.request.encode(request)
    } catch (cause) {
      return Effect.fail(unencodable(label, "request", cause))
    }
    const { now, route } = prepared
    const metadata = span === undefined ? prepared.metadata : span.into(prepared.metadata)
    const call = new OneServerCall(client, method, kind, prepared, span, series)
    return Effect.callback((resume) => {
      // the client may have been closed since the preparation
      if (client.closed) return resume(Effect.fail(clientClosed(label, false)))
      call.resumeTo(resume)
      series.send(raw.length)
      const { expiry, id } = call
      const envelope = { id, clientId: client.clientId, sentAt: now, expiry, multi: false, metadata, raw }
      call.start(Envelope.encodeRequest(route.request, envelope))
      return Effect.sync(() => call.cancel())
    })
  }

  return (request, options) =>
    Effect.withFiber((fiber) =>
      fiber.cache.tracer === undefined
        ? run(fiber, request, options, undefined)
        : within(fiber, spanTemplate, Attributes.topic(method, options?.topic), (span) =>
            run(fiber, request, options, span)
          )
    )
}
