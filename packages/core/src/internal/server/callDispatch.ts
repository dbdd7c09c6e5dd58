/** Requests of unary and multi methods: from the envelope to the handler, and from its exit to the response. */
import { Cause, Effect, Exit } from "effect"
import type { Delivery } from "../../MessageBus.ts"
import * as PsrpcError from "../../PsrpcError.ts"
import type { AnyCall, AnyEffect, AnyTopic } from "../calls/callContext.ts"
import type { CallControl } from "../calls/callControl.ts"
import type { CallMethod } from "../definition/method.ts"
import type { WireError } from "../errors/domainError.ts"
import { messageOf } from "../errors/messageOf.ts"
import type { Header } from "../metadata/model.ts"
import { type Outcome, outcomeOf } from "../telemetry/metrics/series.ts"
import type { CallSpan } from "../telemetry/spans.ts"
import * as Envelope from "../wire/callEnvelope.ts"
import { ClaimGate, InFlightRequest, type RequestKind } from "./claimGate.ts"
import type { Dispatch } from "./registrations.ts"
import { ServedMethod } from "./servedMethod.ts"
import type { Interruption, ServerState } from "./serverState.ts"
import { internal, wireError } from "./wireError.ts"

/** A handler of a unary or multi method. */
export interface CallHandler {
  readonly isIntercepted: boolean
  readonly handle: (request: unknown, call: AnyCall) => AnyEffect
  /** The affinity function; `undefined` for a method without affinity. */
  readonly affinity: ((request: unknown, call: AnyCall) => number | AnyEffect) | undefined
}

const noBytes = new Uint8Array(0)

class CallRequest extends InFlightRequest implements CallControl {
  readonly request: unknown
  interruption: Interruption | undefined
  isAnswered = false
  runsToCompletion = false
  /** The outcome that the metrics count: that of the response. */
  outcome: Outcome = "ok"
  span: CallSpan | undefined

  constructor(gate: ClaimGate<CallRequest>, id: string, call: AnyCall, request: unknown) {
    super(gate, id, call)
    this.request = request
  }

  runToCompletion(): void {
    this.runsToCompletion = true
  }
}

export class CallDispatch implements Dispatch, RequestKind<CallRequest> {
  readonly #served: ServedMethod<CallMethod>
  readonly #handler: CallHandler
  readonly gate: ClaimGate<CallRequest>

  constructor(server: ServerState, method: CallMethod, topic: AnyTopic, handler: CallHandler) {
    this.#served = new ServedMethod(server, method, topic)
    this.#handler = handler
    this.gate = new ClaimGate(this.#served, this)
  }

  /** The listener of requests. */
  readonly onRequest = (message: Uint8Array): void => {
    const served = this.#served
    const { method, server } = served
    if (server.isKilled) return
    const envelope = Envelope.decodeRequest(message)
    if (typeof envelope === "string") return server.drops(envelope, method.label)
    const { clientId: remoteId, expiry, id, metadata, sentAt } = envelope
    const header: Header = { remoteId, sentAt, expiry, metadata }
    if (!(expiry > server.deadlines.now())) return served.drop("expired", { requestId: id, header })
    if (this.gate.has(id)) return served.drop("repeated", { requestId: id, header })
    let request: unknown
    try {
      request = method.request.decode(envelope.raw)
    } catch (cause) {
      served.drop("malformed", { requestId: id, header }, cause)
      const text = `the request cannot be decoded (${method.label}): ${messageOf(cause)}`
      return this.#send(id, header, noBytes, { code: "malformed_request", message: text, details: [] })
    }
    const { name, service } = method
    const call = { service, method: name, requestId: id, topic: served.topic, header, deadline: expiry }
    served.series.receive(envelope.raw.length)
    this.gate.dispatch(new CallRequest(this.gate, id, call, request))
  }

  affinity({ call, request }: CallRequest): number | AnyEffect | undefined {
    return this.#handler.affinity?.(request, call)
  }

  /** Runs the handler. A handler that completes synchronously is not tracked. */
  onReady(request: CallRequest): void {
    const served = this.#served
    const { call } = request
    served.started(request)
    if (this.gate.isFull(request)) {
      this.#respond(request, noBytes, wireError(this.gate.tooManyRequests(call)))
      return served.finished(request, request.outcome)
    }
    request.span = served.startSpan(call)
    const fiber = served.fork(
      call,
      Effect.suspend(() => this.#handler.handle(request.request, call)),
      request.span?.span,
      this.#handler.isIntercepted ? request : undefined
    )
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return this.#finish(request, exit)
    request.fiber = fiber
    this.gate.track(request)
    fiber.addObserver((exit) => this.#finish(request, exit))
  }

  onInterrupt(request: CallRequest, interruption: Interruption): void {
    const { method } = this.#served
    if (interruption !== "closing" && (method.runToCompletion || request.runsToCompletion)) return
    request.interruption ??= interruption
    request.fiber?.interruptUnsafe()
    // the caller has its response at once, even if the handler takes time to stop
    if (interruption === "closing" && this.gate.has(request.id) && !request.isAnswered) {
      request.isAnswered = true
      this.#respond(request, noBytes, interrupted("closing", method.label))
    }
  }

  #finish(request: CallRequest, exit: Exit.Exit<unknown, unknown>): void {
    if (exit._tag === "Failure") this.#fail(request, exit.cause)
    else if (!request.isAnswered) this.#succeed(request, exit.value)
    else endSpan(request, interrupted("closing", this.#served.method.label))
    this.#served.finished(request, request.outcome)
    this.gate.remove(request)
  }

  #succeed(request: CallRequest, value: unknown): void {
    const { label, response } = this.#served.method
    let raw: Uint8Array
    try {
      raw = response.encode(value)
    } catch (cause) {
      this.#served.log(request.call, `psrpc: the response of ${label} cannot be encoded`, Cause.die(cause))
      // the cause is only logged: its text may contain anything
      const error = { code: "malformed_result", message: `the response cannot be encoded (${label})`, details: [] }
      endSpan(request, error)
      return this.#respond(request, noBytes, error)
    }
    request.span?.end(Exit.void)
    this.#respond(request, raw, undefined)
  }

  #fail(request: CallRequest, cause: Cause.Cause<unknown>): void {
    const { call, interruption } = request
    const { label } = this.#served.method
    if (Cause.hasInterruptsOnly(cause)) {
      const error = interrupted(interruption, label)
      endSpan(request, error, interruption === "deadline" || interruption === "closing" ? undefined : cause)
      if (request.isAnswered) return
      // a caller that has canceled needs no response; after the deadline it gets one, in case its clock is behind
      if (interruption === "canceled") request.outcome = "canceled"
      else this.#respond(request, noBytes, error)
      return
    }
    const failure = Cause.findErrorOption(cause)
    // a defect, alone or beside a failure, is only logged: its text may contain anything
    if (failure._tag === "None" || Cause.hasDies(cause)) {
      this.#served.log(call, `psrpc: the handler of ${label} died`, cause)
    }
    const error = failure._tag === "None" ? internal : this.#wireError(call, failure.value)
    endSpan(request, error, cause)
    if (!request.isAnswered) this.#respond(request, noBytes, error)
  }

  #wireError(call: AnyCall, error: unknown): WireError {
    if (!PsrpcError.is(error)) {
      const { method } = this.#served
      try {
        const domainError = method.error?.encode(error)
        if (domainError !== undefined) return domainError
      } catch (defect) {
        this.#served.log(call, `psrpc: an error of ${method.label} cannot be encoded`, Cause.die(defect))
        return internal
      }
    }
    return wireError(error)
  }

  #respond(request: CallRequest, raw: Uint8Array, error: WireError | undefined): void {
    request.outcome = error === undefined ? "ok" : outcomeOf(error.code)
    this.#send(request.id, request.call.header, raw, error)
  }

