import { Effect, type Scope, Semaphore } from "effect"
import * as Deadlines from "../../../internal/time/deadlines.ts"
import { decodeMsg } from "../../../internal/wire/msg.ts"
import type { Delivery, MessageBus, Target } from "../../../MessageBus.ts"
import * as PsrpcError from "../../../PsrpcError.ts"
import { Attachments } from "./attachments.ts"
import { decide, type Fault, type Faults, type Message, none } from "./fault.ts"

type Bus = MessageBus["Service"]
type Mutable<A> = { -readonly [K in keyof A]: A[K] }

/**
 * What became of a message: it waits for the connection, is on its way, or its publisher was told; `unwanted` where
 * nobody waited for it any more before it could be sent.
 *
 * @category models
 * @since 0.1.0
 */
export type Fate = "held" | "under way" | "delivered" | "undelivered" | "lost" | "unwanted"

/**
 * A message that was published, and what became of it so far.
 *
 * @category models
 * @since 0.1.0
 */
export interface Published extends Message {
  /** The encoded `Msg`. */
  readonly bytes: Uint8Array
  /** Unix milliseconds on the Clock. */
  readonly publishedAt: number
  readonly fault: Fault
  readonly fate: Fate
  /** When it was handed to the bus beneath, each time: unix milliseconds on the Clock. */
  readonly sentAt: ReadonlyArray<number>
  /** What its publisher was told, where it was delivered or lost. */
  readonly receivers?: number | undefined
  /** What its publisher was told, where it was undelivered. */
  readonly error?: PsrpcError.PsrpcError | undefined
}

/** The name of what is in a `Msg`, without its package. */
const typeOf = (bytes: Uint8Array): string => {
  const msg = decodeMsg(bytes)
  if (msg === "malformed") return msg
  return msg.typeUrl.slice(Math.max(msg.typeUrl.lastIndexOf("/"), msg.typeUrl.lastIndexOf(".")) + 1)
}

const unreachable = (why: string, mayHaveRun: boolean): PsrpcError.PsrpcError =>
  PsrpcError.fromCode("unavailable", { message: `faulty bus: ${why}`, reason: "connection", mayHaveRun })

const heedless: Delivery = { wanted: () => true, delivered() {}, undelivered() {} }

/** One published message, until its publisher is told what became of it. */
class Sending implements Delivery {
  readonly target: Target
  readonly expiry: number
  readonly record: Mutable<Omit<Published, "sentAt">> & { readonly sentAt: Array<number> }
  readonly #delivery: Delivery
  #isTold = false
  /** It has left, and nobody can call it back. */
  hasLeft = false

  constructor(target: Target, expiry: number, delivery: Delivery, record: Sending["record"]) {
    this.target = target
    this.expiry = expiry
    this.#delivery = delivery
    this.record = record
  }

