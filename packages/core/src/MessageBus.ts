/**
 * The interface between this library and a broker.
 *
 * A message bus publishes and subscribes bytes by channel. It has no notion of services, methods or payloads: claims,
 * selection and streams are above it, connections, acknowledgments and queue groups below it. `LocalMessageBus` is the bus
 * within one process; the packages `@effect-psrpc/redis` and `@effect-psrpc/nats` have buses over brokers. Modules for
 * authors of buses are in `@effect-psrpc/core/broker`.
 *
 * **Example** (Publishing and receiving raw bytes)
 *
 * ```ts
 * import { LocalMessageBus, MessageBus } from "@effect-psrpc/core"
 * import { Effect } from "effect"
 *
 * const channel: MessageBus.Channel = { name: "news", subject: "news", route: "" }
 *
 * const program = Effect.gen(function*() {
 *   const bus = yield* MessageBus.MessageBus
 *   yield* bus.subscribe(channel, (message) => console.log(message.length, "bytes"))
 *   yield* MessageBus.publish(bus, bus.target(channel), new Uint8Array([1, 2, 3]), { timeout: "1 second" })
 * }).pipe(Effect.scoped, Effect.provide(LocalMessageBus.layer))
 * ```
 *
 * @since 0.1.0
 */
import { Clock, Context, Duration, Effect, type Scope } from "effect"
import type { Channel } from "./internal/wire/channel.ts"
import type { Listener } from "./internal/bus/listeners.ts"
import type { PsrpcError } from "./PsrpcError.ts"

export {
  /**
   * The names of one channel. Buses with flat names (Redis, local) use `name`. Buses on which several channels share a
   * subject (NATS) use `subject` and `route`.
   *
   * @category models
   * @since 0.1.0
   */
  type Channel
} from "./internal/wire/channel.ts"

export {
  /**
   * The callback of a subscription. It receives the bytes of each message, an encoded `Msg`, inside the bus's own
   * callback: it must not block. It may keep the bytes.
   *
   * @category models
   * @since 0.1.0
   */
  type Listener
} from "./internal/bus/listeners.ts"

/**
 * A channel prepared for publishing on one bus. It is made once per method and topic, not per message.
 *
 * @category models
 * @since 0.1.0
 */
export interface Target {
  /** The broker's own name for the channel. */
  readonly name: string
  /** Bytes that every message to this channel ends with: the field `channel` of its `Msg`. Empty on buses without routes. */
  readonly tail: Uint8Array
  /** Whether each message gets a nonce, so that two messages with equal contents differ. */
  readonly unique: boolean
}

/**
 * The callbacks for the outcome of one publish. A bus calls exactly one of `delivered` and `undelivered`, possibly before
 * `publishUnsafe` returns. It calls neither if `wanted` has returned `false`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Delivery {
  /** Returns `false` if the publisher was cancelled. A bus calls it before it sends a buffered message. */
  wanted(): boolean
  /** The broker has accepted the message. `receivers` is 0 if there are no listeners, -1 if the bus does not count them. */
  delivered(receivers: number): void
  /** The message was not accepted. The error's `mayHaveRun` is `false` only if it was certainly not sent. */
  undelivered(error: PsrpcError): void
}

/**
 * Options of `subscribe`.
 *
 * @category models
 * @since 0.1.0
 */
export interface SubscribeOptions {
  /**
   * Whether each message goes to one member of the channel's queue group, instead of to every listener. Messages of a
   * queue may arrive out of order. Default: `false`.
   */
  readonly queue?: boolean | undefined
}

/**
 * The service of a message bus.
 *
 * @category services
 * @since 0.1.0
 */
export class MessageBus extends Context.Service<
  MessageBus,
  {
    /**
     * Prepares a channel for publishing. With `unique`, messages with equal contents get different bytes, on buses that
     * would treat the second one as a repetition of the first.
     */
    readonly target: (channel: Channel, options?: { readonly unique?: boolean | undefined }) => Target

    /**
     * Publishes an encoded `Msg`. Never throws and never waits.
     *
     * While the connection is down, the message is buffered until `expiry`, in Unix milliseconds, or until `delivery.wanted`
     * returns `false`. A message that may have been received is never sent again. The bytes must not change afterwards:
     * the bus does not copy them, and a listener may keep them.
     */
    readonly publishUnsafe: (target: Target, message: Uint8Array, expiry: number, delivery: Delivery) => void

    /**
     * Subscribes a listener to a channel. Succeeds when the broker has acknowledged the subscription. Closing the scope
     * unsubscribes: messages that the broker had sent to this subscription by then still reach the listener, later ones do
     * not.
     */
    readonly subscribe: (
      channel: Channel,
      listener: Listener,
      options?: SubscribeOptions
    ) => Effect.Effect<void, PsrpcError, Scope.Scope>

    /** Returns why the broker cannot be reached now; `undefined` if the bus works. */
    readonly failure: () => PsrpcError | undefined
  }
>()("@effect-psrpc/core/MessageBus") {}

/**
 * Publishes a message as an Effect. Succeeds with the number of receivers, -1 if the bus does not count them. If it is
 * interrupted, a buffered message is not sent any more.
 *
 * @category combinators
 * @since 0.1.0
 */
export const publish = (
  bus: MessageBus["Service"],
  target: Target,
  message: Uint8Array,
  options: {
    /** Maximum time that the message is buffered while the connection is down. */
    readonly timeout: Duration.Input
  }
): Effect.Effect<number, PsrpcError> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.callback((resume) => {
      let waiting = true
      bus.publishUnsafe(target, message, now + Duration.toMillis(options.timeout), {
        wanted: () => waiting,
        delivered: (receivers) => resume(Effect.succeed(receivers)),
        undelivered: (error) => resume(Effect.fail(error))
      })
      return Effect.sync(() => {
        waiting = false
      })
    })
  )
