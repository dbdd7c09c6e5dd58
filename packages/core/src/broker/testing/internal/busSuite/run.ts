/**
 * One run of one test of the suite: names that nobody else uses, what was published and what became of it, what came,
 * and for what the test is waiting.
 */
import { type Cause, Clock, Effect, Exit, Fiber, identity, Logger, Scope } from "effect"
import * as Channels from "../../../../internal/wire/channel.ts"
import { decodeValue, encodeValue, makeType } from "../../../../internal/wire/callEnvelope.ts"
import { newClientId } from "../../../../internal/wire/id.ts"
import type { Channel, Delivery, Listener, MessageBus, SubscribeOptions } from "../../../../MessageBus.ts"
import type { PsrpcError } from "../../../../PsrpcError.ts"
import { equal, fail, type SuiteFailure } from "./failure.ts"

export type Bus = MessageBus["Service"]

/** What a bus is, and what it cannot do: see `MessageBusSuite.Options`. */
export interface Traits {
  readonly connect: Effect.Effect<Bus, unknown, Scope.Scope>
  readonly outage: Effect.Effect<void, unknown, Scope.Scope> | undefined
  readonly maxPayload: number | undefined
  readonly reportsNoListeners: boolean
  /** Milliseconds. */
  readonly timeout: number
}

/** A test. */
export interface Case {
  readonly name: string
  /** Whether what the bus logs is what the test provokes. */
  readonly quiet?: boolean
  /** What has to be known of the bus. */
  readonly needs?: "maxPayload"
  readonly body: (run: Run) => Effect.Effect<void, unknown, Scope.Scope>
}

/** Milliseconds between two looks at a condition. */
const interval = 2
/** How long a published message may live, in milliseconds: longer than any test. */
const life = 3_600_000
const type = makeType("effect_psrpc.testing.Sample")
const utf8 = new TextEncoder()
const text8 = new TextDecoder()

/** What became of one message. */
export class Fate implements Delivery {
  readonly label: string
  /** What is to become of it; `undefined` where the test looks itself. */
  expected: "delivered" | "undelivered" | "untold" | undefined = "delivered"
  isWanted = true
  told = 0
  receivers: number | undefined
  error: PsrpcError | undefined

  constructor(label: string) {
    this.label = label
  }

  wanted(): boolean {
    return this.isWanted
  }

  delivered(receivers: number): void {
    this.told++
    this.receivers = receivers
  }

  undelivered(error: PsrpcError): void {
    this.told++
    this.error = error
  }

  /** Fails where it was told something else than expected. */
  get verified(): Effect.Effect<void, SuiteFailure> {
    const { error, expected, label, receivers, told } = this
    if (expected === "untold") return equal(`times that the fate of ${label} was told`, told, 0)
    if (told !== 1) return equal(`times that the fate of ${label} was told`, told, 1)
    const got = error === undefined ? "delivered" : "undelivered"
    if (expected !== undefined && got !== expected) {
      const why = error === undefined ? `to ${receivers}` : `${error._tag}: ${error.message}`
      return fail(`${label}: expected it to be ${expected}, got ${got} (${why})`)
    }
    const isCount = receivers === undefined || receivers === -1 || (Number.isInteger(receivers) && receivers >= 0)
    return isCount ? Effect.void : fail(`${label}: expected a number of receivers, or -1, got ${receivers}`)
  }
}

/**
 * What a text begins with: the channel's name, which is unique to the test. So a message that goes astray shows, and no
 * two of different channels are equal, which a queue may take for one.
 */
const prefixOf = (channel: Channel): string => `${channel.name}: `

const bytesOf = (channel: Channel, value: string | Uint8Array): Uint8Array =>
  typeof value === "string" ? utf8.encode(prefixOf(channel) + value) : value

/** What one listener got. */
export class Recorder {
  readonly #prefix: string
  /** The messages as they came. */
  readonly messages: Array<Uint8Array> = []
  /** What was in them. */
  readonly texts: Array<string> = []
  readonly listener: Listener = (message) => {
    this.messages.push(message)
    this.texts.push(this.read(message))
  }

  constructor(channel: Channel) {
    this.#prefix = prefixOf(channel)
  }

