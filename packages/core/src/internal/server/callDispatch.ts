/** Calls, with one answer or one from every server, from the server's side. */
import { Cause, Effect, Exit } from "effect"
import type { Delivery } from "../../MessageBus.ts"
import type { Header } from "../metadata/model.ts"
import * as PsrpcError from "../../PsrpcError.ts"
import type { WireError } from "../errors/domainError.ts"
import * as Envelope from "../wire/callEnvelope.ts"
import { messageOf } from "../errors/messageOf.ts"
import type { CallMethod } from "../definition/method.ts"
import { type Outcome, outcomeOf } from "../telemetry/metrics/series.ts"
import type { CallSpan } from "../telemetry/spans.ts"
import { Dispatch, Job } from "./dispatch.ts"
import type { AnyCall, AnyEffect, AnyTopic } from "../calls/callContext.ts"
import type { CallControl } from "../calls/callControl.ts"
import type { Interruption, ServerState } from "./serverState.ts"
import { internal, wireError } from "./wireError.ts"

/** A handler, ready to run. */
export interface CallHandler {
  readonly isIntercepted: boolean
  readonly handle: (request: unknown, call: AnyCall) => AnyEffect
  /** How well this server fits a request; `undefined` where the method has no affinity. */
  readonly affinity: ((request: unknown, call: AnyCall) => number | AnyEffect) | undefined
}

const noBytes = new Uint8Array(0)

/** A request in hand, from its arrival to its answer. */
class CallJob extends Job implements CallControl {
  readonly request: unknown
  interruption: Interruption | undefined
  answered = false
  runsToCompletion = false
  /** What it counts as: what its caller was told, or would have been. */
  outcome: Outcome = "ok"
  span: CallSpan | undefined

  constructor(dispatch: CallDispatch, id: string, call: AnyCall, request: unknown) {
    super(dispatch, id, call)
    this.request = request
  }

  runToCompletion(): void {
    this.runsToCompletion = true
  }
}

/** An answer on its way. */
class Answer implements Delivery {
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
    this.#dispatch.undelivered(this.#id, this.#header, error)
  }
}

/** A handler that ends in its first synchronous run leaves no trace. */
export class CallDispatch extends Dispatch<CallMethod, CallJob> {
  readonly #handler: CallHandler

  constructor(server: ServerState, method: CallMethod, topic: AnyTopic, handler: CallHandler) {
    super(server, method, topic)
    this.#handler = handler
  }

  readonly onRequest = (message: Uint8Array): void => {
    const { deadlines, drops } = this.server
    if (this.server.killed) return
    const { method } = this
    const envelope = Envelope.decodeRequest(message)
    if (typeof envelope === "string") return drops(envelope, method.label)
    const { clientId: remoteId, expiry, id, metadata, sentAt } = envelope
    const header: Header = { remoteId, sentAt, expiry, metadata }
    if (!(expiry > deadlines.now())) return this.dropped("expired", { requestId: id, header })
    if (this.jobs.has(id)) return this.dropped("repeated", { requestId: id, header })
    let request: unknown
    try {
      request = method.request.decode(envelope.raw)
    } catch (cause) {
      this.dropped("malformed", { requestId: id, header }, cause)
      const text = `the request cannot be decoded (${method.label}): ${messageOf(cause)}`
      return this.#answer(id, header, noBytes, { code: "malformed_request", message: text, details: [] })
    }
    const { name, service } = method
    const call = { service, method: name, requestId: id, topic: this.topic, header, deadline: expiry }
    this.series.receive(envelope.raw.length)
    this.arrived(new CallJob(this, id, call, request))
  }

  protected affinity(job: CallJob): number | AnyEffect | undefined {
    return this.#handler.affinity?.(job.request, job.call)
  }

