/** Calls that every server answers. */
import { Cause, Effect, Exit, type Fiber, Result, type Scope, Stream } from "effect"
import type { Delivery, Target } from "../../MessageBus.ts"
import * as PsrpcError from "../../PsrpcError.ts"
import { type Timed, Timer } from "../time/deadlines.ts"
import * as Envelope from "../wire/callEnvelope.ts"
import { disconnected, nobodyListens, unencodable } from "../errors/failures.ts"
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
import { answerOf, errorOf } from "./answer.ts"
import { type AnyCallOptions, type Prepared, preparation } from "./prepare.ts"
import { type ClientState, clientClosed, type Waiting } from "./state.ts"

/** Options of a call, whatever its method. */
export interface AnyMultiOptions extends AnyCallOptions {
  readonly expect?: number | undefined
  readonly idleTimeout?: Parameters<typeof millisOf>[1] | undefined
  readonly multiBufferSize?: number | undefined
}

interface AnyAnswer {
  readonly serverId: string
  readonly result: Result.Result<unknown, unknown>
}

/** One call, from its request to the last of its answers; hears what became of its request. */
class MultiCall implements Timed, Delivery, Waiting {
  slot = -1
  due = 0
  seq = 0

  readonly #id = newRequestId()
  readonly #client: ClientState
  readonly #method: CallMethod
  readonly #withdrawal: Target
  readonly #expiry: number
  readonly #expect: number
  readonly #idle: number | undefined
  readonly #capacity: number
  readonly #mailbox: Mailbox<AnyAnswer>
  readonly #servers = new Set<string>()
  readonly #idleTimer = new Timer(() => this.expired())
  /** Whether the request may have reached a server. */
  #sent = false
  #lost = 0
  /** How many of what waits to be read are no answers, but say that some were lost. */
  #notices = 0
  #trouble: PsrpcError.PsrpcError | undefined
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
    this.#withdrawal = prepared.route.claimResponse
    this.#expiry = prepared.now + prepared.timeout
    this.#expect = options.expect
    this.#idle = options.idle
    this.#capacity = options.capacity
    this.#mailbox = new Mailbox(() => {
      this.#notices = 0
      this.#reportLoss()
    })
  }

  start({ metadata, now, route, timeout }: Prepared, raw: Uint8Array): Stream.Stream<AnyAnswer, PsrpcError.PsrpcError> {
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

  /** Nobody claims what every server answers. */
  claim(): void {}

  response(response: Envelope.Response): void {
    const { serverId } = response
    // one answer each, whatever the broker does
    if (this.#servers.has(serverId)) return this.#client.drops("repeated", this.#method.label, "answers")
    this.#servers.add(serverId)
    this.#series.receive(response.raw.length)
    this.#span?.event("answer", {
      [Attributes.peerId]: serverId,
      ...(response.error !== "" && { [Attributes.statusCode]: response.code || "unknown" })
    })
    if (this.#mailbox.size - this.#notices < this.#capacity) {
      const result =
        response.error === ""
          ? answerOf(this.#method, response.raw)
          : Result.fail(errorOf(this.#method, response, true))
      this.#mailbox.push({ serverId, result })
    } else {
      this.#lost++
      this.#client.drops("overflow", this.#method.label, "answers")
    }
    if (this.#servers.size >= this.#expect) return this.finish()
    // the reader runs within the push, and may have had enough
    if (this.#idle !== undefined && this.wanted()) this.#client.deadlines.add(this.#idleTimer, this.#idle)
  }

  /** Says in the Stream what the buffer had no room for. */
  #reportLoss(): void {
    if (this.#lost === 0) return
    const message = `${this.#lost} answers were lost: the buffer of ${this.#capacity} was full (${this.#method.label})`
    this.#lost = 0
    const error = PsrpcError.fromCode("resource_exhausted", { message, reason: "overflow" })
    this.#notices++
    this.#mailbox.push({ serverId: "", result: Result.fail(error) })
  }

  /** The time is over, for all answers or for the next; a lost connection may have cost some. */
  expired(): void {
    const cause = this.#trouble ?? this.#client.bus.failure()
    if (cause === undefined) return this.finish()
    this.#withdraw()
    this.#fail(disconnected(this.#method.label, cause))
  }

  wanted(): boolean {
    return this.#client.calls.has(this.#id)
  }

  delivered(receivers: number): void {
    if (receivers !== 0) {
      this.#sent = true
      return
    }
    this.#fail(nobodyListens(this.#method.label))
  }

  undelivered(error: PsrpcError.PsrpcError): void {
    // what may have been sent may still be answered, once the connection is back
    if (error.mayHaveRun) {
      this.#trouble = error
      this.#sent = true
    } else this.#fail(error)
  }

  close(): void {
    this.#withdraw()
    this.#fail(clientClosed(this.#method.label, true))
  }

  /**
   * Enough has been heard, or nobody listens any more: servers that still work on it may stop. `exit` is how its reader
   * ended, where that is why.
   */
  finish(exit: Exit.Exit<unknown, unknown> = Exit.void): void {
    this.#withdraw()
    // what a reader fails with is its own
    const isInterrupted = exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause)
    if (!this.#remove(isInterrupted ? "canceled" : "ok")) return
    this.#endSpan(isInterrupted ? exit : Exit.void)
    this.#reportLoss()
    this.#mailbox.end(done)
  }

  #fail(error: PsrpcError.PsrpcError): void {
    if (!this.#remove(error.code)) return
    this.#endSpan(Exit.fail(error))
    this.#reportLoss()
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

  #withdraw(): void {
    const { bus, calls, deadlines } = this.#client
    if (!calls.has(this.#id) || deadlines.now() >= this.#expiry) return
    const target = this.#withdrawal
    // while the request itself still waits for a connection, there is nothing to withdraw
    const delivery: Delivery = { wanted: () => this.#sent, delivered() {}, undelivered() {} }
    bus.publishUnsafe(target, Envelope.encodeClaimResponse(target, this.#id, ""), this.#expiry, delivery)
  }
}

/** The function that calls a method; all that is made once is made here. */
export const multi = (
  client: ClientState,
  method: CallMethod
): ((request: unknown, options?: AnyMultiOptions) => Stream.Stream<AnyAnswer, PsrpcError.PsrpcError>) => {
  const { label } = method
  const prepare = preparation(client, method)

  const spanTemplate = templateOfCalls(method, "client")
  const series = client.metrics.of(method)

  const start = (
    fiber: Fiber.Fiber<unknown, unknown>,
    request: unknown,
    options: AnyMultiOptions | undefined,
    span: CallSpan | undefined
  ): Effect.Effect<Stream.Stream<AnyAnswer, PsrpcError.PsrpcError>, PsrpcError.PsrpcError, Scope.Scope> => {
    const prepared = prepare(fiber, options)
    if (PsrpcError.is(prepared)) return Effect.fail(prepared)
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
        // the fiber may have yielded since
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
