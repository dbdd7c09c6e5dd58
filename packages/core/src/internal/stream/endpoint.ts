/**
 * An endpoint of an open stream, at the client or at the server.
 *
 * It has no fiber: messages and acks arrive in the bus's callback, and a send is an entry in a map and one of the
 * deadlines. Only the reader is a fiber.
 */
import { Deferred, Effect, Exit } from "effect"
import type { BidiStream } from "../../BidiStream.ts"
import type { Delivery } from "../../MessageBus.ts"
import * as PsrpcError from "../../PsrpcError.ts"
import { messageOf } from "../errors/messageOf.ts"
import { wireCodeOf } from "../errors/wireCode.ts"
import type { Outcome } from "../telemetry/metrics/series.ts"
import { Timer } from "../time/deadlines.ts"
import * as Envelope from "../wire/streamEnvelope.ts"
import { causeOf, closeCause, closedText, peerLost, streamClosed } from "./causes.ts"
import type { EndpointOptions } from "./endpointOptions.ts"
import { Inbox, type ReceivingEndpoint } from "./inbox.ts"
import { Liveness } from "./liveness.ts"
import { newHead, Sender } from "./sender.ts"

/** The features of this library in `StreamOpen` and `StreamAck`: bit 0 is `closeSend`. */
const closeSendFeature = 1

/** Default buffer of a Go peer, which does not announce its size, in messages. */
const goBuffer = 100

/** Minimum time between two keepalives that answer held or dropped messages, in milliseconds. */
const signalInterval = 250

/** Maximum time in which a close waits for the broker, in milliseconds. */
const closeTimeout = 3000

export class Endpoint implements ReceivingEndpoint {
  readonly sender: Sender
  readonly #options: EndpointOptions
  readonly #inbox: Inbox
  readonly #liveness: Liveness
  readonly #closed = Deferred.makeUnsafe<void, PsrpcError.PsrpcError>()
  readonly #ackDelivery: Delivery
  readonly #keepaliveDelivery: Delivery
  #api: BidiStream<unknown, unknown> | undefined
  #isClosed = false
  #cause: PsrpcError.PsrpcError | undefined
  /** The features of the peer: 0 for a Go peer. */
  #peerFeatures = 0
  #peerWindow = goBuffer
  /** When a held or dropped message was last answered with a keepalive. */
  #signaledAt = -Infinity
  #idle: { readonly timer: Timer; readonly millis: number } | undefined

  constructor(options: EndpointOptions) {
    const { bufferSize, deadlines, drops, label } = options
    this.#options = options
    this.#inbox = new Inbox(deadlines, this, bufferSize)
    this.#liveness = new Liveness(this, deadlines, options.keepalive, options.timeout)
    this.sender = new Sender(options, this, this.#liveness)
    const undelivered = (error: PsrpcError.PsrpcError): void => drops("undelivered", label, error.message)
    // an ack of a received message is sent even after a close
    this.#ackDelivery = { wanted: () => true, undelivered, delivered() {} }
    this.#keepaliveDelivery = {
      wanted: () => !this.#isClosed,
      undelivered,
      delivered: (receivers) => {
        if (receivers === 0) this.#liveness.onNoListeners()
      }
    }
  }

  /** The capabilities that this endpoint announces. */
  get capabilities(): Envelope.StreamCapabilities {
    const { bufferSize, keepalive } = this.#options
    return { features: closeSendFeature, keepalive: keepalive === Infinity ? 0 : keepalive, buffer: bufferSize }
  }

  get supportsKeepalive(): boolean {
    return this.#peerFeatures > 0
  }

  /** How many unread messages the peer buffers. */
  get peerWindow(): number {
    return this.#peerWindow
  }