  protected run(job: CallJob): void {
    this.started(job)
    if (this.isFull(job)) {
      this.#reply(job, noBytes, wireError(this.tooMany(job.call)))
      return this.finished(job, job.outcome)
    }
    job.span = this.spanOf(job)
    const fiber = this.fork(
      job,
      Effect.suspend(() => this.#handler.handle(job.request, job.call)),
      job.span?.span,
      this.#handler.isIntercepted ? job : undefined
    )
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return this.#finish(job, exit)
    job.fiber = fiber
    this.admit(job)
    fiber.addObserver((exit) => this.#finish(job, exit))
  }

  protected interruptHandler(job: CallJob, interruption: Interruption): void {
    if (interruption !== "closing" && (this.method.runToCompletion || job.runsToCompletion)) return
    job.interruption ??= interruption
    job.fiber?.interruptUnsafe()
    // who waits is told at once, also where the handler takes its time to stop
    if (interruption === "closing" && this.jobs.has(job.id) && !job.answered) {
      job.answered = true
      this.#reply(job, noBytes, interrupted("closing", this.method.label))
    }
  }

  #finish(job: CallJob, exit: Exit.Exit<unknown, unknown>): void {
    if (exit._tag === "Failure") this.#fail(job, exit.cause)
    else if (!job.answered) this.#succeed(job, exit.value)
    else endSpan(job, interrupted("closing", this.method.label))
    this.finished(job, job.outcome)
    this.remove(job)
  }

  #succeed(job: CallJob, value: unknown): void {
    const { label, response } = this.method
    let raw: Uint8Array
    try {
      raw = response.encode(value)
    } catch (cause) {
      this.log(job.call, `psrpc: the answer of ${label} cannot be encoded`, Cause.die(cause))
      // why is for the log: the text may hold what the caller must not see
      const error = { code: "malformed_result", message: `the answer cannot be encoded (${label})`, details: [] }
      endSpan(job, error)
      return this.#reply(job, noBytes, error)
    }
    job.span?.end(Exit.void)
    this.#reply(job, raw, undefined)
  }

  #fail(job: CallJob, cause: Cause.Cause<unknown>): void {
    if (Cause.hasInterruptsOnly(cause)) {
      const error = interrupted(job.interruption, this.method.label)
      endSpan(job, error, job.interruption === "deadline" || job.interruption === "closing" ? undefined : cause)
      if (job.answered) return
      // who has gone hears nothing; whose deadline has passed is told, in case its clock is behind
      if (job.interruption === "cancelled") job.outcome = "canceled"
      else this.#reply(job, noBytes, error)
      return
    }
    const failure = Cause.findErrorOption(cause)
    // a defect, alone or beside the failure, is for the log: its text may hold anything
    if (failure._tag === "None" || Cause.hasDies(cause))
      this.log(job.call, `psrpc: the handler of ${this.method.label} died`, cause)
    const error = failure._tag === "None" ? internal : this.#wireError(job.call, failure.value)
    endSpan(job, error, cause)
    if (!job.answered) this.#reply(job, noBytes, error)
  }

  /** Answers a request in hand. */
  #reply(job: CallJob, raw: Uint8Array, error: WireError | undefined): void {
    job.outcome = error === undefined ? "ok" : outcomeOf(error.code)
    this.#answer(job.id, job.call.header, raw, error)
  }

  #wireError(call: AnyCall, error: unknown): WireError {
    if (!PsrpcError.is(error)) {
      try {
        const own = this.method.error?.encode(error)
        if (own !== undefined) return own
      } catch (defect) {
        this.log(call, `psrpc: an error of ${this.method.label} cannot be encoded`, Cause.die(defect))
        return internal
      }
    }
    return wireError(error)
  }

  /** An answer came to nothing. The caller's deadline covers its loss, unless there is something to tell in its place. */
  undelivered(id: string, header: Header, error: PsrpcError.PsrpcError): void {
    this.dropped("undelivered", { requestId: id, header }, error.message)
    if (error.reason !== "too_large") return
    const { label } = this.method
    this.log({ requestId: id, header }, `psrpc: the answer of ${label} is too large`, Cause.fail(error))
    const message = `the answer is larger than the broker takes (${label})`
    this.#answer(id, header, noBytes, { code: "resource_exhausted", message, details: [] }, this.reply)
  }

  #answer(
    id: string,
    header: Header,
    raw: Uint8Array,
    error: WireError | undefined,
    delivery: Delivery = new Answer(this, id, header)
  ): void {
    const { bus, deadlines, replies, serverId } = this.server
    const target = replies.get(header.remoteId).response
    const response = {
      id,
      serverId,
      sentAt: deadlines.now(),
      raw,
      // an empty message would be an answer
      error: error === undefined ? "" : error.message || error.code,
      code: error === undefined ? "" : error.code,
      details: error === undefined ? Envelope.emptyDetails : error.details
    }
    this.series.send(raw.length)
    bus.publishUnsafe(target, Envelope.encodeResponse(target, response), header.expiry, delivery)
  }
}

/** Ends the span with what the caller is told, and with its cause where there is one that says more. */
const endSpan = (job: CallJob, error: WireError, cause?: Cause.Cause<unknown>): void => {
  if (job.span === undefined) return
  const { code, message } = error
  job.span.end(cause === undefined ? Exit.fail(PsrpcError.fromCode(code, { message })) : Exit.failCause(cause), code)
}

const interrupted = (interruption: Interruption | undefined, label: string): WireError =>
  interruption === "deadline"
    ? { code: "deadline_exceeded", message: "request timed out", details: [] }
    : interruption === "closing"
      ? { code: "unavailable", message: `server is closing (${label})`, details: [] }
      : { code: "canceled", message: "request canceled", details: [] }
