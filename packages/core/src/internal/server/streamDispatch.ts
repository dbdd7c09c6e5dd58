/** Streams, from the server's side: their opening, and what the open ones receive. */
import { Cause, Effect, type Exit } from "effect"
import type { ServerStream } from "../../BidiStream.ts"
import type { Delivery } from "../../MessageBus.ts"
import type { Header } from "../metadata/model.ts"
import * as PsrpcError from "../../PsrpcError.ts"
import type { StreamMethod } from "../definition/method.ts"
import * as Envelope from "../wire/streamEnvelope.ts"
import { causeOf } from "../stream/causes.ts"
import { Endpoint } from "../stream/endpoint.ts"
import { StreamSpan } from "../telemetry/streamSpan.ts"
import { Dispatch, Job } from "./dispatch.ts"
import type { AnyCall, AnyEffect, AnyTopic } from "../calls/callContext.ts"
import type { Interruption, ServerState } from "./serverState.ts"

/** The handler of a stream, ready to run. */
export interface StreamHandler {
  readonly handle: (stream: ServerStream<unknown, unknown>, call: AnyCall) => AnyEffect
  /** How well this server fits; `undefined` where the method has no affinity. */
  readonly affinity: ((call: AnyCall) => number | AnyEffect) | undefined
}

/** A stream in hand, from its opening until it is closed and its handler has returned. */
class StreamJob extends Job {
  readonly opening: Envelope.StreamOpen
  end: Endpoint | undefined
  isOpen = false
  span: StreamSpan | undefined
  isHijacked = false
  isInterrupted = false
  hasReturned = false

  constructor(dispatch: StreamDispatch, call: AnyCall, opening: Envelope.StreamOpen) {
    super(dispatch, opening.requestId, call)
    this.opening = opening
  }
}

export class StreamDispatch extends Dispatch<StreamMethod, StreamJob> {
  readonly #handler: StreamHandler
  readonly #byStream = new Map<string, StreamJob>()
  #isLeaving = false

  constructor(server: ServerState, method: StreamMethod, topic: AnyTopic, handler: StreamHandler) {
    super(server, method, topic)
    this.#handler = handler
  }

  readonly onRequest = (bytes: Uint8Array): void => {
    const { deadlines, drops, killed } = this.server
    if (killed) return
    const { method } = this
    const message = Envelope.decodeStream(bytes)
    if (typeof message === "string") return drops(message, method.label)
    const job = this.#byStream.get(message.streamId)
    if (message.kind !== "open") {
      // every server of the method hears of every stream
      if (job === undefined) return
      if (job.end !== undefined) job.end.receive(message)
      else if (message.kind === "close") this.forget(job, "canceled")
      return
    }
    const { clientId: remoteId, expiry, metadata, requestId, sentAt } = message
    const header: Header = { remoteId, sentAt, expiry, metadata }
    // an open stream lasts as long as it does
    const { name, service } = method
    const call = { service, method: name, requestId, topic: this.topic, header, deadline: Infinity }
    if (!(expiry > deadlines.now())) return this.dropped("expired", call)
    if (job !== undefined || this.jobs.has(requestId)) return this.dropped("repeated", call)
    // others may claim it
    if (this.#isLeaving && method.requireClaim) return this.dropped("leaving", call)
    this.arrived(new StreamJob(this, call, message))
  }

  protected affinity(job: StreamJob): number | AnyEffect | undefined {
    return this.#handler.affinity?.(job.call)
  }

  protected override admit(job: StreamJob): void {
    super.admit(job)
    this.#byStream.set(job.opening.streamId, job)
  }

  protected override remove(job: StreamJob): void {
    this.#byStream.delete(job.opening.streamId)
    super.remove(job)
  }

  protected run(job: StreamJob): void {
    const { bus, deadlines, drops, keepalive, replies, sendTimeout, streamBufferSize } = this.server
    const { opening } = job
    const target = replies.get(opening.clientId).stream
    const { receive, label, send } = this.method
    const refusal = this.#isLeaving ? eof : this.isFull(job) ? this.tooMany(job.call) : undefined
    this.started(job)
    this.admit(job)
    deadlines.delete(job)
    const span = refusal === undefined ? this.spanOf(job) : undefined
    if (span !== undefined) job.span = new StreamSpan(span, opening.streamId)
    const end = new Endpoint({
      streamId: opening.streamId,
      label,
      bus,
      target,
      deadlines,
      drops: (reason, where, detail, warning) => drops(reason, where, detail, warning, job.call),
      // what the client receives
      send: receive,
      receive: send,
      bufferSize: streamBufferSize,
      timeout: sendTimeout,
      keepalive,
      series: this.series,
      span: job.span,
      onClosed: () => {
        if (job.isOpen) this.series.openStreams--
        job.isOpen = false
        this.#release(job)
      }
    })
    job.end = end
    if (refusal !== undefined) {
      job.hasReturned = true
      return end.closeUnsafe(refusal)
    }
    const delivery: Delivery = {
      wanted: () => !end.isClosed,
      delivered: (receivers) => {
        if (receivers === 0) end.vanished("nobody listens", "no_listeners")
      },
      undelivered: (error) => this.dropped("undelivered", job.call, error.message)
    }
    job.isOpen = true
    this.series.openStreams++
    end.opened(opening)
    bus.publishUnsafe(target, Envelope.encodeStreamAck(target, opening, end.capabilities), opening.expiry, delivery)
    const stream: ServerStream<unknown, unknown> = {
      ...end.api,
      hijack: Effect.sync(() => {
        job.isHijacked = true
      })
    }
    const fiber = this.fork(
      job,
      Effect.suspend(() => this.#handler.handle(stream, job.call)),
      span?.span
    )
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return this.#returned(job, end, exit)
    job.fiber = fiber
    fiber.addObserver((exit) => this.#returned(job, end, exit))
    // by what it has done itself before it first waited
    if (job.isInterrupted) fiber.interruptUnsafe()
  }

  protected interruptHandler(job: StreamJob, interruption: Interruption): void {
    // a client that gives up closes the stream
    if (interruption !== "closing") return
    job.isInterrupted = true
    job.end?.closeUnsafe(eof)
    job.fiber?.interruptUnsafe()
  }

  /** No more streams, and those that are open end here: their clients go elsewhere, their handlers finish. */
  override leave(): void {
    this.#isLeaving = true
    for (const { end } of Array.from(this.#byStream.values())) end?.closeUnsafe(eof)
  }

  /** Closes the stream of a handler that has returned, unless it lives on. */
  #returned(job: StreamJob, end: Endpoint, exit: Exit.Exit<unknown, unknown>): void {
    job.hasReturned = true
    job.span?.returned(exit)
    if (exit._tag === "Failure") {
      const { cause } = exit
      const failure = Cause.findErrorOption(cause)
      if (Cause.hasDies(cause)) this.log(job.call, `psrpc: the handler of ${this.method.label} died`, cause)
      end.closeUnsafe(failure._tag === "Some" ? PsrpcError.fromUnknown(failure.value) : causeOf(cause))
    } else if (!job.isHijacked) end.closeUnsafe()
    this.#release(job)
  }

  #release(job: StreamJob): void {
    if (!job.hasReturned || job.end?.isClosed !== true || !this.jobs.has(job.id)) return
    job.span?.end()
    this.finished(job, job.end.outcome)
    this.remove(job)
  }
}

/** What the streams of a server end with that closes, as in Go. */
const eof = PsrpcError.fromCode("unavailable", { message: "EOF", reason: "server_closed" })
