/** The sends of an endpoint: each is an entry in a map and one of the deadlines until its ack arrives. */
import { Effect, Exit } from "effect"
import type { SendOptions } from "../../BidiStream.ts"
import type { Delivery } from "../../MessageBus.ts"
import * as PsrpcError from "../../PsrpcError.ts"
import { invalidArgument } from "../errors/invalidArgument.ts"
import { messageOf } from "../errors/messageOf.ts"
import type { Timed } from "../time/deadlines.ts"
import { millisOf } from "../time/millis.ts"
import { newRequestId } from "../wire/id.ts"
import * as Envelope from "../wire/streamEnvelope.ts"
import { afterCloseSend, notSent, unacknowledged } from "./causes.ts"
import type { EndpointOptions } from "./endpointOptions.ts"
import type { Liveness } from "./liveness.ts"

type SendExit = Exit.Exit<void, PsrpcError.PsrpcError>

/** The endpoint, as far as its sends need it. */
interface SendingEndpoint {
  readonly isClosed: boolean
  /** The error of operations on the closed stream. */
  readonly closedError: PsrpcError.PsrpcError
  onPeerLost(why: string, reason: "peer_lost" | "no_listeners"): void
}

export class Sender {
  readonly #options: EndpointOptions
  readonly #endpoint: SendingEndpoint
  readonly #liveness: Liveness
  /** By request id. */
  readonly #pending = new Map<string, PendingSend>()
  #half: "open" | "closing" | "closed" = "open"
  /** Whether the peer supports `closeSend`. */
  supportsCloseSend = false

  constructor(options: EndpointOptions, endpoint: SendingEndpoint, liveness: Liveness) {
    this.#options = options
    this.#endpoint = endpoint
    this.#liveness = liveness
  }

  /** See `BidiStream.send`. */
  send(message: unknown, options: SendOptions | undefined): Effect.Effect<void, PsrpcError.PsrpcError> {
    return Effect.callback((resume) => {
      const pending = this.post(message, options, resume)
      return pending === undefined ? undefined : Effect.sync(() => pending.abandon())
    })
  }

