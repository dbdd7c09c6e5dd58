/** The opening of streams, and what is made of an open one. */
import { type Duration, Effect, Exit, type Fiber, Scope, Stream } from "effect"
import type { BidiStream } from "../../BidiStream.ts"
import type { Delivery } from "../../MessageBus.ts"
import * as PsrpcError from "../../PsrpcError.ts"
import { newStreamId } from "../wire/id.ts"
import { invalidArgument } from "../errors/invalidArgument.ts"
import { messageOf } from "../errors/messageOf.ts"
import type { StreamMethod } from "../definition/method.ts"
import { millisOf } from "../time/millis.ts"
import * as Envelope from "../wire/streamEnvelope.ts"
import { Endpoint } from "../stream/endpoint.ts"
import { pump, ThroughStreams } from "../stream/pump.ts"
import * as Attributes from "../telemetry/attributes.ts"
import { type CallSpan, templateOfCalls, withOpenSpan } from "../telemetry/spans.ts"
import type { Outcome, Series } from "../telemetry/metrics/series.ts"
import { StreamSpan } from "../telemetry/streamSpan.ts"
import { ClaimedCall } from "./claimedCall.ts"
import { countOf } from "../support/count.ts"
import { type AnyCallOptions, type Prepared, preparation, sendTimeoutOf } from "./prepare.ts"
import { type ClientState, clientClosed, type StreamReceiver } from "./state.ts"

/** Options of a stream's opening, whatever its method. */
export interface AnyStreamOptions extends AnyCallOptions {
  readonly streamBufferSize?: number | undefined
  readonly sendTimeout?: Duration.Input | undefined
  readonly concurrency?: number | undefined
  readonly idleTimeout?: Parameters<typeof millisOf>[1] | undefined
}

/** A stream's opening, from its request to the server's ack. */
class Opening extends ClaimedCall<StreamMethod> implements StreamReceiver {
  readonly #streamId: string = newStreamId()
  readonly #end: Endpoint
  #opened = false

  constructor(
    client: ClientState,
    method: StreamMethod,
    prepared: Prepared,
    bufferSize: number,
    sendTimeout: number,
    callSpan: CallSpan | undefined,
    series: Series
  ) {
    super(client, method, prepared, callSpan, series)
    const { bus, deadlines, drops, keepalive, streams } = client
    const streamId = this.#streamId
    const span = callSpan === undefined ? undefined : new StreamSpan(callSpan, streamId)
    this.#end = new Endpoint({
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
        // an opening that fails ends with what it fails with
        if (!this.#opened) return
        series.openStreams--
        this.over(this.#end.outcome)
        span?.end()
      }
    })
  }

  open({ metadata, now, route }: Prepared): void {
    const { clientId, streams } = this.client
    streams.set(this.#streamId, this)
    const head = { streamId: this.#streamId, requestId: this.id, sentAt: now, expiry: this.expiry }
    const open = { clientId, metadata: this.span?.into(metadata) ?? metadata, ...this.#end.capabilities }
    this.start(Envelope.encodeStreamOpen(route.request, head, open))
  }

  receive(message: Envelope.Stream): void {
    if (message.kind === "ack" && message.requestId === this.id) {
      this.#opened = true
      this.series.openStreams++
      this.client.streams.set(this.#streamId, this.#end)
      this.#end.opened(message)
      return this.settle(Exit.succeed(this.#end), "ok")
    }
    this.#end.receive(message)
    // closed by the server, or for what it has sent before its ack
    if (this.#end.isClosed) this.fail(this.#end.over)
  }

  /** A stream's opening is acknowledged on the stream's own channel. */
  response(): void {}

  /** The call hears of its client's end by itself. */
  closeUnsafe(): void {}

  protected override released(outcome: Outcome): void {
    // what is open is over when it is closed
    if (this.#opened) return
    this.over(outcome)
    // a server that has opened it must not keep it; while the request waits for a connection there is none
    const delivery: Delivery = { wanted: () => this.sent, delivered() {}, undelivered() {} }
    if (this.mayHaveRun) this.#end.closeUnsafe(givenUp(), delivery)
    this.client.streams.delete(this.#streamId)
  }

  /** Nobody takes what has been opened; what has not been is done with. */
  abandon(): void {
    if (this.#opened) this.#end.closeUnsafe(givenUp())
  }
}

const givenUp = (): PsrpcError.PsrpcError => PsrpcError.fromCode("canceled", { message: "request canceled" })

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

  /** Opens a stream, for who cannot be interrupted: only `waiting`, the wait for the server, can be. */
  const openIn = (
    fiber: Fiber.Fiber<unknown, unknown>,
    options: AnyStreamOptions | undefined,
    waiting: <A, E>(opened: Effect.Effect<A, E>) => Effect.Effect<A, E>,
    span: CallSpan | undefined
  ): Effect.Effect<Endpoint, PsrpcError.PsrpcError> => {
    const prepared = prepare(fiber, options)
    if (PsrpcError.is(prepared)) return Effect.fail(prepared)
    let call: Opening
    try {
      const bufferSize = countOf("streamBufferSize", options?.streamBufferSize ?? client.streamBufferSize)
      const sendTimeout = sendTimeoutOf(options, prepared.patience)
      call = new Opening(client, method, prepared, bufferSize, sendTimeout, span, series)
    } catch (cause) {
      return Effect.fail(invalidArgument(`${label}: ${messageOf(cause)}`, cause))
    }
    const opened = Effect.callback<unknown, unknown>((resume) => {
      if (client.closed) return resume(Effect.fail(clientClosed(label, false)))
      call.resumeTo(resume)
      call.open(prepared)
      return Effect.sync(() => call.cancel())
    })
    // the server's ack and the interruption may come in one turn
    return Effect.onInterrupt(waiting(opened), () => Effect.sync(() => call.abandon())) as Effect.Effect<
      Endpoint,
      PsrpcError.PsrpcError
    >
  }

  /** The same, within a span where there is a tracer. */
  const open = (
    options: AnyStreamOptions | undefined,
    waiting: <A, E>(opened: Effect.Effect<A, E>) => Effect.Effect<A, E>
  ): Effect.Effect<Endpoint, PsrpcError.PsrpcError> =>
    Effect.withFiber((fiber) => {
      if (fiber.cache.tracer === undefined) return openIn(fiber, options, waiting, undefined)
      // an open stream ends its span itself
      return withOpenSpan(fiber, spanTemplate, Attributes.topic(method, options?.topic), (span) =>
        openIn(fiber, options, waiting, span)
      )
    })

  /** An open stream, for as long as the scope is. */
  const scoped = (options: AnyStreamOptions | undefined): Effect.Effect<Endpoint, PsrpcError.PsrpcError, Scope.Scope> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.scope, (scope) =>
        Effect.tap(open(options, restore), (end) => Scope.addFinalizerExit(scope, (exit) => end.closeBy(exit)))
      )
    )

  const streams = new ThroughStreams()
  return {
    open: (options) => Effect.map(scoped(options), (end) => end.api),
    openObserved: (options) => Effect.flatMap(scoped(options), (end) => streams.observe(end)),
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
