/** Multi calls: one request, a response from each server. */
import { Cause, Effect, Exit, type Fiber, Result, type Scope, Stream } from "effect"
import type { Delivery, Target } from "../../MessageBus.ts"
import * as PsrpcError from "../../PsrpcError.ts"
import { type Timed, Timer } from "../time/deadlines.ts"
import * as Envelope from "../wire/callEnvelope.ts"
import { connectionLost, noListeners, unencodable } from "../errors/failures.ts"
import { newRequestId } from "../wire/id.ts"
import { invalidArgument } from "../errors/invalidArgument.ts"
import { done, Mailbox } from "../stream/mailbox.ts"
import { messageOf } from "../errors/messageOf.ts"
import type { CallMethod } from "../definition/method.ts"
import { millisOf } from "../time/millis.ts"
import { countOf } from "../support/count.ts"
import * as Attributes from "../telemetry/attributes.ts"
import { type CallSpan, templateOfCalls, withOpenSpan } from "../telemetry/spans.ts"
import type { Outcome, Series } from "../telemetry/metrics/series.ts"
import { type AnyCallOptions, type Prepared, preparation } from "./prepare.ts"
import { type ClientState, clientClosed, type PendingCall } from "./clientState.ts"
import { decodeError, decodeResponse } from "./unaryCall.ts"

/** Options of a multi call of any method. */
export interface AnyMultiOptions extends AnyCallOptions {
  readonly expect?: number | undefined
  readonly idleTimeout?: Parameters<typeof millisOf>[1] | undefined
  readonly multiBufferSize?: number | undefined
}

interface AnyResponse {
  readonly serverId: string
  readonly result: Result.Result<unknown, unknown>
}

/** A multi call, from its request to its last response. It is the `Delivery` of its request. */
class MultiCall implements Timed, Delivery, PendingCall {
  slot = -1
  due = 0
  seq = 0

  readonly #id = newRequestId()
  readonly #client: ClientState
  readonly #method: CallMethod
  readonly #cancelTarget: Target
  readonly #expiry: number
  readonly #expect: number
  readonly #idle: number | undefined
  readonly #capacity: number
  readonly #mailbox: Mailbox<AnyResponse>
  readonly #servers = new Set<string>()
  readonly #idleTimer = new Timer(() => this.expired())
  /** Whether the request may have reached a server. */
  #isSent = false
  /** The number of dropped responses that the Stream does not report yet. */
  #dropped = 0
  /** The number of reports of dropped responses in the mailbox, which do not count as responses. */
  #reports = 0
  #sendError: PsrpcError.PsrpcError | undefined
  readonly #span: CallSpan | undefined
  readonly #series: Series
  /** Milliseconds on the monotonic clock. */
  #startedAt = 0