  /** Sends a message. Calls `onSettled` once, possibly before it returns. */
  post(
    message: unknown,
    options: SendOptions | undefined,
    onSettled: (exit: SendExit) => void
  ): PendingSend | undefined {
    const { label, target } = this.#options
    let timeout: number
    let raw: Uint8Array
    if (this.#endpoint.isClosed || this.#half !== "open") {
      onSettled(Exit.fail(this.#endpoint.isClosed ? notSent(this.#endpoint.closedError) : afterCloseSend(label)))
      return undefined
    }
    try {
      timeout = options?.timeout === undefined ? this.#options.timeout : millisOf("timeout", options.timeout)
    } catch (cause) {
      onSettled(Exit.fail(invalidArgument(`${label}: ${messageOf(cause)}`, cause)))
      return undefined
    }
    try {
      raw = this.#options.send.encode(message)
    } catch (cause) {
      const text = `the message cannot be encoded (${label}): ${messageOf(cause)}`
      const fields = { message: text, cause, reason: "not_sent", mayHaveRun: false } as const
      onSettled(Exit.fail(PsrpcError.fromCode("malformed_request", fields)))
      return undefined
    }
    this.#options.series.send(raw.length)
    this.#options.span?.sent(raw.length)
    return this.#publish(timeout, onSettled, (head) => Envelope.encodeStreamMessage(target, head, raw))
  }

  /** See `BidiStream.closeSend`. */
  readonly closeSend: Effect.Effect<boolean, PsrpcError.PsrpcError> = Effect.callback((resume) => {
    if (this.#endpoint.isClosed) return resume(Effect.fail(notSent(this.#endpoint.closedError)))
    if (!this.supportsCloseSend) return resume(Effect.succeed(false))
    if (this.#half === "closed") return resume(Effect.succeed(true))
    this.#half = "closing"
    const { target, timeout } = this.#options
    const onSettled = (exit: SendExit): void => {
      if (exit._tag === "Success") this.#half = "closed"
      resume(Effect.as(exit, true))
    }
    const pending = this.#publish(timeout, onSettled, (head) => Envelope.encodeStreamEnd(target, head))
    return Effect.sync(() => pending.abandon())
  })

  #publish(
    timeout: number,
    onSettled: (exit: SendExit) => void,
    encode: (head: Envelope.StreamHead) => Uint8Array
  ): PendingSend {
    const { bus, deadlines, target } = this.#options
    const head = newHead(this.#options, timeout)
    const pending = new PendingSend(this, head, this.#liveness.received, onSettled)
    this.#pending.set(head.requestId, pending)
    deadlines.add(pending, timeout)
    this.#liveness.onSent()
    bus.publishUnsafe(target, encode(head), head.expiry, pending)
    return pending
  }

  acknowledge(requestId: string): void {
    this.#pending.get(requestId)?.settle(Exit.void)
  }

  /** Settles all pending sends with the error of the closed stream. */
  close(): void {
    const exit = Exit.fail(this.#endpoint.closedError)
    for (const pending of Array.from(this.#pending.values())) pending.settle(exit)
  }

  // ── for pending sends ─────────────────────────────────────────────────────────────────────────────────────────────

  isPending({ head }: PendingSend): boolean {
    return this.#pending.has(head.requestId)
  }

  /** Removes a pending send. Returns false if it is not pending. */
  remove(pending: PendingSend): boolean {
    if (!this.#pending.delete(pending.head.requestId)) return false
    this.#options.deadlines.delete(pending)
    return true
  }

  monotonic(): number {
    return this.#options.deadlines.monotonic()
  }

  onNoListeners(): void {
    this.#endpoint.onPeerLost("no listeners", "no_listeners")
  }

  /** A send got no ack in time: the peer may be lost. */
  onUnacknowledged(sentAt: number, receivedBefore: number): void {
    if (!this.#endpoint.isClosed) this.#liveness.startProbe(sentAt, receivedBefore)
  }

  /** The error of a send without an ack: a lost connection, if there is one, is the more precise reason. */
  timeoutError({ expiry, sentAt }: Envelope.StreamHead): PsrpcError.PsrpcError {
    const { bus, label } = this.#options
    return unacknowledged(label, expiry - sentAt, bus.failure())
  }
}

/** A message that is not acknowledged. */
class PendingSend implements Timed, Delivery {
  slot = -1
  due = 0
  seq = 0

  readonly head: Envelope.StreamHead
  readonly #sender: Sender
  /** The number of messages that had been received from the peer before. */
  readonly #receivedBefore: number
  readonly #onSettled: (exit: SendExit) => void
  /** When the broker accepted the message, on the monotonic clock. A peer without a reaction since then may be lost. */
  #sentAt: number | undefined

  constructor(sender: Sender, head: Envelope.StreamHead, receivedBefore: number, onSettled: (exit: SendExit) => void) {
    this.#sender = sender
    this.head = head
    this.#receivedBefore = receivedBefore
    this.#onSettled = onSettled
  }

  settle(exit: SendExit): void {
    if (this.#sender.remove(this)) this.#onSettled(exit)
  }

  expired(): void {
    this.settle(Exit.fail(this.#sender.timeoutError(this.head)))
    this.#reportUnacknowledged()
  }

  /** The sender was interrupted. */
  abandon(): void {
    if (this.#sender.remove(this)) this.#reportUnacknowledged()
  }

  #reportUnacknowledged(): void {
    if (this.#sentAt !== undefined) this.#sender.onUnacknowledged(this.#sentAt, this.#receivedBefore)
  }

  wanted(): boolean {
    return this.#sender.isPending(this)
  }

  delivered(receivers: number): void {
    if (receivers === 0) this.#sender.onNoListeners()
    else if (this.wanted()) this.#sentAt = this.#sender.monotonic()
  }

  undelivered(error: PsrpcError.PsrpcError): void {
    // a message that may have left can still be acknowledged, after a reconnect
    if (!error.mayHaveRun) this.settle(Exit.fail(error))
  }
}

/** Makes the head of a message that expires after `timeout` milliseconds. */
export const newHead = ({ deadlines, streamId }: EndpointOptions, timeout: number): Envelope.StreamHead => {
  const sentAt = deadlines.now()
  return { streamId, requestId: newRequestId(), sentAt, expiry: sentAt + timeout }
}