  wanted(): boolean {
    if (this.hasLeft || this.#delivery.wanted()) return true
    this.record.fate = "unwanted"
    return false
  }

  delivered(receivers: number): void {
    this.#reached("delivered", receivers)
  }

  lost(receivers: number): void {
    this.#reached("lost", receivers)
  }

  #reached(fate: Fate, receivers: number): void {
    if (this.#isTold) return
    this.#isTold = true
    this.record.fate = fate
    this.record.receivers = receivers
    this.#delivery.delivered(receivers)
  }

  undelivered(error: PsrpcError.PsrpcError): void {
    if (this.#isTold) return
    this.#isTold = true
    this.record.fate = "undelivered"
    this.record.error = error
    this.#delivery.undelivered(error)
  }
}

/** One time that a message is sent, or, with none, the moment at which it is lost. */
class Copy implements Deadlines.Timed {
  slot = -1
  due = 0
  seq = 0
  readonly sending: Sending
  readonly isFirst: boolean
  readonly #run: (copy: Copy) => void

  constructor(sending: Sending, isFirst: boolean, run: (copy: Copy) => void) {
    this.sending = sending
    this.isFirst = isFirst
    this.#run = run
  }

  expired(): void {
    this.#run(this)
  }
}

/** A message that waits for the connection, until it expires. */
class Held implements Deadlines.Timed {
  slot = -1
  due = 0
  seq = 0
  readonly sending: Sending
  readonly #drop: (held: Held) => void

  constructor(sending: Sending, drop: (held: Held) => void) {
    this.sending = sending
    this.#drop = drop
  }

  expired(): void {
    this.#drop(this)
  }
}

/** A bus with faults in front of another one. */
export class FaultyBus {
  readonly records: Array<Published> = []
  readonly #bus: Bus
  readonly #deadlines: Deadlines.Deadlines
  readonly #attachments: Attachments
  #faults: Faults
  #index = 0
  readonly #indexOfType = new Map<string, number>()
  #isPartitioned = false
  #isConnected = true
  #isClosed = false
  /** One change of the connection after the other. */
  readonly #changes = Semaphore.makeUnsafe(1)
  /** In the order of publishing. */
  readonly #held = new Set<Held>()
  /** Not sent yet, not even once. */
  readonly #underWay = new Set<Sending>()
  /** How much is late and keeps its order, and the last of it. */
  #inLane = 0
  #lastInLane: Copy | undefined

  constructor(bus: Bus, faults: Faults, deadlines: Deadlines.Deadlines) {
    this.#bus = bus
    this.#faults = faults
    this.#deadlines = deadlines
    this.#attachments = new Attachments(bus, () => !this.#isPartitioned)
  }

  readonly target: Bus["target"] = (channel, options) => this.#bus.target(channel, options)

  readonly subscribe: Bus["subscribe"] = (channel, listener, options) =>
    this.#attachments.subscribe(channel, listener, options)

  readonly failure: Bus["failure"] = () =>
    this.#isConnected ? this.#bus.failure() : unreachable("disconnected", false)

  readonly publishUnsafe: Bus["publishUnsafe"] = (target, bytes, expiry, delivery) => {
    const type = typeOf(bytes)
    const indexOfType = this.#indexOfType.get(type) ?? 0
    this.#indexOfType.set(type, indexOfType + 1)
    const message = { channel: target.name, type, index: this.#index++, indexOfType }
    const { error, fault } = this.#decide(message)
    const publishedAt = this.#deadlines.now()
    // its publisher may write over the bytes once it is told, and they may be sent after that
    const kept = bytes.slice()
    const record = { ...message, bytes: kept, publishedAt, fault, fate: "under way" as Fate, sentAt: [] }
    this.records.push(record)
    const sending = new Sending(target, expiry, delivery, record)
    if (error !== undefined) return sending.undelivered(error)
    if (this.#isClosed) return sending.undelivered(unreachable("closed", false))
    if (this.#isConnected) this.#send(sending)
    else this.#hold(sending)
  }

  /** A function that throws does not throw at whoever publishes: the message comes to nothing, with what was thrown. */
  #decide(message: Message): { readonly fault: Fault; readonly error?: PsrpcError.PsrpcError } {
    try {
      return { fault: decide(this.#faults, message) ?? none }
    } catch (cause) {
      const text = `faulty bus: the function that decides faults threw at message ${message.index}`
      return { fault: none, error: PsrpcError.fromCode("internal", { message: text, cause, mayHaveRun: false }) }
    }
  }

  #hold(sending: Sending): void {
    sending.record.fate = "held"
    const held = new Held(sending, this.#expired)
    this.#held.add(held)
    this.#deadlines.add(held, sending.expiry - this.#deadlines.now())
  }

  readonly #expired = (held: Held): void => {
    this.#held.delete(held)
    if (held.sending.wanted()) held.sending.undelivered(unreachable("disconnected until the message expired", false))
  }

  #send(sending: Sending): void {
    const { copies, latency } = sending.record.fault
    sending.record.fate = "under way"
    // behind what is late already, also where the timer is
    const isInTime = latency === 0 && this.#inLane === 0
    for (const [i, delay] of (copies.length === 0 ? [0] : copies).entries()) {
      if (isInTime && delay === 0) this.#run(new Copy(sending, i === 0, this.#run))
      else this.#sendLater(sending, i === 0, delay)
    }
  }

  #sendLater(sending: Sending, isFirst: boolean, delay: number): void {
    const inLane = delay === 0
    if (isFirst) {
      this.#underWay.add(sending)
      sending.hasLeft = true
    }
    const copy = new Copy(sending, isFirst, inLane ? this.#runInLane : this.#run)
    this.#deadlines.add(copy, sending.record.fault.latency)
    const start = this.#inLane > 0 ? Math.max(copy.due, this.#lastInLane!.due) : copy.due
    // equal times keep their order
    if (start > copy.due || delay > 0) this.#deadlines.moveTo(copy, start + delay * 1e6)
    if (!inLane) return
    this.#inLane++
    this.#lastInLane = copy
  }

  readonly #runInLane = (copy: Copy): void => {
    this.#inLane--
    this.#run(copy)
  }

  readonly #run = (copy: Copy): void => {
    const { isFirst, sending } = copy
    const { record, target } = sending
    const { bytes, fault } = record
    if (isFirst) this.#underWay.delete(sending)
    const isLost = fault.copies.length === 0 || this.#isPartitioned
    if (!isLost) {
      record.sentAt.push(this.#deadlines.now())
      if (!isFirst) return this.#bus.publishUnsafe(target, bytes, sending.expiry, heedless)
      if (fault.error === undefined) return this.#bus.publishUnsafe(target, bytes, sending.expiry, sending)
      this.#bus.publishUnsafe(target, bytes, sending.expiry, heedless)
    }
    if (!isFirst) return
    if (fault.error !== undefined) sending.undelivered(fault.error)
    else sending.lost(this.#attachments.receivers(target.name))
  }

  readonly setFaults = (faults: Faults): Effect.Effect<void> =>
    Effect.sync(() => {
      this.#faults = faults
    })

  readonly forget: Effect.Effect<void> = Effect.sync(() => {
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
    this.#tellUnderWay("the connection broke before the answer came")
    return this.#attachments.break
  }).pipe(Effect.uninterruptible, this.#changes.withPermits(1))

  readonly reconnect: Effect.Effect<void, PsrpcError.PsrpcError> = Effect.suspend(() => {
    if (this.#isConnected) return Effect.void
    return Effect.andThen(
      this.#attachments.restore,
      Effect.sync(() => this.#drain())
    )
  }).pipe(this.#changes.withPermits(1))

  /** Sends what was held, then what is published while it does. */
  #drain(): void {
    for (const held of this.#held) {
      this.#held.delete(held)
      this.#deadlines.delete(held)
      const { sending } = held
      if (!sending.wanted()) continue
      if (sending.expiry <= this.#deadlines.now()) this.#expired(held)
      else this.#send(sending)
    }
    this.#isConnected = true
  }

  #tellUnderWay(why: string): void {
    const error = unreachable(why, true)
    for (const sending of this.#underWay) sending.undelivered(error)
    this.#underWay.clear()
  }

  readonly close: Effect.Effect<void> = Effect.sync(() => {
    this.#isClosed = true
    const error = unreachable("closed", false)
    for (const { sending } of this.#held) if (sending.wanted()) sending.undelivered(error)
    this.#held.clear()
    this.#tellUnderWay("closed before the answer came")
  })
}

export const makeFaultyBus = (bus: Bus, faults: Faults): Effect.Effect<FaultyBus, never, Scope.Scope> =>
  Effect.gen(function* () {
    const deadlines = yield* Deadlines.make
    return yield* Effect.acquireRelease(
      Effect.sync(() => new FaultyBus(bus, faults, deadlines)),
      ({ close }) => close
    )
  })
