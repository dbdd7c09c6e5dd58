/** Streams at a server: their opening, their handlers, and the messages of the open ones. */
import { Cause, Effect, type Exit } from "effect"
import type { ServerStream } from "../../BidiStream.ts"
import type { Delivery } from "../../MessageBus.ts"
import * as PsrpcError from "../../PsrpcError.ts"
import type { AnyCall, AnyEffect, AnyTopic } from "../calls/callContext.ts"
import type { StreamMethod } from "../definition/method.ts"
import type { Header } from "../metadata/model.ts"
import { causeOf } from "../stream/causes.ts"
import { Endpoint } from "../stream/endpoint.ts"
import { StreamSpan } from "../telemetry/streamSpan.ts"
import * as Envelope from "../wire/streamEnvelope.ts"
import { ClaimGate, InFlightRequest, type RequestKind } from "./claimGate.ts"
import type { Dispatch } from "./registrations.ts"
import { ServedMethod } from "./servedMethod.ts"
import type { Interruption, ServerState } from "./serverState.ts"

/** A handler of a stream method. */
export interface StreamHandler {
  readonly handle: (stream: ServerStream<unknown, unknown>, call: AnyCall) => AnyEffect
  /** The affinity function; `undefined` for a method without affinity. */
  readonly affinity: ((call: AnyCall) => number | AnyEffect) | undefined
}

/** A stream from its opening until it is closed and its handler has returned. */
class StreamRequest extends InFlightRequest {
  readonly opening: Envelope.StreamOpen
  endpoint: Endpoint | undefined
  isOpen = false
  span: StreamSpan | undefined
  isHijacked = false
  isInterrupted = false
  hasReturned = false

  constructor(gate: ClaimGate<StreamRequest>, call: AnyCall, opening: Envelope.StreamOpen) {
    super(gate, opening.requestId, call)
    this.opening = opening
  }
}

export class StreamDispatch implements Dispatch, RequestKind<StreamRequest> {
  readonly #served: ServedMethod<StreamMethod>
  readonly #handler: StreamHandler
  readonly #byStream = new Map<string, StreamRequest>()
  #isDraining = false
  readonly gate: ClaimGate<StreamRequest>

