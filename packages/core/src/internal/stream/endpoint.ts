/**
 * One end of a stream, the client's or the server's: what both do alike once it is open.
 *
 * Nothing here is a fiber: messages and acks are handled inside the bus's callback, a send is an entry in a map and one of
 * the deadlines.
 */
import { Deferred, Effect, Exit } from "effect"
import type { BidiStream, SendOptions } from "../../BidiStream.ts"
import type { Delivery } from "../../MessageBus.ts"
import * as PsrpcError from "../../PsrpcError.ts"
import { Timer } from "../time/deadlines.ts"
import { newRequestId } from "../wire/id.ts"
import { invalidArgument } from "../errors/invalidArgument.ts"
import { messageOf } from "../errors/messageOf.ts"
import { millisOf } from "../time/millis.ts"
import { wireCodeOf } from "../errors/wireCode.ts"
import * as Envelope from "../wire/streamEnvelope.ts"
import type { Outcome } from "../telemetry/metrics/series.ts"
import {
  afterCloseSend,
  causeOf,
  closeCause,
  closedText,
  gone,
  notSent,
  streamClosed,
  unacknowledged
} from "./causes.ts"
import type { EndpointOptions } from "./endpointOptions.ts"
import { type Acknowledger, Inbox } from "./inbox.ts"
import { Liveness } from "./liveness.ts"
import { PendingSend, type SendOwner } from "./pendingSend.ts"

/** This end's features, as `StreamOpen` and `StreamAck` tell them: bit 0, it understands that no more messages follow. */
const endFeature = 1

/** How many messages an end of Go's takes in unread, where its user has not said otherwise. */
const goBuffer = 100

/** How often the messages that are held or discarded are answered by a sign of life, in milliseconds at the least. */
const excuseInterval = 250

/** How long a close waits at most until the broker has it, in milliseconds. */
const closePatience = 3000

export class Endpoint implements Acknowledger, SendOwner {
  readonly #options: EndpointOptions
  readonly #inbox: Inbox
  readonly #outgoing = new Map<string, PendingSend>()
  readonly #liveness: Liveness
  readonly #closed = Deferred.makeUnsafe<void, PsrpcError.PsrpcError>()
  /** An ack: who misses one finds out by itself. */
  readonly #acknowledgement: Delivery
  readonly #signOfLife: Delivery
  #api: BidiStream<unknown, unknown> | undefined
  #isClosed = false
  #cause: PsrpcError.PsrpcError | undefined
  /** Whether this end has said that no more messages follow, and whether the other has heard it. */
  #ending: "none" | "said" | "heard" = "none"
  #features = 0
  #roomThere = goBuffer
  /** When a message was last held or discarded with a sign of life. */
  #excused = -Infinity
  #idle: { readonly timer: Timer; readonly millis: number } | undefined