  constructor(
    client: ClientState,
    method: CallMethod,
    prepared: Prepared,
    options: { readonly capacity: number; readonly expect: number; readonly idle: number | undefined },
    span: CallSpan | undefined,
    series: Series
  ) {
    this.#series = series
    this.#span = span
    span?.attribute(Attributes.requestId, this.#id)
    this.#client = client
    this.#method = method
    this.#cancelTarget = prepared.route.claimResponse
    this.#expiry = prepared.now + prepared.timeout
    this.#expect = options.expect
    this.#idle = options.idle
    this.#capacity = options.capacity
    this.#mailbox = new Mailbox(() => {
      this.#reports = 0
      this.#reportDropped()
    })
  }

  start(
    { metadata, now, route, timeout }: Prepared,
    raw: Uint8Array
  ): Stream.Stream<AnyResponse, PsrpcError.PsrpcError> {
    const { bus, calls, clientId, deadlines } = this.#client
    const request = {
      id: this.#id,
      clientId,
      sentAt: now,
      expiry: this.#expiry,
      multi: true,
      metadata: this.#span?.into(metadata) ?? metadata,
      raw
    }
    const message = Envelope.encodeRequest(route.request, request)
    calls.set(this.#id, this)
    this.#startedAt = deadlines.add(this, timeout)
    this.#series.started++
    this.#series.send(raw.length)
    bus.publishUnsafe(route.request, message, this.#expiry, this)
    return this.#mailbox.batches
  }

  /** Servers do not claim a request that each of them answers. */
  claim(): void {}

  response(response: Envelope.Response): void {
    const { serverId } = response
    // one response each, even if the broker delivers it twice
    if (this.#servers.has(serverId)) return this.#client.drops("repeated", this.#method.label, "answers")
    this.#servers.add(serverId)
    this.#series.receive(response.raw.length)
    this.#span?.event("answer", {
      [Attributes.peerId]: serverId,
      ...(response.error !== "" && { [Attributes.statusCode]: response.code || "unknown" })
    })
    if (this.#mailbox.size - this.#reports < this.#capacity) {
      const result =
        response.error === ""
          ? decodeResponse(this.#method, response)
          : Result.fail(decodeError(this.#method, response, true))
      this.#mailbox.push({ serverId, result })
    } else {
      this.#dropped++
      this.#client.drops("overflow", this.#method.label, "answers")
    }
    if (this.#servers.size >= this.#expect) return this.finish()
    // the reader runs within the push, and may have ended the call
    if (this.#idle !== undefined && this.wanted()) this.#client.deadlines.add(this.#idleTimer, this.#idle)
  }

  /** Reports the dropped responses as an element of the Stream. */
  #reportDropped(): void {
    if (this.#dropped === 0) return
    const message = `${this.#dropped} responses were dropped: the buffer of ${this.#capacity} responses was full (${this.#method.label})`
    this.#dropped = 0
    const error = PsrpcError.fromCode("resource_exhausted", { message, reason: "overflow" })
    this.#reports++
    this.#mailbox.push({ serverId: "", result: Result.fail(error) })
  }

  /** The deadline of the call, or the idle timeout, has passed. Responses may be missing if the connection is lost. */
  expired(): void {
    const cause = this.#sendError ?? this.#client.bus.failure()
    if (cause === undefined) return this.finish()
    this.#cancel()
    this.#fail(connectionLost(this.#method.label, cause))
  }

  wanted(): boolean {
    return this.#client.calls.has(this.#id)
  }

  delivered(receivers: number): void {
    if (receivers === 0) this.#fail(noListeners(this.#method.label))
    else this.#isSent = true
  }

  undelivered(error: PsrpcError.PsrpcError): void {
    if (!error.mayHaveRun) return this.#fail(error)
    // the message may have left, and responses may arrive after a reconnect
    this.#sendError = error
    this.#isSent = true
  }

  close(): void {
    this.#cancel()
    this.#fail(clientClosed(this.#method.label, true))
  }

  /** Ends the call, and cancels the request at the servers. `exit` is that of the reader, if it ends the call. */
  finish(exit: Exit.Exit<unknown, unknown> = Exit.void): void {
    this.#cancel()
    // a failure of the reader is not a failure of the call
    const isInterrupted = exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause)
    if (!this.#remove(isInterrupted ? "canceled" : "ok")) return
    this.#endSpan(isInterrupted ? exit : Exit.void)
    this.#reportDropped()
    this.#mailbox.end(done)
  }

  #fail(error: PsrpcError.PsrpcError): void {
    if (!this.#remove(error.code)) return
    this.#endSpan(Exit.fail(error))
    this.#reportDropped()
    this.#mailbox.end(Effect.fail(error))
  }

  #remove(outcome: Outcome): boolean {
    const { calls, deadlines } = this.#client
    if (!calls.delete(this.#id)) return false
    deadlines.delete(this)
    if (this.#idle !== undefined) deadlines.delete(this.#idleTimer)
    this.#series.finish(outcome, deadlines.monotonic() - this.#startedAt)
    return true
  }

  #endSpan(exit: Exit.Exit<unknown, unknown>): void {
    if (this.#span === undefined) return
    this.#span.attribute(Attributes.answers, this.#servers.size)
    this.#span.end(exit)
  }

  /** Cancels the request at the servers. */
  #cancel(): void {
    const { bus, calls, deadlines } = this.#client
    if (!calls.has(this.#id) || deadlines.now() >= this.#expiry) return
    const target = this.#cancelTarget
    // no server has a request that still waits for the connection
    const delivery: Delivery = { wanted: () => this.#isSent, delivered() {}, undelivered() {} }
    bus.publishUnsafe(target, Envelope.encodeClaimResponse(target, this.#id, ""), this.#expiry, delivery)
  }
}

/** Makes the function that calls a method, with everything that is made once. */
export const multi = (
  client: ClientState,
  method: CallMethod
): ((request: unknown, options?: AnyMultiOptions) => Stream.Stream<AnyResponse, PsrpcError.PsrpcError>) => {
  const { label } = method
  const prepare = preparation(client, method)

  const spanTemplate = templateOfCalls(method, "client")
  const series = client.metrics.of(method)

  const start = (
    fiber: Fiber.Fiber<unknown, unknown>,
    request: unknown,
    options: AnyMultiOptions | undefined,
    span: CallSpan | undefined
  ): Effect.Effect<Stream.Stream<AnyResponse, PsrpcError.PsrpcError>, PsrpcError.PsrpcError, Scope.Scope> => {
    const prepared = prepare(fiber, options)
    if (!("route" in prepared)) return Effect.fail(prepared)
    let call: MultiCall
    try {
      call = new MultiCall(
        client,
        method,
        prepared,
        {
          capacity: countOf("multiBufferSize", options?.multiBufferSize ?? client.multiBufferSize),
          expect: options?.expect === undefined ? Infinity : countOf("expect", options.expect),
          idle: options?.idleTimeout === undefined ? undefined : millisOf("idleTimeout", options.idleTimeout)
        },
        span,
        series
      )
    } catch (cause) {
      return Effect.fail(invalidArgument(`${label}: ${messageOf(cause)}`, cause))
    }
    let raw: Uint8Array
    try {
      raw = method.request.encode(request)
    } catch (cause) {
      return Effect.fail(unencodable(label, "request", cause))
    }
    return Effect.acquireRelease(
      Effect.suspend(() => {
        // the client may have been closed since the preparation
        if (client.closed) return Effect.fail(clientClosed(label, false))
        return Effect.succeed(call.start(prepared, raw))
      }),
      (_, exit) => Effect.sync(() => call.finish(exit))
    )
  }

  return (request, options) =>
    Stream.unwrap(
      Effect.withFiber((fiber) =>
        fiber.cache.tracer === undefined
          ? start(fiber, request, options, undefined)
          : withOpenSpan(fiber, spanTemplate, Attributes.topic(method, options?.topic), (span) =>
              start(fiber, request, options, span)
            )
      )
    )
}