  /** The text in a message, or what is wrong with it. */
  read(message: Uint8Array): string {
    const value = decodeValue(type, message)
    if (typeof value === "string") return `<a ${value} message>`
    const text = text8.decode(value)
    return text.startsWith(this.#prefix)
      ? text.slice(this.#prefix.length)
      : `<another channel's message: ${text.slice(0, 200)}>`
  }

  get count(): number {
    return this.texts.length
  }
}

/** Publishes a text, or bytes, on one channel. */
export type Send = (value: string | Uint8Array) => Fate

/** A scope that the test closes. */
export interface Closable {
  readonly scope: Scope.Closeable
  readonly close: Effect.Effect<void>
}

export class Run {
  readonly traits: Traits
  /** The service whose channels are used: unique, so that neither tests nor runs of the suite hear each other. */
  readonly service: string = `Suite_${newClientId().slice(4)}`
  readonly #fates: Array<Fate> = []
  readonly #end: number
  readonly #now: () => number
  /** What the test is doing, for one that does not come to an end. */
  doing = "the test to begin"

  constructor(traits: Traits, now: () => number) {
    this.traits = traits
    this.#now = now
    this.#end = now() + traits.timeout
  }

  /** Says what the test is waiting for. */
  step<A, E, R>(doing: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      this.doing = doing
      return effect
    })
  }

  get connect(): Effect.Effect<Bus, unknown, Scope.Scope> {
    return this.step("a connection", this.traits.connect)
  }

  connections(count: number): Effect.Effect<Array<Bus>, unknown, Scope.Scope> {
    return Effect.all(Array.from({ length: count }, () => this.connect))
  }

  /**
   * Whether the broker has given the message to those who listened. Where a bus cannot tell that nobody listens, all that
   * is known is that the broker has it: the nodes of a cluster give it to each other later.
   */
  isGiven({ receivers, told }: Fate): boolean {
    if (told === 0 || receivers === undefined) return false
    return receivers > 0 || (receivers === -1 && this.traits.reportsNoListeners)
  }

  /** A channel where everybody hears everything. On a bus with subjects many of them share one. */
  fan(method: string, topic: ReadonlyArray<string> = []): Channel {
    return Channels.claimResponse(this.service, method, topic)
  }

  /** A channel with a queue. On a bus with subjects all of a service share one. */
  queue(method: string, topic: ReadonlyArray<string> = []): Channel {
    return Channels.request(this.service, method, topic, true)
  }

  subscribe(
    bus: Bus,
    channel: Channel,
    listener: Listener,
    options?: SubscribeOptions
  ): Effect.Effect<void, PsrpcError, Scope.Scope> {
    return this.step(
      `the subscription of ${channel.name} to be acknowledged`,
      bus.subscribe(channel, listener, options)
    )
  }

  /** Subscribes, and writes down what comes. */
  listen(bus: Bus, channel: Channel, options?: SubscribeOptions): Effect.Effect<Recorder, PsrpcError, Scope.Scope> {
    const recorder = new Recorder(channel)
    return Effect.as(this.subscribe(bus, channel, recorder.listener, options), recorder)
  }

  /** An encoded message. */
  encode(bus: Bus, channel: Channel, value: string | Uint8Array, unique = false): Uint8Array {
    return encodeValue(bus.target(channel, { unique }), type, bytesOf(channel, value))
  }

  /** The bytes in a message. */
  decode(message: Uint8Array): Uint8Array | undefined {
    const value = decodeValue(type, message)
    return typeof value === "string" ? undefined : value
  }

