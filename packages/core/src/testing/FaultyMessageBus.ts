/**
 * A message bus that loses, delays, duplicates and reorders what is published, breaks its connection and reconnects: in
 * front of any other bus, when and how a test says. Time is the Clock's, so under TestClock everything happens at its
 * exact instant.
 *
 * | fault | what it does | what the publisher is told |
 * | --- | --- | --- |
 * | `lose` | it does not arrive | `delivered`, with the receivers if they are known, else `-1` |
 * | `delay` | it is sent later, others overtake it | what the bus beneath says, then |
 * | `latency` | it is sent later, and all behind it | what the bus beneath says, then |
 * | `duplicate` | it is sent more than once | what the bus beneath says of the first |
 * | `undelivered` | it is not sent; or is, if the error says that it may have been | the error |
 * | `partition` | nothing gets out and nothing in, until `heal` | as for `lose` |
 * | `disconnect` | the bus holds messages, and says so, until `reconnect` | as any bus |
 *
 * **Example** (A retry that is needed, and one that comes twice)
 *
 * ```ts
 * import { LocalMessageBus } from "@effect-psrpc/core"
 * import { FaultyMessageBus } from "@effect-psrpc/core/testing"
 * import { Effect, Layer } from "effect"
 *
 * // the first response is lost, the others are late
 * const faults = FaultyMessageBus.ofType("Response", (message) =>
 *   message.indexOfType === 0 ? FaultyMessageBus.lose : FaultyMessageBus.delay("50 millis"))
 *
 * const Bus = FaultyMessageBus.layer(faults).pipe(Layer.provide(LocalMessageBus.layer))
 *
 * const program = Effect.gen(function*() {
 *   const faulty = yield* FaultyMessageBus.FaultyMessageBus
 *   // … call something, then look at what was sent, and what became of it
 *   const lost = faulty.records.filter((message) => message.fate === "lost")
 *   yield* faulty.disconnect
 *   // … call something: it waits for the connection
 *   yield* faulty.reconnect
 *   return lost.length
 * }).pipe(Effect.provide(Bus))
 * ```
 *
 * @since 0.1.0
 */
import { Context, Effect, Layer, type Scope } from "effect"
import { MessageBus } from "../MessageBus.ts"
import type { PsrpcError } from "../PsrpcError.ts"
import { makeFaultyBus, type Published } from "./internal/faultyBus/bus.ts"
import { type Faults, none } from "./internal/faultyBus/fault.ts"

export type { Fate, Published } from "./internal/faultyBus/bus.ts"

export {
  all,
  delay,
  duplicate,
  type Fault,
  type Faults,
  first,
  latency,
  lose,
  type Message,
  type MessageType,
  none,
  ofType,
  undelivered,
  when
} from "./internal/faultyBus/fault.ts"

export { random, type RandomOptions } from "./internal/faultyBus/random.ts"

/**
 * A bus with faults, and what steers it.
 *
 * Give it to a client or a server alone, and the faults are those of its connection; share it, and they are the
 * broker's.
 *
 * @category services
 * @since 0.1.0
 */
export class FaultyMessageBus extends Context.Service<
  FaultyMessageBus,
  MessageBus["Service"] & {
    /** Decides about what is published from now on. What is late already still comes. */
    readonly setFaults: (faults: Faults) => Effect.Effect<void>
    /**
     * Cuts this bus off without a word: what it publishes is lost, what is late is lost, and its listeners hear nothing.
     * Publishers are told as by `lose`, and `failure` has nothing to say.
     */
    readonly partition: Effect.Effect<void>
    /** Ends a partition. */
    readonly heal: Effect.Effect<void>
    /**
     * Breaks the connection, and the bus knows it: `failure` says so, messages are held until they expire or are not
     * wanted any more, a new subscription waits, and listeners hear nothing. What is late arrives all the same, but its
     * publisher is told that nobody knows.
     */
    readonly disconnect: Effect.Effect<void>
    /** Connects again: first its subscriptions are made again, then what was held is sent, in order. */
    readonly reconnect: Effect.Effect<void, PsrpcError>
    /** Every message that was published, in order, with what became of it so far. It grows until `forget`. */
    readonly records: ReadonlyArray<Published>
    /** Empties the records. */
    readonly forget: Effect.Effect<void>
  }
>()("@effect-psrpc/core/testing/FaultyMessageBus") {}

/**
 * Puts faults in front of a bus. When the scope closes, what waits or is late is told that it was not delivered, and
 * nothing is sent any more; the bus beneath is left open.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  bus: MessageBus["Service"],
  /** Default: none. */
  faults: Faults = none
): Effect.Effect<FaultyMessageBus["Service"], never, Scope.Scope> => makeFaultyBus(bus, faults)

/**
 * Puts faults in front of the bus that it is provided with. Call it once and share the Layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (faults?: Faults): Layer.Layer<MessageBus | FaultyMessageBus, never, MessageBus> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const faulty = yield* make(yield* MessageBus, faults)
      return Context.make(MessageBus, faulty).pipe(Context.add(FaultyMessageBus, faulty))
    })
  )
