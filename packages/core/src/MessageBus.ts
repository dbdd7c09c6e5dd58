/**
 * The one seam between this library and a broker.
 *
 * A message bus carries bytes under names. It knows nothing of services, methods or the user's types: everything above
 * it (claims, selection, streams) is the library's, everything below it (connections, acknowledgements, queue groups)
 * is the bus's. `LocalMessageBus` is one for a single process; the packages for Redis and NATS have the others.
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
   * The three names of one channel: `name` for buses with flat names (Redis, in process), `subject` and `route` for
   * buses with subjects that several channels share (NATS). A bus picks its own.
   *
   * @category models
   * @since 0.1.0
   */
  type Channel
} from "./internal/wire/channel.ts"

export {
  /**
   * Receives the bytes of each message, an encoded `Msg`. It runs inside the bus's own callback: it must not block, and
   * may keep the bytes.
   *
   * @category models
   * @since 0.1.0
   */
  type Listener
} from "./internal/bus/listeners.ts"

/**
 * A channel made ready for publishing on one bus; made once per method, never per message.
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
 * Told what became of one published message. Exactly one of `delivered` and `undelivered` is called, at any time, also
 * before `publishUnsafe` returns; neither is, where `wanted` answered `false`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Delivery {
  /** Whether anybody still waits for it. Asked of a message that was held, which is not sent any more where nobody does. */
  wanted(): boolean
  /** The broker has it. `receivers` is `-1` where the bus cannot tell; `0` says that nobody listens. */
  delivered(receivers: number): void
  /** It was not handed over. The error's `mayHaveRun` is `false` where it certainly never left this process. */
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
   * Each message goes to one member of the channel's queue group, instead of to every listener; a queue promises no order.
   * Default: `false`.
   */
  readonly queue?: boolean | undefined
}

/**
 * A connection to a broker, as the library sees it.
 *
 * @category services
 * @since 0.1.0
 */
export class MessageBus extends Context.Service<
  MessageBus,
  {
    /**
     * Makes a channel ready for publishing. `unique` asks for messages that differ even where their contents do not,
     * for buses that would take the second for a repetition of the first.
     */
    readonly target: (channel: Channel, options?: { readonly unique?: boolean | undefined }) => Target

    /**
     * Publishes an encoded `Msg`. Never throws and never waits.
     *
     * While the connection is down the message is held, until `expiry` (unix milliseconds) passes or it is not wanted
     * any more. What may have reached somebody is never sent again. The bytes must not change any more: a listener may
     * keep them.
     */
    readonly publishUnsafe: (target: Target, message: Uint8Array, expiry: number, delivery: Delivery) => void

    /**
     * Subscribes, and succeeds once the broker has acknowledged it. Closing the scope unsubscribes: messages that the
     * broker has given this subscription by then still reach the listener, none does afterwards.
     */
    readonly subscribe: (
      channel: Channel,
      listener: Listener,
      options?: SubscribeOptions
    ) => Effect.Effect<void, PsrpcError, Scope.Scope>

    /** Why the broker cannot be reached just now; `undefined` while all is well. */
    readonly failure: () => PsrpcError | undefined
  }
>()("@effect-psrpc/core/MessageBus") {}

/**
 * Publishes as an Effect, for everything that is not the hot path. It succeeds with the number of receivers, `-1` where
 * the bus cannot tell. Interrupting it withdraws a message that has not been sent yet.
 *
 * @category combinators
 * @since 0.1.0
 */
export const publish = (
  bus: MessageBus["Service"],
  target: Target,
  message: Uint8Array,
  options: {
    /** How long the message may wait for a lost connection. */
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
