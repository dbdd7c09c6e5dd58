/** The opening of streams. */
import { type Duration, Effect, Exit, type Fiber, Scope, Stream } from "effect"
import type { BidiStream } from "../../BidiStream.ts"
import type { Delivery } from "../../MessageBus.ts"
import * as PsrpcError from "../../PsrpcError.ts"
import type { StreamMethod } from "../definition/method.ts"
import { invalidArgument } from "../errors/invalidArgument.ts"
import { messageOf } from "../errors/messageOf.ts"
import { Endpoint } from "../stream/endpoint.ts"
import { pump, ThroughStreams } from "../stream/pump.ts"
import { countOf } from "../support/count.ts"
import * as Attributes from "../telemetry/attributes.ts"
import type { Outcome, Series } from "../telemetry/metrics/series.ts"
import { type CallSpan, templateOfCalls, withOpenSpan } from "../telemetry/spans.ts"
import { StreamSpan } from "../telemetry/streamSpan.ts"
import { millisOf } from "../time/millis.ts"
import { newStreamId } from "../wire/id.ts"
import * as Envelope from "../wire/streamEnvelope.ts"
import { type CallKind, OneServerCall } from "./oneServerCall.ts"
import { type AnyCallOptions, type Prepared, preparation, sendTimeoutOf } from "./prepare.ts"
import { type ClientState, clientClosed, type StreamSink } from "./clientState.ts"

/** Options of the opening of a stream of any method. */
export interface AnyStreamOptions extends AnyCallOptions {
  readonly streamBufferSize?: number | undefined
  readonly sendTimeout?: Duration.Input | undefined
  readonly concurrency?: number | undefined
  readonly idleTimeout?: Parameters<typeof millisOf>[1] | undefined
}

/** The opening of a stream: a call whose response is the server's ack, on the channel of the stream. */
class StreamOpening implements CallKind, StreamSink {
  readonly call: OneServerCall
  readonly #client: ClientState
  readonly #prepared: Prepared
  readonly #streamId: string = newStreamId()
  readonly #endpoint: Endpoint
  #isOpen = false

  constructor(
    client: ClientState,
    method: StreamMethod,
    prepared: Prepared,
    bufferSize: number,
    sendTimeout: number,
    callSpan: CallSpan | undefined,
    series: Series
  ) {
    this.#client = client
    this.#prepared = prepared
    this.call = new OneServerCall(client, method, this, prepared, callSpan, series)
    const { bus, deadlines, drops, keepalive, streams } = client
    const streamId = this.#streamId
    const span = callSpan === undefined ? undefined : new StreamSpan(callSpan, streamId)
    this.#endpoint = new Endpoint({
      streamId,
      label: method.label,
      bus,
      target: prepared.route.request,
      deadlines,
      drops,
      send: method.send,
      receive: method.receive,
      bufferSize,
      timeout: sendTimeout,
      keepalive,
      series,
      span,
      onClosed: () => {
        streams.delete(streamId)
        // the outcome of an opening that fails is that of the call
        if (!this.#isOpen) return
        series.openStreams--
        this.call.count(this.#endpoint.outcome)
        span?.end()
      }
    })
  }