  /** Makes a channel ready for publishing: each message's fate is looked at when the test is over. */
  sender(
    bus: Bus,
    channel: Channel,
    options: { readonly unique?: boolean; readonly lifetime?: number; readonly expected?: Fate["expected"] } = {}
  ): Send {
    const target = bus.target(channel, { unique: options.unique })
    return (value) => {
      const isText = typeof value === "string"
      const fate = new Fate(isText ? `"${value}"` : `a message with ${value.length} bytes in it`)
      if ("expected" in options) fate.expected = options.expected
      this.#fates.push(fate)
      const message = encodeValue(target, type, bytesOf(channel, value))
      bus.publishUnsafe(target, message, this.#now() + (options.lifetime ?? life), fate)
      return fate
    }
  }

  /** Publishes one message. */
  post(bus: Bus, channel: Channel, value: string | Uint8Array): Fate {
    return this.sender(bus, channel)(value)
  }

  /** Waits until it is so. `state` says what is the case instead, if it is not. */
  until(what: string, holds: () => boolean, state?: () => string): Effect.Effect<void, SuiteFailure> {
    const look: Effect.Effect<void, SuiteFailure> = Effect.suspend(() => {
      if (holds()) return Effect.void
      if (this.#now() < this.#end) return Effect.andThen(Effect.sleep(interval), look)
      return fail(`waited in vain for ${what}${state === undefined ? "" : `: ${state()}`}`)
    })
    return this.step(what, look)
  }

  /** Waits until a listener has got so many. */
  arrived(recorder: Recorder, count: number, what = "messages to arrive"): Effect.Effect<void, SuiteFailure> {
    return this.until(
      `${count} ${what}`,
      () => recorder.count >= count,
      () => `got ${recorder.count}`
    )
  }

  /** Waits until a listener has got something. */
  heard(recorder: Recorder, text: string): Effect.Effect<void, SuiteFailure> {
    return this.until(
      `"${text}" to arrive`,
      () => recorder.texts.includes(text),
      () => `got ${recorder.count} others`
    )
  }

  /** Waits until what was published has come to something. */
  told(fates: ReadonlyArray<Fate>): Effect.Effect<void, SuiteFailure> {
    return this.until(
      "the fate of each message to be told",
      () => fates.every((fate) => fate.told > 0 || fate.expected === "untold"),
      () => `${fates.filter((fate) => fate.told === 0).map(({ label }) => label)[0]} and others were told nothing`
    )
  }

  /** Lets the event loop turn once. */
  readonly turn: Effect.Effect<void> = Effect.sleep(1)

  /** A scope that ends with the test at the latest. */
  readonly closable: Effect.Effect<Closable, never, Scope.Scope> = Effect.map(
    Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void)),
    (scope) => ({ scope, close: this.step("a scope to close", Scope.close(scope, Exit.void)) })
  )

  readonly #over: Array<{ readonly recorder: Recorder; readonly count: number }> = []

  /** Says that a listener is to hear no more: that is looked at when the test is over. */
  over(recorder: Recorder): void {
    this.#over.push({ recorder, count: recorder.count })
  }

  readonly #silent: Effect.Effect<void, SuiteFailure> = Effect.suspend(() =>
    Effect.forEach(
      this.#over,
      ({ count, recorder }) =>
        equal("messages for a listener whose subscription was over", recorder.texts.slice(count), []),
      { discard: true }
    )
  )

  /** Fails where a message was told nothing, something twice, or something else than expected. */
  readonly #verify: Effect.Effect<void, SuiteFailure> = Effect.suspend(() =>
    Effect.andThen(
      this.told(this.#fates),
      Effect.andThen(
        Effect.forEach(this.#fates, (fate) => fate.verified, { discard: true }),
        this.#silent
      )
    )
  )

  /** What the test failed with, in case that its scope does not close. */
  failed: Cause.Cause<unknown> | undefined

  execute(body: Case["body"]): Effect.Effect<void, unknown> {
    return Effect.scoped(
      body(this).pipe(
        Effect.andThen(this.#verify),
        Effect.onExit((exit) =>
          Effect.sync(() => {
            if (Exit.isFailure(exit)) this.failed = exit.cause
            this.doing = "subscriptions and connections to close"
          })
        )
      )
    ).pipe(Effect.andThen(this.#silent))
  }
}

/** How much longer than its time a test may take to give up: milliseconds. */
const grace = 1000

/**
 * Runs a test in real time, whatever the clock of the runner is, and within its time, whatever the bus does: a bus that
 * hangs is left behind.
 */
export const perform = (test: Case, traits: Traits): Effect.Effect<void, unknown> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const run = new Run(traits, () => clock.currentTimeMillisUnsafe())
    const fiber = yield* Effect.forkDetach(run.execute(test.body), { startImmediately: true })
    yield* Fiber.join(fiber).pipe(
      Effect.timeoutOrElse({
        duration: traits.timeout + grace,
        orElse: () =>
          run.failed === undefined
            ? fail(`${traits.timeout} ms were not enough: waited in vain for ${run.doing}`)
            : Effect.failCause(run.failed)
      }),
      Effect.onExit(() => Effect.sync(() => fiber.interruptUnsafe()))
    )
  }).pipe(
    test.quiet === true ? Effect.provide(Logger.layer([])) : identity,
    Effect.provideService(Clock.Clock, Clock.Clock.defaultValue())
  )
