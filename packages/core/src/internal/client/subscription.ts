/** Subscriptions: updates from the bus's callback to a Stream. */
import { type Context, Effect, Exit, Scope, type Stream } from "effect"
import * as PsrpcError from "../../PsrpcError.ts"
import * as Channels from "../wire/channel.ts"
import * as Envelope from "../wire/callEnvelope.ts"
import { invalidArgument } from "../errors/invalidArgument.ts"
import { done, type Ending, Mailbox } from "../stream/mailbox.ts"
import { messageOf } from "../errors/messageOf.ts"
import type { SubscriptionMethod } from "../definition/method.ts"
import { countOf } from "../support/count.ts"
import { EveryTenfold } from "../support/logThrottle.ts"
import * as LogAnnotations from "../telemetry/logAnnotations.ts"
import type { Series } from "../telemetry/metrics/series.ts"
import { templateOfUpdates, Spans } from "../telemetry/spans.ts"
import { UpdateSpans } from "../telemetry/updateSpans.ts"
import { byTopic } from "../definition/byTopic.ts"
import { type ClientState, clientClosed, type Closeable } from "./clientState.ts"

const policies = ["dropping", "sliding", "fail"] as const

type Overflow = (typeof policies)[number]

/** Options of a subscription of any method. */
export interface AnySubscribeOptions {
  readonly topic?: Readonly<Record<string, unknown>> | undefined
  readonly subscriptionBufferSize?: number | undefined
  readonly overflow?: Overflow | undefined
}

class Subscription implements Closeable {
  readonly #client: ClientState
  readonly #method: SubscriptionMethod
  readonly #series: Series
  readonly #capacity: number
  readonly #overflow: Overflow
  readonly #mailbox: Mailbox<unknown>
  readonly #spans: UpdateSpans | undefined
  /** The scope of the subscription on the bus, which must not outlive this one: it would take messages from a queue. */
  readonly #scope = Scope.makeUnsafe()
  #isCounted = false
  readonly #losses = new EveryTenfold()

  constructor(
    client: ClientState,
    method: SubscriptionMethod,
    capacity: number,
    overflow: Overflow,
    series: Series,
    spans: UpdateSpans | undefined
  ) {
    this.#series = series
    this.#spans = spans
    this.#mailbox = new Mailbox(spans === undefined ? undefined : () => spans.taken())
    this.#client = client
    this.#method = method
    this.#capacity = capacity
    this.#overflow = overflow
  }

  get updates(): Stream.Stream<unknown, PsrpcError.PsrpcError> {
    return this.#mailbox.stream
  }