  start(): void {
    const { clientId, streams } = this.#client
    const { metadata, now, route } = this.#prepared
    const { expiry, id, span } = this.call
    streams.set(this.#streamId, this)
    const head = { streamId: this.#streamId, requestId: id, sentAt: now, expiry }
    const open = { clientId, metadata: span?.into(metadata) ?? metadata, ...this.#endpoint.capabilities }
    this.call.start(Envelope.encodeStreamOpen(route.request, head, open))
  }

  receive(message: Envelope.Stream): void {
    if (message.kind === "ack" && message.requestId === this.call.id) {
      this.#isOpen = true
      this.call.series.openStreams++
      this.#client.streams.set(this.#streamId, this.#endpoint)
      this.#endpoint.opened(message)
      return this.call.settle(Exit.succeed(this.#endpoint), "ok")
    }
    this.#endpoint.receive(message)
    // the server has closed the stream, or sent an invalid message before its ack
    if (this.#endpoint.isClosed) this.call.fail(this.#endpoint.closedError)
  }

  onResponse(): void {}

  onEnded(call: OneServerCall, outcome: Outcome): void {
    // an open stream is counted when it is closed
    if (this.#isOpen) return
    call.count(outcome)
    // the server may have opened the stream, but not while the request waits for the connection
    const delivery: Delivery = { wanted: () => call.isSent, delivered() {}, undelivered() {} }
    if (call.mayHaveRun) this.#endpoint.closeUnsafe(canceled(), delivery)
    this.#client.streams.delete(this.#streamId)
  }

  /** The client is closed. The call has its own notice. */
  closeUnsafe(): void {}

  /** Closes a stream whose opening was interrupted after the ack. */
  abandon(): void {
    if (this.#isOpen) this.#endpoint.closeUnsafe(canceled())
  }
}

const canceled = (): PsrpcError.PsrpcError => PsrpcError.fromCode("canceled", { message: "request canceled" })

/** Default number of pending sends of `through`. */
const defaultConcurrency = 16

export type Open = (
  options?: AnyStreamOptions
) => Effect.Effect<BidiStream<unknown, unknown>, PsrpcError.PsrpcError, Scope.Scope>

export type Through = (
  outgoing: Stream.Stream<unknown, unknown, unknown>,
  options?: AnyStreamOptions
) => Stream.Stream<unknown, unknown, unknown>

/** The functions that open streams of a method. Interceptors are around `open` and `openObserved`. */
export interface StreamOpener {
  readonly open: Open
  /** Opens a stream for `through`, which observes its sends. */
  readonly openObserved: Open
  /** Makes `through` from `openObserved` or a function around it. */
  readonly through: (openObserved: Open) => Through
}

/** Makes the functions that open streams of a method, with everything that is made once. */
export const opener = (client: ClientState, method: StreamMethod): StreamOpener => {
  const { label } = method
  const prepare = preparation(client, method)
  const spanTemplate = templateOfCalls(method, "client")
  const series = client.metrics.of(method)

  /** Opens a stream in an uninterruptible region. `restore` makes the wait for the ack interruptible. */
  const openIn = (
    fiber: Fiber.Fiber<unknown, unknown>,
    options: AnyStreamOptions | undefined,
    restore: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>,
    span: CallSpan | undefined
  ): Effect.Effect<Endpoint, PsrpcError.PsrpcError> => {
    const prepared = prepare(fiber, options)
    if (!("route" in prepared)) return Effect.fail(prepared)
    let opening: StreamOpening
    try {
      const bufferSize = countOf("streamBufferSize", options?.streamBufferSize ?? client.streamBufferSize)
      const sendTimeout = sendTimeoutOf(options, prepared)
      opening = new StreamOpening(client, method, prepared, bufferSize, sendTimeout, span, series)
    } catch (cause) {
      return Effect.fail(invalidArgument(`${label}: ${messageOf(cause)}`, cause))
    }
    const { call } = opening
    const opened = Effect.callback<unknown, unknown>((resume) => {
      if (client.closed) return resume(Effect.fail(clientClosed(label, false)))
      call.resumeTo(resume)
      opening.start()
      return Effect.sync(() => call.cancel())
    })
    // the ack and the interruption may arrive in one turn
    return Effect.onInterrupt(restore(opened), () => Effect.sync(() => opening.abandon())) as Effect.Effect<
      Endpoint,
      PsrpcError.PsrpcError
    >
  }

  /** Opens a stream until the scope closes. The open stream ends its span. */
  const scoped = (options: AnyStreamOptions | undefined): Effect.Effect<Endpoint, PsrpcError.PsrpcError, Scope.Scope> =>
    Effect.uninterruptibleMask((restore) => {
      const opened = Effect.withFiber<Endpoint, PsrpcError.PsrpcError>((fiber) =>
        fiber.cache.tracer === undefined
          ? openIn(fiber, options, restore, undefined)
          : withOpenSpan(fiber, spanTemplate, Attributes.topic(method, options?.topic), (span) =>
              openIn(fiber, options, restore, span)
            )
      )
      return Effect.flatMap(Effect.scope, (scope) =>
        Effect.tap(opened, (endpoint) => Scope.addFinalizerExit(scope, (exit) => endpoint.closeBy(exit)))
      )
    })

  const streams = new ThroughStreams()
  return {
    open: (options) => Effect.map(scoped(options), (endpoint) => endpoint.api),
    openObserved: (options) => Effect.flatMap(scoped(options), (endpoint) => streams.observe(endpoint)),
    through: (openObserved) => (outgoing, options) =>
      Stream.unwrap(
        Effect.suspend(() => {
          let concurrency: number
          let idle: number | undefined
          try {
            concurrency = countOf("concurrency", options?.concurrency ?? defaultConcurrency)
            idle = options?.idleTimeout === undefined ? undefined : millisOf("idleTimeout", options.idleTimeout)
          } catch (cause) {
            return Effect.fail(invalidArgument(`${label}: ${messageOf(cause)}`, cause))
          }
          return Effect.flatMap(openObserved(options), (stream) =>
            pump(stream, streams.inside(stream), outgoing, concurrency, idle)
          )
        })
      )
  }
}
