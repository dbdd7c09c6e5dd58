/** Calls with one answer. */
import { Effect, Exit, type Fiber } from "effect"
import type * as Metadata from "../metadata/model.ts"
import * as PsrpcError from "../../PsrpcError.ts"
import * as Envelope from "../wire/callEnvelope.ts"
import type { CallMethod } from "../definition/method.ts"
import * as Attributes from "../telemetry/attributes.ts"
import { outcomeOf } from "../telemetry/metrics/series.ts"
import { type CallSpan, templateOfCalls, within } from "../telemetry/spans.ts"
import { answerOf, errorOf } from "./answer.ts"
import { ClaimedCall } from "./claimedCall.ts"
import { unencodable } from "../errors/failures.ts"
import { type AnyCallOptions, preparation } from "./prepare.ts"
import { type ClientState, clientClosed, type Route } from "./state.ts"

class UnaryCall extends ClaimedCall<CallMethod> {
  request(route: Route, now: number, raw: Uint8Array, metadata: Metadata.Metadata): void {
    const { id } = this
    const request = {
      id,
      clientId: this.client.clientId,
      sentAt: now,
      expiry: this.expiry,
      multi: false,
      metadata,
      raw
    }
    this.series.send(raw.length)
    this.start(Envelope.encodeRequest(route.request, request))
  }

  response(response: Envelope.Response): void {
    const { method } = this
    if (method.requireClaim && this.chosen === undefined) {
      // a server that cannot read the request says so before any claim
      if (response.error === "") return
      this.series.receive(0)
      const rejection = errorOf(method, response, this.mayHaveRun) as PsrpcError.PsrpcError
      this.reject(rejection)
      // in a queue nobody else has the request; otherwise others may still claim
      if (method.queue) this.fail(rejection)
    } else if (this.chosen === undefined || response.serverId === this.chosen || response.serverId === "") {
      if (this.chosen === undefined) this.span?.attribute(Attributes.peerId, response.serverId)
      this.series.receive(response.raw.length)
      if (response.error === "") {
        const answer = answerOf(method, response.raw)
        return answer._tag === "Success" ? this.settle(Exit.succeed(answer.success), "ok") : this.fail(answer.failure)
      }
      // a handler that its deadline ends may answer, in time by its own clock, whatever its language calls that
      if (this.client.deadlines.now() >= this.expiry) return this.fail(this.timedOut())
      this.settle(Exit.fail(errorOf(method, response, this.mayHaveRun)), outcomeOf(response.code))
    }
  }
}

/** The function that calls a method; all that is made once is made here. */
export const unary = (
  client: ClientState,
  method: CallMethod
): ((request: unknown, options?: AnyCallOptions) => Effect.Effect<unknown, unknown>) => {
  const { label } = method
  const prepare = preparation(client, method)

  const spanTemplate = templateOfCalls(method, "client")
  const series = client.metrics.of(method)

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
    const call = new UnaryCall(client, method, prepared, span, series)
    const metadata = span === undefined ? prepared.metadata : span.into(prepared.metadata)
    return Effect.callback((resume) => {
      // the fiber may have yielded since
      if (client.closed) return resume(Effect.fail(clientClosed(label, false)))
      call.resumeTo(resume)
      call.request(prepared.route, prepared.now, raw, metadata)
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