  #send(
    id: string,
    header: Header,
    raw: Uint8Array,
    error: WireError | undefined,
    delivery: Delivery = new ResponseDelivery(this, id, header)
  ): void {
    const { series, server } = this.#served
    const { bus, deadlines, replies, serverId } = server
    const target = replies.get(header.remoteId).response
    const response = {
      id,
      serverId,
      sentAt: deadlines.now(),
      raw,
      // a response without an error text would be a result
      error: error === undefined ? "" : error.message || error.code,
      code: error === undefined ? "" : error.code,
      details: error === undefined ? Envelope.emptyDetails : error.details
    }
    series.send(raw.length)
    bus.publishUnsafe(target, Envelope.encodeResponse(target, response), header.expiry, delivery)
  }

  /** A response was not sent. The caller's deadline covers that, unless the response is too large. */
  onUndelivered(id: string, header: Header, error: PsrpcError.PsrpcError): void {
    const { delivery, method } = this.#served
    this.#served.drop("undelivered", { requestId: id, header }, error.message)
    if (error.reason !== "too_large") return
    this.#served.log(
      { requestId: id, header },
      `psrpc: the response of ${method.label} is too large`,
      Cause.fail(error)
    )
    const message = `the response is larger than the broker accepts (${method.label})`
    this.#send(id, header, noBytes, { code: "resource_exhausted", message, details: [] }, delivery)
  }
}

class ResponseDelivery implements Delivery {
  readonly #dispatch: CallDispatch
  readonly #id: string
  readonly #header: Header

  constructor(dispatch: CallDispatch, id: string, header: Header) {
    this.#dispatch = dispatch
    this.#id = id
    this.#header = header
  }

  wanted(): boolean {
    return true
  }

  delivered(): void {}

  undelivered(error: PsrpcError.PsrpcError): void {
    this.#dispatch.onUndelivered(this.#id, this.#header, error)
  }
}

/** Ends the span with the error of the response, or with a cause that is more precise. */
const endSpan = ({ span }: CallRequest, { code, message }: WireError, cause?: Cause.Cause<unknown>): void => {
  if (span === undefined) return
  span.end(cause === undefined ? Exit.fail(PsrpcError.fromCode(code, { message })) : Exit.failCause(cause), code)
}

const interrupted = (interruption: Interruption | undefined, label: string): WireError =>
  interruption === "deadline"
    ? { code: "deadline_exceeded", message: "request timed out", details: [] }
    : interruption === "closing"
      ? { code: "unavailable", message: `server is closing (${label})`, details: [] }
      : { code: "canceled", message: "request canceled", details: [] }