  constructor(server: ServerState, method: StreamMethod, topic: AnyTopic, handler: StreamHandler) {
    this.#served = new ServedMethod(server, method, topic)
    this.#handler = handler
    this.gate = new ClaimGate(this.#served, this)
  }

  /** The listener of stream messages. */
  readonly onRequest = (bytes: Uint8Array): void => {
    const { method, server } = this.#served
    if (server.isKilled) return
    const message = Envelope.decodeStream(bytes)
    if (typeof message === "string") return server.drops(message, method.label)
    const request = this.#byStream.get(message.streamId)
    if (message.kind === "open") return this.#onOpening(message, request !== undefined)
    // every server of the method receives the messages of every stream
    if (request === undefined) return
    if (request.endpoint !== undefined) request.endpoint.receive(message)
    else if (message.kind === "close") this.gate.discard(request, "canceled")
  }

  #onOpening(opening: Envelope.StreamOpen, isRepeated: boolean): void {
    const served = this.#served
    const { clientId: remoteId, expiry, metadata, requestId, sentAt } = opening
    const { name, requireClaim, service } = served.method
    const header: Header = { remoteId, sentAt, expiry, metadata }
    // an open stream has no deadline
    const call = { service, method: name, requestId, topic: served.topic, header, deadline: Infinity }
    if (!(expiry > served.server.deadlines.now())) return served.drop("expired", call)
    if (isRepeated || this.gate.has(requestId)) return served.drop("repeated", call)
    // another server may claim it
    if (this.#isDraining && requireClaim) return served.drop("leaving", call)
    this.gate.dispatch(new StreamRequest(this.gate, call, opening))
  }

  affinity({ call }: StreamRequest): number | AnyEffect | undefined {
    return this.#handler.affinity?.(call)
  }

  onTracked(request: StreamRequest): void {
    this.#byStream.set(request.opening.streamId, request)
  }

  onRemoved({ opening }: StreamRequest): void {
    this.#byStream.delete(opening.streamId)
  }

  /** Opens the stream and runs its handler, or closes the stream if there is no room for it. */
  onReady(request: StreamRequest): void {
    const served = this.#served
    const { bus, deadlines, drops, keepalive, replies, sendTimeout, streamBufferSize } = served.server
    const { call, opening } = request
    const { streamId } = opening
    const target = replies.get(opening.clientId).stream
    const { receive, label, send } = served.method
    const refusal = this.#isDraining ? eof : this.gate.isFull(request) ? this.gate.tooManyRequests(call) : undefined
    served.started(request)
    this.gate.track(request)
    deadlines.delete(request)
    const span = refusal === undefined ? served.startSpan(call) : undefined
    if (span !== undefined) request.span = new StreamSpan(span, streamId)
    const endpoint = new Endpoint({
      streamId,
      label,
      bus,
      target,
      deadlines,
      drops: (reason, where, detail, warning) => drops(reason, where, detail, warning, call),
      // the server sends the messages that the client receives
      send: receive,
      receive: send,
      bufferSize: streamBufferSize,
      timeout: sendTimeout,
      keepalive,
      series: served.series,
      span: request.span,
      onClosed: () => {
        if (request.isOpen) served.series.openStreams--
        request.isOpen = false
        this.#release(request)
      }
    })
    request.endpoint = endpoint
    if (refusal !== undefined) {
      request.hasReturned = true
      return endpoint.closeUnsafe(refusal)
    }
    const delivery: Delivery = {
      wanted: () => !endpoint.isClosed,
      delivered: (receivers) => {
        if (receivers === 0) endpoint.onPeerLost("no listeners", "no_listeners")
      },
      undelivered: (error) => served.drop("undelivered", call, error.message)
    }
    request.isOpen = true
    served.series.openStreams++
    endpoint.opened(opening)
    const ack = Envelope.encodeStreamAck(target, opening, endpoint.capabilities)
    bus.publishUnsafe(target, ack, opening.expiry, delivery)
    const stream: ServerStream<unknown, unknown> = {
      ...endpoint.api,
      hijack: Effect.sync(() => {
        request.isHijacked = true
      })
    }
    const fiber = served.fork(
      call,
      Effect.suspend(() => this.#handler.handle(stream, call)),
      span?.span
    )
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return this.#onReturned(request, endpoint, exit)
    request.fiber = fiber
    fiber.addObserver((exit) => this.#onReturned(request, endpoint, exit))
    // the handler itself may have closed the server in its first synchronous part
    if (request.isInterrupted) fiber.interruptUnsafe()
  }

  onInterrupt(request: StreamRequest, interruption: Interruption): void {
    // a client that cancels closes the stream
    if (interruption !== "closing") return
    request.isInterrupted = true
    request.endpoint?.closeUnsafe(eof)
    request.fiber?.interruptUnsafe()
  }

  /** Accepts no more streams, and closes the open ones. Their clients open others elsewhere; their handlers finish. */
  beginDrain(): void {
    this.#isDraining = true
    for (const { endpoint } of Array.from(this.#byStream.values())) endpoint?.closeUnsafe(eof)
  }

  /** Closes the stream of a handler that has returned, unless it is hijacked. */
  #onReturned(request: StreamRequest, endpoint: Endpoint, exit: Exit.Exit<unknown, unknown>): void {
    request.hasReturned = true
    request.span?.returned(exit)
    if (exit._tag === "Failure") {
      const { cause } = exit
      const failure = Cause.findErrorOption(cause)
      const { label } = this.#served.method
      if (Cause.hasDies(cause)) this.#served.log(request.call, `psrpc: the handler of ${label} died`, cause)
      endpoint.closeUnsafe(failure._tag === "Some" ? PsrpcError.fromUnknown(failure.value) : causeOf(cause))
    } else if (!request.isHijacked) endpoint.closeUnsafe()
    this.#release(request)
  }

  #release(request: StreamRequest): void {
    const { endpoint, hasReturned, id, span } = request
    if (!hasReturned || endpoint?.isClosed !== true || !this.gate.has(id)) return
    span?.end()
    this.#served.finished(request, endpoint.outcome)
    this.gate.remove(request)
  }
}

/** The error of the open streams of a server that closes, as in Go. */
const eof = PsrpcError.fromCode("unavailable", { message: "EOF", reason: "server_closed" })