  /** Completes when the broker has acknowledged the subscription. */
  open(channel: Channels.Channel): Effect.Effect<void, PsrpcError.PsrpcError> {
    const { bus, closed, subscriptions } = this.#client
    const { label, queue } = this.#method
    // the client may have been closed since its check
    if (closed) return Effect.fail(clientClosed(label, false))
    subscriptions.add(this)
    return bus.subscribe(channel, this.#receive, { queue }).pipe(
      Scope.provide(this.#scope),
      Effect.onExit((exit) => (Exit.isSuccess(exit) ? this.#subscribed : this.end))
    )
  }

  readonly #receive = (message: Uint8Array): void => {
    const { drops } = this.#client
    const { label, message: codec, type } = this.#method
    if (this.#mailbox.hasEnded) {
      // the subscription has overflowed or lost its reader, and the broker still delivers
      if (this.#overflow === "fail") drops("overflow", label, "updates")
      return
    }
    const isFull = this.#mailbox.size >= this.#capacity
    // an update that is dropped need not be decoded
    if (isFull && this.#overflow !== "sliding") return this.#overflowed()
    const raw = Envelope.decodeValue(type, message)
    if (typeof raw === "string") return this.#skip(raw)
    let update: unknown
    try {
      update = codec.decode(raw)
    } catch (cause) {
      return this.#skip("malformed", cause)
    }
    if (isFull) {
      this.#overflowed()
      this.#mailbox.shift()
      this.#spans?.lost(this.#overflowError())
    }
    this.#series.receive(raw.length)
    this.#spans?.arrived(message, raw.length)
    this.#mailbox.push(update)
  }

  #skip(reason: "malformed" | "foreign", cause?: unknown): void {
    const { label } = this.#method
    this.#client.drops(reason, label, cause, `updates of ${label} cannot be decoded and are dropped`)
  }

  /** Counts a dropped update, and ends the subscription or logs a warning. */
  #overflowed(): void {
    const { drops, fork } = this.#client
    const { label, name, service } = this.#method
    drops("overflow", label, "updates")
    if (this.#overflow === "fail") {
      this.#mailbox.end(Effect.fail(this.#overflowError()))
      // not within the bus's callback, which delivers to other listeners too
      fork(Effect.andThen(Effect.yieldNow, this.#leave))
      return
    }
    const lost = this.#losses.record()
    if (lost !== undefined) {
      const which = this.#overflow === "dropping" ? "the newest" : "the oldest"
      const text = `psrpc: updates of ${label} arrive faster than they are read: ${which} are dropped, ${lost} so far (the buffer holds ${this.#capacity})`
      fork(LogAnnotations.annotate(Effect.logWarning(text), service, name))
    }
  }

  #overflowError(): PsrpcError.PsrpcError {
    const { label } = this.#method
    const message = `updates arrive faster than they are read: the buffer of ${this.#capacity} is full (${label})`
    return PsrpcError.fromCode("resource_exhausted", { message, reason: "overflow" })
  }

  /** Counts the subscription when the broker has acknowledged it. */
  readonly #subscribed: Effect.Effect<void> = Effect.sync(() => {
    // the subscription may have ended in the meantime
    if (!this.#client.subscriptions.has(this)) return
    this.#isCounted = true
    this.#series.subscriptions++
  })

  /** Unsubscribes. Updates that the broker has delivered are still read. */
  readonly #leave: Effect.Effect<void> = Effect.suspend(() => {
    this.#client.subscriptions.delete(this)
    if (this.#isCounted) this.#series.subscriptions--
    this.#isCounted = false
    return Scope.close(this.#scope, Exit.void)
  })

  #endWith(ending: Ending): void {
    if (!this.#mailbox.hasEnded) this.#mailbox.end(ending)
  }

  /** Fails the Stream, since the client is closed. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    const { label } = this.#method
    return Effect.tap(this.#leave, () => Effect.sync(() => this.#endWith(Effect.fail(clientClosed(label, true)))))
  })

  /** Ends the Stream, since the scope of the subscription is closed. */
  readonly end: Effect.Effect<void> = Effect.suspend(() =>
    Effect.tap(this.#leave, () =>
      Effect.sync(() => {
        this.#endWith(done)
        this.#spans?.left()
      })
    )
  )
}

/** Makes the function that subscribes to a method, with everything that is made once. */
export const subscriber = (
  client: ClientState,
  method: SubscriptionMethod
): ((
  options?: AnySubscribeOptions
) => Effect.Effect<Stream.Stream<unknown, PsrpcError.PsrpcError>, PsrpcError.PsrpcError, Scope.Scope>) => {
  const { label, name, queue, service } = method
  const series = client.metrics.of(method)
  const channelOf = byTopic(method, (topic) => Channels.request(service, name, topic, queue))

  /** Returns the spans of the updates if the subscriber has a tracer. */
  const spansIn = (context: Context.Context<never>, topic: AnySubscribeOptions["topic"]): UpdateSpans | undefined => {
    const spans = Spans.make(context, () => templateOfUpdates(method, "consumer", topic))
    return spans === undefined ? undefined : new UpdateSpans(spans)
  }

  return (options) =>
    Effect.withFiber((fiber) => {
      if (client.closed) return Effect.fail(clientClosed(label, false))
      const { subscriptionBufferSize = client.subscriptionBufferSize, overflow = "dropping", topic } = options ?? {}
      let channel: Channels.Channel
      let subscription: Subscription
      try {
        channel = channelOf(topic)
        if (!policies.includes(overflow)) {
          throw new TypeError(`overflow is ${JSON.stringify(overflow)}: expected one of ${policies.join(", ")}`)
        }
        subscription = new Subscription(
          client,
          method,
          countOf("subscriptionBufferSize", subscriptionBufferSize),
          overflow,
          series,
          spansIn(fiber.context, topic)
        )
      } catch (cause) {
        return Effect.fail(invalidArgument(`${label}: ${messageOf(cause)}`, cause))
      }
      return Effect.acquireRelease(Effect.succeed(subscription), ({ end }) => end).pipe(
        Effect.andThen(Effect.suspend(() => subscription.open(channel))),
        Effect.as(subscription.updates)
      )
    })
}
