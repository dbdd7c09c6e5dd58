/** Subscriptions: updates, from the bus's callback to a Stream. */
import { Effect, type Scope, type Stream } from "effect"
import * as PsrpcError from "../../PsrpcError.ts"
import * as Channels from "../channel.ts"
import * as Envelope from "../envelope.ts"
import { invalidArgument } from "../invalidArgument.ts"
import { done, Mailbox } from "../mailbox.ts"
import { messageOf } from "../messageOf.ts"
import type { SubscriptionMethod } from "../method.ts"
import { countOf } from "../options.ts"
import { byTopic } from "./prepare.ts"
import { type ClientState, clientClosed, type Open } from "./state.ts"

const policies = ["dropping", "sliding", "fail"] as const

type Overflow = (typeof policies)[number]

/** Options of a subscription, whatever its method. */
export interface AnySubscribeOptions {
  readonly topic?: Readonly<Record<string, unknown>> | undefined
  readonly bufferSize?: number | undefined
  readonly overflow?: Overflow | undefined
}

class Subscription implements Open {
  readonly #client: ClientState
  readonly #method: SubscriptionMethod
  readonly #capacity: number
  readonly #overflow: Overflow
  readonly #mailbox = new Mailbox<unknown>()
  #lost = 0
  /** The number of losses that is warned of next. */
  #warnAt = 1

  constructor(client: ClientState, method: SubscriptionMethod, capacity: number, overflow: Overflow) {
    this.#client = client
    this.#method = method
    this.#capacity = capacity
    this.#overflow = overflow
  }

  get updates(): Stream.Stream<unknown, PsrpcError.PsrpcError> {
    return this.#mailbox.stream
  }

  readonly receive = (message: Uint8Array): void => {
    if (this.#mailbox.hasEnded) return
    const { drops } = this.#client
    const { label, message: codec, type } = this.#method
    const raw = Envelope.decodeValue(type, message)
    if (typeof raw === "string") return drops(raw, label)
    let update: unknown
    try {
      update = codec.decode(raw)
    } catch (cause) {
      return drops("malformed", label, cause)
    }
    if (this.#mailbox.size >= this.#capacity) {
      this.#lose()
      if (this.#overflow !== "sliding") return
      this.#mailbox.shift()
    }
    this.#mailbox.push(update)
  }

  #lose(): void {
    const { drops, fork } = this.#client
    const { label } = this.#method
    drops("overflow", label, "updates")
    this.#lost++
    if (this.#overflow === "fail") {
      const message = `updates come faster than they are read: the buffer of ${this.#capacity} is full (${label})`
      this.#mailbox.end(Effect.fail(PsrpcError.fromCode("resource_exhausted", { message, reason: "overflow" })))
    } else if (this.#lost === this.#warnAt) {
      // the first, the tenth, the hundredth, … : a log that fills up helps nobody
      this.#warnAt *= 10
      const which = this.#overflow === "dropping" ? "the newest" : "the oldest"
      fork(
        Effect.logWarning(
          `psrpc: updates of ${label} come faster than they are read: ${which} are lost, ${this.#lost} so far (the buffer holds ${this.#capacity})`
        )
      )
    }
  }

  /** Its client is closed. */
  close(): void {
    this.#mailbox.end(Effect.fail(clientClosed(this.#method.label, true)))
  }

  end(): void {
    if (!this.#mailbox.hasEnded) this.#mailbox.end(done)
  }
}

/** The function that subscribes to a method; all that is made once is made here. */
export const subscriber = (
  client: ClientState,
  method: SubscriptionMethod
): ((
  options?: AnySubscribeOptions
) => Effect.Effect<Stream.Stream<unknown, PsrpcError.PsrpcError>, PsrpcError.PsrpcError, Scope.Scope>) => {
  const { label, name, queue, service } = method
  const channelOf = byTopic(method, (topic) => Channels.request(service, name, topic, queue))

  return (options) =>
    Effect.suspend(() => {
      if (client.closed) return Effect.fail(clientClosed(label, false))
      const { bufferSize = client.bufferSize, overflow = "dropping", topic } = options ?? {}
      let channel: Channels.Channel
      let subscription: Subscription
      try {
        channel = channelOf(topic)
        if (!policies.includes(overflow)) {
          throw new TypeError(`overflow ${String(overflow)}: expected one of ${policies.join(", ")}`)
        }
        subscription = new Subscription(client, method, countOf("bufferSize", bufferSize), overflow)
      } catch (cause) {
        return Effect.fail(invalidArgument(`${label}: ${messageOf(cause)}`, cause))
      }
      const { subscriptions } = client
      return Effect.acquireRelease(
        Effect.sync(() => subscriptions.add(subscription)),
        () =>
          Effect.sync(() => {
            subscriptions.delete(subscription)
            subscription.end()
          })
      ).pipe(
        // closed first: what the broker has given by then is still read
        Effect.andThen(client.bus.subscribe(channel, subscription.receive, { queue })),
        Effect.as(subscription.updates)
      )
    })
}
