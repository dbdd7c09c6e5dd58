/** The messages of one run: publishes and receives them, and verifies their outcomes at the end. */
import { Effect, type Scope } from "effect"
import * as Channels from "../../../../internal/wire/channel.ts"
import type { Channel, Listener, SubscribeOptions } from "../../../../MessageBus.ts"
import type { PsrpcError } from "../../../../PsrpcError.ts"
import { equal, type SuiteFailure } from "../harness/assertions.ts"
import type { Bus, Run } from "../harness/run.ts"
import { encodeMessage, ListenerLog } from "./listenerLog.ts"
import { PublishOutcome } from "./publishOutcome.ts"

/** The default lifetime of a message in milliseconds: longer than any test. */
const defaultLifetime = 3_600_000

/** Publishes a text, or bytes, on one channel. */
export type Send = (value: string | Uint8Array) => PublishOutcome

export class BusMessages {
  readonly #run: Run
  readonly #outcomes: Array<PublishOutcome> = []
  readonly #ended: Array<{ readonly log: ListenerLog; readonly count: number }> = []

  constructor(run: Run) {
    this.#run = run
  }

  /** Returns a channel without a queue. On a bus with subjects, many of these channels share a subject. */
  plainChannel(method: string, topic: ReadonlyArray<string> = []): Channel {
    return Channels.claimResponse(this.#run.service, method, topic)
  }

  /** Returns a channel with a queue. On a bus with subjects, all queues of a service share a subject. */
  queueChannel(method: string, topic: ReadonlyArray<string> = []): Channel {
    return Channels.request(this.#run.service, method, topic, true)
  }

  subscribe(
    bus: Bus,
    channel: Channel,
    listener: Listener,
    options?: SubscribeOptions
  ): Effect.Effect<void, PsrpcError, Scope.Scope> {
    return this.#run.step(
      `the acknowledgment of the subscription to ${channel.name}`,
      bus.subscribe(channel, listener, options)
    )
  }

  /** Subscribes, and records the received messages. */
  listen(bus: Bus, channel: Channel, options?: SubscribeOptions): Effect.Effect<ListenerLog, PsrpcError, Scope.Scope> {
    const log = new ListenerLog(channel)
    return Effect.as(this.subscribe(bus, channel, log.listener, options), log)
  }

  /** Prepares a channel for publishing. The outcome of each message is verified at the end of the test. */
  sender(
    bus: Bus,
    channel: Channel,
    options: {
      readonly unique?: boolean
      readonly lifetime?: number
      readonly expected?: PublishOutcome["expected"]
    } = {}
  ): Send {
    const target = bus.target(channel, { unique: options.unique })
    const { expected, lifetime } = { expected: "delivered" as const, lifetime: defaultLifetime, ...options }
    return (value) => {
      const label = typeof value === "string" ? `"${value}"` : `a message of ${value.length} bytes`
      const outcome = new PublishOutcome(label, expected)
      this.#outcomes.push(outcome)
      bus.publishUnsafe(target, encodeMessage(target, channel, value), this.#run.now() + lifetime, outcome)
      return outcome
    }
  }

  /** Publishes one message. */
  publish(bus: Bus, channel: Channel, value: string | Uint8Array): PublishOutcome {
    return this.sender(bus, channel)(value)
  }

  /**
   * Returns whether the broker has passed the message to its listeners. `-1` receivers of a bus that cannot report "no
   * listeners" state only that the broker has the message: the nodes of a cluster forward it later.
   */
  hasReachedListeners({ isReported, receivers }: PublishOutcome): boolean {
    if (!isReported || receivers === undefined) return false
    return receivers > 0 || (receivers === -1 && this.#run.bus.reportsNoListeners)
  }

  /** Waits until a listener has received a number of messages. */
  waitForCount(log: ListenerLog, count: number, what = "messages to arrive"): Effect.Effect<void> {
    return this.#run.waitUntil(
      `${count} ${what}`,
      () => log.count >= count,
      () => `received ${log.count}`
    )
  }

  /** Waits until a listener has received a text. */
  waitForText(log: ListenerLog, text: string): Effect.Effect<void> {
    return this.#run.waitUntil(
      `"${text}" to arrive`,
      () => log.texts.includes(text),
      () => `received ${log.count} others`
    )
  }

  /** Waits until the bus has reported the outcome of each message. */
  waitForOutcomes(outcomes: ReadonlyArray<PublishOutcome>): Effect.Effect<void> {
    const open = () => outcomes.filter(({ expected, isReported }) => !isReported && expected !== "unreported")
    return this.#run.waitUntil(
      "the outcome of each message to be reported",
      () => open().length === 0,
      () => `no report for ${open().length} messages, the first is ${open()[0]?.label}`
    )
  }

  /** Marks a listener whose subscription has ended. The end of the test verifies that it has received nothing since. */
  expectNoMore(log: ListenerLog): void {
    this.#ended.push({ log, count: log.count })
  }

  /** Verifies the outcome of each message. */
  readonly verifyOutcomes: Effect.Effect<void, SuiteFailure> = Effect.suspend(() =>
    Effect.andThen(
      this.waitForOutcomes(this.#outcomes),
      Effect.forEach(this.#outcomes, (outcome) => outcome.verify, { discard: true })
    )
  )

  /** Verifies that no listener has received a message after the end of its subscription. */
  readonly verifyEnds: Effect.Effect<void, SuiteFailure> = Effect.suspend(() =>
    Effect.forEach(
      this.#ended,
      ({ count, log }) => equal("messages of a listener after the end of its subscription", log.texts.slice(count), []),
      { discard: true }
    )
  )
}
