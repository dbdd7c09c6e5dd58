/** The bus behind `FaultyMessageBus`: applies faults to published messages, and breaks and restores its connection. */
import { Effect, type Scope, Semaphore } from "effect"
import * as Deadlines from "../../../internal/time/deadlines.ts"
import { decodeMsg } from "../../../internal/wire/msg.ts"
import type { MessageBus } from "../../../MessageBus.ts"
import * as PsrpcError from "../../../PsrpcError.ts"
import { decide, type Fault, type Faults, type Message, none } from "./faults.ts"
import { FaultySubscriptions } from "./faultySubscriptions.ts"
import {
  ignoreOutcome,
  type OpenRecord,
  PendingMessage,
  type PublishedMessage,
  QueuedMessage,
  ScheduledCopy
} from "./publishedMessage.ts"

type Bus = MessageBus["Service"]

/** Returns the name of the message in a `Msg`, without its package. */
const typeOf = (bytes: Uint8Array): string => {
  const msg = decodeMsg(bytes)
  if (msg === "malformed") return msg
  return msg.typeUrl.slice(Math.max(msg.typeUrl.lastIndexOf("/"), msg.typeUrl.lastIndexOf(".")) + 1)
}

const unavailable = (why: string, mayHaveRun: boolean): PsrpcError.PsrpcError =>
  PsrpcError.fromCode("unavailable", { message: `faulty bus: ${why}`, reason: "connection", mayHaveRun })

export class FaultyBus {
  readonly records: Array<PublishedMessage> = []
  readonly #bus: Bus
  readonly #deadlines: Deadlines.Deadlines
  readonly #subscriptions: FaultySubscriptions
  #faults: Faults
  #index = 0
  readonly #indexOfType = new Map<string, number>()
  #isPartitioned = false
  #isConnected = true
  #isClosed = false
  /** Permits one change of the connection at a time. */
  readonly #changes = Semaphore.makeUnsafe(1)
  /** In the order of publishing. */
  readonly #queued = new Set<QueuedMessage>()
  /** Messages of which no copy has been sent yet. */
  readonly #pending = new Set<PendingMessage>()
  /** The number of scheduled copies that keep their order, and the last of them. */
  #ordered = 0
  #lastOrdered: ScheduledCopy | undefined

  constructor(bus: Bus, faults: Faults, deadlines: Deadlines.Deadlines) {
    this.#bus = bus
    this.#faults = faults
    this.#deadlines = deadlines
    this.#subscriptions = new FaultySubscriptions(bus, () => !this.#isPartitioned)
  }

  readonly target: Bus["target"] = (channel, options) => this.#bus.target(channel, options)

  readonly subscribe: Bus["subscribe"] = (channel, listener, options) =>
    this.#subscriptions.subscribe(channel, listener, options)

  readonly failure: Bus["failure"] = () =>
    this.#isConnected ? this.#bus.failure() : unavailable("disconnected", false)