  constructor(options: EndpointOptions) {
    const { bufferSize, deadlines, drops, label } = options
    this.#options = options
    this.#inbox = new Inbox(deadlines, this, bufferSize)
    this.#liveness = new Liveness(this, deadlines, options.keepalive, options.timeout)
    const undelivered = (error: PsrpcError.PsrpcError): void => drops("undelivered", label, error.message)
    // also when the stream is closed by then: what was taken in was taken in
    this.#acknowledgement = { wanted: () => true, undelivered, delivered() {} }
    this.#signOfLife = {
      wanted: () => !this.#isClosed,
      undelivered,
      delivered: (receivers) => {
        if (receivers === 0) this.#liveness.unheard()
      }
    }
  }

  /** What this end tells of itself. */
  get capabilities(): Envelope.StreamCapabilities {
    const { bufferSize, keepalive } = this.#options
    return { features: endFeature, keepalive: keepalive === Infinity ? 0 : keepalive, buffer: bufferSize }
  }

  get hasSigns(): boolean {
    return this.#features > 0
  }

  /** How many messages the other end takes in unread. */
  get roomThere(): number {
    return this.#roomThere
  }

  /** The stream is open: what the other end can do. */
  opened(peer: Envelope.StreamCapabilities): void {
    if (this.#isClosed) return
    this.#features = peer.features
    if (peer.buffer > 0) this.#roomThere = peer.buffer
    // a peer that knows nothing of signs of life has no use for ours
    if (peer.features > 0) this.#liveness.start(peer.keepalive)
  }

  /** What users have of it. */
  get api(): BidiStream<unknown, unknown> {
    return (this.#api ??= {
      streamId: this.#options.streamId,
      send: (message, options) => this.#send(message, options),
      messages: this.#inbox.messages,
      closeSend: this.#closeSend,
      close: (cause) => this.close(cause),
      closed: Deferred.await(this.#closed)
    })
  }

  // ── receiving ─────────────────────────────────────────────────────────────────────────────────────────────────────

  receive(message: Envelope.Stream): void {
    if (this.#isClosed) return
    const { deadlines, drops, label } = this.#options
    this.#liveness.heard()
    switch (message.kind) {
      case "message": {
        if (!(message.expiry > deadlines.now())) return this.discard("expired")
        let value: unknown
        try {
          value = this.#options.receive.decode(message.raw)
        } catch (cause) {
          drops("malformed", label, cause)
          const text = `the message cannot be decoded (${label}): ${messageOf(cause)}`
          return this.closeUnsafe(PsrpcError.fromCode("malformed_request", { message: text, cause }))
        }
        this.#options.series.receive(message.raw.length)
        this.#options.span?.received(message.raw.length)
        if (this.#idle !== undefined) deadlines.move(this.#idle.timer, this.#idle.millis)
        return this.#inbox.offer(message, value)
      }
      case "ack":
        return this.#outgoing.get(message.requestId)?.settle(Exit.void)
      case "close":
        return this.#shut(closeCause(message))
      case "end":
        return this.#inbox.end(message)
      case "keepalive":
        if (message.probe) this.beat()
    }
  }

  ack(head: Envelope.StreamHead): void {
    const { bus, target } = this.#options
    this.#liveness.said()
    bus.publishUnsafe(target, Envelope.encodeStreamAck(target, head), head.expiry, this.#acknowledgement)
  }

  hold(): void {
    this.#excuse()
  }

  discard(reason: "overflow" | "expired"): void {
    const { drops, label } = this.#options
    const warning =
      reason === "overflow"
        ? `messages of the stream ${label} are discarded: they come faster than they are read, and more are under way than wait for room`
        : undefined
    drops(reason, label, "stream message", warning)
    this.#excuse()
  }

  /** Who waits for an ack in vain is told that somebody is here: now and then, which is enough. */
  #excuse(): void {
    const now = this.monotonic()
    if (now - this.#excused < Math.min(excuseInterval, this.#options.timeout / 4)) return
    this.#excused = now
    this.beat()
  }

  /** Gives a sign of life to an end that understands it. */
  beat(probe = false): void {
    if (this.#features === 0 || this.#isClosed) return
    const { bus, keepalive, target, timeout } = this.#options
    // the next one says the same: without a connection they need not pile up
    const head = this.#head(Math.min(timeout, keepalive))
    this.#liveness.said()
    bus.publishUnsafe(target, Envelope.encodeStreamKeepalive(target, head, probe), head.expiry, this.#signOfLife)
  }

  #head(timeout = this.#options.timeout): Envelope.StreamHead {
    const sentAt = this.#options.deadlines.now()
    return { streamId: this.#options.streamId, requestId: newRequestId(), sentAt, expiry: sentAt + timeout }
  }

  // ── sending ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #send(message: unknown, options: SendOptions | undefined): Effect.Effect<void, PsrpcError.PsrpcError> {
    return Effect.callback((resume) => {
      const sent = this.post(message, options, resume)
      return sent === undefined ? undefined : Effect.sync(() => sent.abandon())
    })
  }

  /** Sends a message; `settled` is called once, also before this returns. */
  post(
    message: unknown,
    options: SendOptions | undefined,
    settled: (exit: Exit.Exit<void, PsrpcError.PsrpcError>) => void
  ): PendingSend | undefined {
    const { label } = this.#options
    let timeout: number
    let raw: Uint8Array
    if (this.#isClosed || this.#ending !== "none") {
      settled(Exit.fail(this.#isClosed ? notSent(this.over) : afterCloseSend(label)))
      return undefined
    }
    try {
      timeout = options?.timeout === undefined ? this.#options.timeout : millisOf("timeout", options.timeout)
    } catch (cause) {
      settled(Exit.fail(invalidArgument(`${label}: ${messageOf(cause)}`, cause)))
      return undefined
    }
    try {
      raw = this.#options.send.encode(message)
    } catch (cause) {
      const text = `the message cannot be encoded (${label}): ${messageOf(cause)}`
      const about = { message: text, cause, reason: "not_sent", mayHaveRun: false } as const
      settled(Exit.fail(PsrpcError.fromCode("malformed_request", about)))
      return undefined
    }
    this.#options.series.send(raw.length)
    this.#options.span?.sent(raw.length)
    return this.#publish(timeout, settled, (head) => Envelope.encodeStreamMessage(this.#options.target, head, raw))
  }

  readonly #closeSend: Effect.Effect<boolean, PsrpcError.PsrpcError> = Effect.callback((resume) => {
    if (this.#isClosed) return resume(Effect.fail(notSent(this.over)))
    if ((this.#features & endFeature) === 0) return resume(Effect.succeed(false))
    if (this.#ending === "heard") return resume(Effect.succeed(true))
    this.#ending = "said"
    const { target, timeout } = this.#options
    const settled = (exit: Exit.Exit<void, PsrpcError.PsrpcError>): void => {
      if (exit._tag === "Success") this.#ending = "heard"
      resume(Effect.as(exit, true))
    }
    const sent = this.#publish(timeout, settled, (head) => Envelope.encodeStreamEnd(target, head))
    return Effect.sync(() => sent.abandon())
  })

  #publish(
    timeout: number,
    settled: (exit: Exit.Exit<void, PsrpcError.PsrpcError>) => void,
    encode: (head: Envelope.StreamHead) => Uint8Array
  ): PendingSend {
    const { bus, deadlines, target } = this.#options
    const head = this.#head(timeout)
    const outgoing = new PendingSend(this, head, this.#liveness.count, settled)
    this.#outgoing.set(head.requestId, outgoing)
    deadlines.add(outgoing, timeout)
    this.#liveness.said()
    bus.publishUnsafe(target, encode(head), head.expiry, outgoing)
    return outgoing
  }

  get label(): string {
    return this.#options.label
  }

  isPending(outgoing: PendingSend): boolean {
    return this.#outgoing.has(outgoing.head.requestId)
  }

  /** Takes a send out of what waits for an ack; says whether it was there. */
  remove(outgoing: PendingSend): boolean {
    if (!this.#outgoing.delete(outgoing.head.requestId)) return false
    this.#options.deadlines.delete(outgoing)
    return true
  }

  /** A send came to no ack in its time: unless something was heard since, the other end may be gone. */
  unanswered(left: number, heardBefore: number): void {
    if (!this.#isClosed) this.#liveness.suspect(left, heardBefore)
  }

  monotonic(): number {
    return this.#options.deadlines.monotonic()
  }

  /** What a send fails with whose time is over: a lost connection says more than the time. */
  timedOut({ expiry, sentAt }: Envelope.StreamHead): PsrpcError.PsrpcError {
    const { bus, label } = this.#options
    return unacknowledged(label, expiry - sentAt, bus.failure())
  }

  /** What fails with the stream's end, where it has no cause of its own. */
  get over(): PsrpcError.PsrpcError {
    return this.#cause ?? streamClosed(this.#options.label)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** What the stream counts as once it is closed. */
  get outcome(): Outcome {
    return this.#cause === undefined ? "ok" : this.#cause.code
  }

  // ── closing ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The other end is not there any more. */
  vanished(why: string, reason: "peer_lost" | "no_listeners"): void {
    const { bus, label } = this.#options
    this.closeUnsafe(gone(label, why, reason, bus.failure()))
  }

  /** Closes, and waits until the broker has been told, where it can be reached. */
  close(cause?: PsrpcError.PsrpcError): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (cause !== undefined && !PsrpcError.is(cause)) {
        return resume(Effect.die(new TypeError(`${this.label}: the cause of a close is a PsrpcError`)))
      }
      const { bus, deadlines, timeout } = this.#options
      if (this.#isClosed || bus.failure() !== undefined) {
        this.closeUnsafe(cause)
        return resume(Effect.void)
      }
      // the connection may break only now
      const patience = new Timer(() => resume(Effect.void))
      deadlines.add(patience, Math.min(timeout, closePatience))
      const told = (): void => {
        deadlines.delete(patience)
        resume(Effect.void)
      }
      this.closeUnsafe(cause, { wanted: () => true, delivered: told, undelivered: told })
    })
  }

  /** Closes when no message has come for so many milliseconds from now on. */
  closeWhenIdle(millis: number): Effect.Effect<void> {
    return Effect.sync(() => {
      if (this.#isClosed) return
      const timer = new Timer(() => this.closeUnsafe())
      this.#idle = { timer, millis }
      this.#options.deadlines.add(timer, millis)
    })
  }

  /** Closes by how a scope ended. */
  closeBy(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return exit._tag === "Success" ? this.close() : this.close(causeOf(exit.cause))
  }

  closeUnsafe(cause?: PsrpcError.PsrpcError, delivery: Delivery = heedless): void {
    if (this.#isClosed) return
    const { bus, target } = this.#options
    const head = this.#head()
    const known = cause === undefined ? undefined : wireCodeOf(cause)
    this.#shut(cause)
    bus.publishUnsafe(
      target,
      Envelope.encodeStreamClose(
        target,
        head,
        cause === undefined ? closedText : cause.message || cause.code,
        known ?? "canceled"
      ),
      head.expiry,
      delivery
    )
  }

  #shut(cause: PsrpcError.PsrpcError | undefined): void {
    this.#isClosed = true
    this.#cause = cause
    this.#liveness.stop()
    this.#options.span?.closed(cause)
    if (this.#idle !== undefined) this.#options.deadlines.delete(this.#idle.timer)
    // before anybody is woken, who runs at once and looks
    this.#options.onClosed()
    Deferred.doneUnsafe(this.#closed, cause === undefined ? Exit.void : Exit.fail(cause))
    const over = Exit.fail(this.over)
    for (const outgoing of Array.from(this.#outgoing.values())) outgoing.settle(over)
    this.#inbox.close(cause)
  }
}

const heedless: Delivery = { wanted: () => true, delivered() {}, undelivered() {} }
