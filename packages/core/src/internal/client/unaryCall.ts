/** Unary calls: one request, one response. Multi calls share the decoding of responses. */
import { Effect, Exit, type Fiber, Result } from "effect"
import * as PsrpcError from "../../PsrpcError.ts"
import type { CallMethod } from "../definition/method.ts"
import { unencodable } from "../errors/failures.ts"
import { messageOf } from "../errors/messageOf.ts"
import * as Attributes from "../telemetry/attributes.ts"
import { outcomeOf } from "../telemetry/metrics/series.ts"
import { type CallSpan, templateOfCalls, within } from "../telemetry/spans.ts"
import * as Envelope from "../wire/callEnvelope.ts"
import { type CallKind, OneServerCall } from "./oneServerCall.ts"
import { type AnyCallOptions, preparation } from "./prepare.ts"
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
    if (!("route" in prepared)) return Effect.fail(prepared)
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

/** Decodes the result in a response without an error. Fails with `malformed_result`. */
export const decodeResponse = (
  method: CallMethod,
  { raw }: Envelope.Response
): Result.Result<unknown, PsrpcError.PsrpcError> => {
  try {
    return Result.succeed(method.response.decode(raw))
  } catch (cause) {
    return Result.fail(
      PsrpcError.fromCode("malformed_result", {
        message: `the response cannot be decoded (${method.label}): ${messageOf(cause)}`,
        cause
      })
    )
  }
}

/** Decodes the error in a response: a domain error of the method, or a `PsrpcError`. */
export const decodeError = (method: CallMethod, response: Envelope.Response, mayHaveRun: boolean): unknown => {
  const { code, details, error: message } = response
  return method.error?.decode({ code, message, details }) ?? PsrpcError.fromCode(code, { message, details, mayHaveRun })
}