  readonly publishUnsafe: Bus["publishUnsafe"] = (target, bytes, expiry, delivery) => {
    const type = typeOf(bytes)
    const indexOfType = this.#indexOfType.get(type) ?? 0
    this.#indexOfType.set(type, indexOfType + 1)
    const message = { channel: target.name, type, index: this.#index++, indexOfType }
    const { error, fault } = this.#decide(message)
    const record: OpenRecord = {
      ...message,
      // the publisher may reuse its bytes once the outcome is reported, and copies can be sent after that
      bytes: bytes.slice(),
      publishedAt: this.#deadlines.now(),
      fault,
      outcome: "pending",
      sentAt: []
    }
    this.records.push(record)
    const pending = new PendingMessage(target, expiry, delivery, record)
    if (error !== undefined) return pending.undelivered(error)
    if (this.#isClosed) return pending.undelivered(unavailable("closed", false))
    if (this.#isConnected) this.#send(pending)
    else this.#queue(pending)
  }

  /** Decides the fault of a message. An exception of the user's function fails the message, not the publisher. */
  #decide(message: Message): { readonly fault: Fault; readonly error?: PsrpcError.PsrpcError } {
    try {
      return { fault: decide(this.#faults, message) ?? none }
    } catch (cause) {
      const text = `faulty bus: the function that decides faults threw at message ${message.index}`
      return { fault: none, error: PsrpcError.fromCode("internal", { message: text, cause, mayHaveRun: false }) }
    }
  }

  #queue(message: PendingMessage): void {
    message.record.outcome = "queued"
    const queued = new QueuedMessage(message, this.#expire)
    this.#queued.add(queued)
    this.#deadlines.add(queued, message.expiry - this.#deadlines.now())
  }

  readonly #expire = (queued: QueuedMessage): void => {
    this.#queued.delete(queued)
    const { message } = queued
    if (message.wanted()) message.undelivered(unavailable("disconnected until the message expired", false))
  }

  #send(message: PendingMessage): void {
    const { copies, latency } = message.record.fault
    message.record.outcome = "pending"
    // a message with latency holds up all messages that follow
    const isImmediate = latency === 0 && this.#ordered === 0
    for (const [i, delay] of (copies.length === 0 ? [0] : copies).entries()) {
      if (isImmediate && delay === 0) this.#sendCopy(new ScheduledCopy(message, i === 0, this.#sendCopy))
      else this.#schedule(message, i === 0, delay)
    }
  }

  #schedule(message: PendingMessage, isFirst: boolean, delay: number): void {
    const isOrdered = delay === 0
    if (isFirst) {
      this.#pending.add(message)
      message.hasLeft = true
    }
    const copy = new ScheduledCopy(message, isFirst, isOrdered ? this.#sendOrdered : this.#sendCopy)
    this.#deadlines.add(copy, message.record.fault.latency)
    const start = this.#ordered > 0 ? Math.max(copy.due, this.#lastOrdered!.due) : copy.due
    // copies with equal times keep their order
    if (start > copy.due || delay > 0) this.#deadlines.moveTo(copy, start + delay * 1e6)
    if (!isOrdered) return
    this.#ordered++
    this.#lastOrdered = copy
  }

  readonly #sendOrdered = (copy: ScheduledCopy): void => {
    this.#ordered--
    this.#sendCopy(copy)
  }

  readonly #sendCopy = (copy: ScheduledCopy): void => {
    const { isFirst, message } = copy
    const { record, target } = message
    const { bytes, fault } = record
    if (isFirst) this.#pending.delete(message)
    const isLost = fault.copies.length === 0 || this.#isPartitioned
    if (!isLost) {
      record.sentAt.push(this.#deadlines.now())
      if (!isFirst) return this.#bus.publishUnsafe(target, bytes, message.expiry, ignoreOutcome)
      if (fault.error === undefined) return this.#bus.publishUnsafe(target, bytes, message.expiry, message)
      this.#bus.publishUnsafe(target, bytes, message.expiry, ignoreOutcome)
    }
    if (!isFirst) return
    if (fault.error !== undefined) message.undelivered(fault.error)
    else message.lost(this.#subscriptions.receivers(target.name))
  }

  readonly setFaults = (faults: Faults): Effect.Effect<void> =>
    Effect.sync(() => {
      this.#faults = faults
    })

  readonly clearRecords: Effect.Effect<void> = Effect.sync(() => {
    this.records.length = 0
  })

  readonly partition: Effect.Effect<void> = Effect.sync(() => {
    this.#isPartitioned = true
  })

  readonly heal: Effect.Effect<void> = Effect.sync(() => {
    this.#isPartitioned = false
  })

  readonly disconnect: Effect.Effect<void> = Effect.suspend(() => {
    if (!this.#isConnected) return Effect.void
    this.#isConnected = false
    this.#failPending("connection lost before the outcome was reported")
    return this.#subscriptions.disconnect
  }).pipe(Effect.uninterruptible, this.#changes.withPermits(1))

  readonly reconnect: Effect.Effect<void, PsrpcError.PsrpcError> = Effect.suspend(() => {
    if (this.#isConnected) return Effect.void
    return Effect.andThen(
      this.#subscriptions.reconnect,
      Effect.sync(() => this.#sendQueued())
    )
  }).pipe(this.#changes.withPermits(1))

  /** Sends the queued messages in order, then those that are published meanwhile. */
  #sendQueued(): void {
    for (const queued of this.#queued) {
      this.#queued.delete(queued)
      this.#deadlines.delete(queued)
      const { message } = queued
      if (!message.wanted()) continue
      if (message.expiry <= this.#deadlines.now()) this.#expire(queued)
      else this.#send(message)
    }
    this.#isConnected = true
  }

  #failPending(why: string): void {
    const error = unavailable(why, true)
    for (const message of this.#pending) message.undelivered(error)
    this.#pending.clear()
  }

  readonly close: Effect.Effect<void> = Effect.sync(() => {
    this.#isClosed = true
    const error = unavailable("closed", false)
    for (const { message } of this.#queued) if (message.wanted()) message.undelivered(error)
    this.#queued.clear()
    this.#failPending("closed before the outcome was reported")
  })
}

export const makeFaultyBus = (bus: Bus, faults: Faults = none): Effect.Effect<FaultyBus, never, Scope.Scope> =>
  Effect.gen(function* () {
    const deadlines = yield* Deadlines.make
    return yield* Effect.acquireRelease(
      Effect.sync(() => new FaultyBus(bus, faults, deadlines)),
      ({ close }) => close
    )
  })