  /** Called when the stream is open, with the capabilities of the peer. */
  opened(peer: Envelope.StreamCapabilities): void {
    if (this.#isClosed) return
    this.#peerFeatures = peer.features
    this.sender.supportsCloseSend = (peer.features & closeSendFeature) !== 0
    if (peer.buffer > 0) this.#peerWindow = peer.buffer
    // a Go peer does not support keepalives
    if (peer.features > 0) this.#liveness.start(peer.keepalive)
  }

  /** The stream of the user. */
  get api(): BidiStream<unknown, unknown> {
    return (this.#api ??= {
      streamId: this.#options.streamId,
      send: (message, options) => this.sender.send(message, options),
      messages: this.#inbox.messages,
      closeSend: this.sender.closeSend,
      close: (cause) => this.close(cause),
      closed: Deferred.await(this.#closed)
    })
  }

  // ── receiving ─────────────────────────────────────────────────────────────────────────────────────────────────────

  receive(message: Envelope.Stream): void {
    if (this.#isClosed) return
    this.#liveness.onReceived()
    switch (message.kind) {
      case "message":
        return this.#receiveMessage(message)
      case "ack":
        return this.sender.acknowledge(message.requestId)
      case "close":
        return this.#finish(closeCause(message))
      case "end":
        return this.#inbox.finish(message)
      case "keepalive":
        if (message.probe) this.sendKeepalive()
    }
  }

  #receiveMessage(message: Envelope.StreamMessage): void {
    const { deadlines, drops, label, receive, series, span } = this.#options
    if (!(message.expiry > deadlines.now())) return this.onDropped("expired")
    let value: unknown
    try {
      value = receive.decode(message.raw)
    } catch (cause) {
      drops("malformed", label, cause)
      const text = `the message cannot be decoded (${label}): ${messageOf(cause)}`
      return this.closeUnsafe(PsrpcError.fromCode("malformed_request", { message: text, cause }))
    }
    series.receive(message.raw.length)
    span?.received(message.raw.length)
    if (this.#idle !== undefined) deadlines.move(this.#idle.timer, this.#idle.millis)
    this.#inbox.offer(message, value)
  }

  ack(head: Envelope.StreamHead): void {
    const { bus, target } = this.#options
    this.#liveness.onSent()
    bus.publishUnsafe(target, Envelope.encodeStreamAck(target, head), head.expiry, this.#ackDelivery)
  }

  onHeld(): void {
    this.#signalAlive()
  }

  onDropped(reason: "overflow" | "expired"): void {
    const { drops, label } = this.#options
    const warning =
      reason === "overflow"
        ? `messages of the stream ${label} are dropped: they arrive faster than they are read, and more are pending than wait for room`
        : undefined
    drops(reason, label, "stream message", warning)
    this.#signalAlive()
  }

  /** Sends a keepalive now and then, so that a sender without an ack does not take this endpoint for lost. */
  #signalAlive(): void {
    const { deadlines, timeout } = this.#options
    const now = deadlines.monotonic()
    if (now - this.#signaledAt < Math.min(signalInterval, timeout / 4)) return
    this.#signaledAt = now
    this.sendKeepalive()
  }

  sendKeepalive(probe = false): void {
    if (!this.supportsKeepalive || this.#isClosed) return
    const { bus, keepalive, target, timeout } = this.#options
    // expires before the next one, so that keepalives do not queue up without a connection
    const head = newHead(this.#options, Math.min(timeout, keepalive))
    this.#liveness.onSent()
    bus.publishUnsafe(target, Envelope.encodeStreamKeepalive(target, head, probe), head.expiry, this.#keepaliveDelivery)
  }

  // ── closing ───────────────────────────────────────────────────────────────────────────────────────────────────────

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** The error of operations on the closed stream: its cause, or "stream closed". */
  get closedError(): PsrpcError.PsrpcError {
    return this.#cause ?? streamClosed(this.#options.label)
  }

  /** The outcome of the closed stream, for the metrics. */
  get outcome(): Outcome {
    return this.#cause === undefined ? "ok" : this.#cause.code
  }

  onPeerLost(why: string, reason: "peer_lost" | "no_listeners"): void {
    const { bus, label } = this.#options
    this.closeUnsafe(peerLost(label, why, reason, bus.failure()))
  }

  /** Closes the stream. Waits until the broker has the message, unless the connection is lost. */
  close(cause?: PsrpcError.PsrpcError): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const { bus, deadlines, label, timeout } = this.#options
      if (cause !== undefined && !PsrpcError.is(cause)) {
        return resume(Effect.die(new TypeError(`${label}: close: expected a PsrpcError as its cause`)))
      }
      if (this.#isClosed || bus.failure() !== undefined) {
        this.closeUnsafe(cause)
        return resume(Effect.void)
      }
      // the connection may break in the meantime
      const timer = new Timer(() => resume(Effect.void))
      deadlines.add(timer, Math.min(timeout, closeTimeout))
      const onOutcome = (): void => {
        deadlines.delete(timer)
        resume(Effect.void)
      }
      this.closeUnsafe(cause, { wanted: () => true, delivered: onOutcome, undelivered: onOutcome })
    })
  }

  /** Closes the stream when no message arrives for `millis` milliseconds. */
  closeWhenIdle(millis: number): Effect.Effect<void> {
    return Effect.sync(() => {
      if (this.#isClosed) return
      const timer = new Timer(() => this.closeUnsafe())
      this.#idle = { timer, millis }
      this.#options.deadlines.add(timer, millis)
    })
  }

  /** Closes the stream with the exit of its scope. */
  closeBy(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return exit._tag === "Success" ? this.close() : this.close(causeOf(exit.cause))
  }

  /** Closes the stream without waiting. */
  closeUnsafe(cause?: PsrpcError.PsrpcError, delivery: Delivery = ignoreOutcome): void {
    if (this.#isClosed) return
    const { bus, target, timeout } = this.#options
    const head = newHead(this.#options, timeout)
    this.#finish(cause)
    const text = cause === undefined ? closedText : cause.message || cause.code
    const code = cause === undefined ? "canceled" : wireCodeOf(cause)
    bus.publishUnsafe(target, Envelope.encodeStreamClose(target, head, text, code), head.expiry, delivery)
  }

  #finish(cause: PsrpcError.PsrpcError | undefined): void {
    this.#isClosed = true
    this.#cause = cause
    this.#liveness.stop()
    this.#options.span?.closed(cause)
    if (this.#idle !== undefined) this.#options.deadlines.delete(this.#idle.timer)
    // before a fiber wakes, which runs at once and may read the state of the owner
    this.#options.onClosed()
    Deferred.doneUnsafe(this.#closed, cause === undefined ? Exit.void : Exit.fail(cause))
    this.sender.close()
    this.#inbox.close(cause)
  }
}

const ignoreOutcome: Delivery = { wanted: () => true, delivered() {}, undelivered() {} }
