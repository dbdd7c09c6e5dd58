/**
 * A message bus with faults, in front of any other bus: loses, delays, duplicates and reorders messages, breaks its
 * connection and reconnects, under the control of a test. Time is the Clock's: under TestClock every fault happens at its
 * exact instant.
 *
 * | fault | effect | report to the publisher |
 * | --- | --- | --- |
 * | `lose` | the message is not sent | `delivered`, with the known receivers, otherwise `-1` |
 * | `delay` | the message is sent later; others can overtake it | the report of the bus behind, then |
 * | `latency` | the message and all that follow are sent later | the report of the bus behind, then |
 * | `duplicate` | the message is sent more than once | the report of the bus behind for the first copy |
 * | `undelivered` | the message is not sent, unless the error's `mayHaveRun` is `true` | the error |
 * | `partition` | no message leaves or arrives until `heal` | as for `lose` |
 * | `disconnect` | messages are queued until `reconnect`, and `failure` returns an error | as of any bus |
 *
 * **Example** (A response that is lost)
 *
 * ```ts
 * import { LocalMessageBus } from "@effect-psrpc/core"
 * import { FaultyMessageBus } from "@effect-psrpc/core/testing"
 * import { Effect, Layer } from "effect"
 *
 * // the first response is lost, the others are delayed
 * const faults = FaultyMessageBus.ofType("Response", (message) =>
 *   message.indexOfType === 0 ? FaultyMessageBus.lose : FaultyMessageBus.delay("50 millis"))
 *
 * const Bus = FaultyMessageBus.layer(faults).pipe(Layer.provide(LocalMessageBus.layer))
 *
 * const program = Effect.gen(function*() {
 *   const faulty = yield* FaultyMessageBus.FaultyMessageBus
 *   // … make a call, then look at the published messages and their outcomes
 *   const lost = faulty.records.filter((message) => message.outcome === "lost")
 *   yield* faulty.disconnect
 *   // … make a call: it waits for the connection
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
import { makeFaultyBus } from "./internal/faultyBus/faultyBus.ts"
import type { Faults } from "./internal/faultyBus/faults.ts"
import type { PublishedMessage } from "./internal/faultyBus/publishedMessage.ts"

export type { Outcome, PublishedMessage } from "./internal/faultyBus/publishedMessage.ts"

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
} from "./internal/faultyBus/faults.ts"

export { random, type RandomOptions } from "./internal/faultyBus/randomFaults.ts"

/**
 * A bus with faults, and the operations that control them.
 *
 * Give it to one client or server to test faults of that connection. Share it to test faults of the broker.
 *
 * @category services
 * @since 0.1.0
 */
export class FaultyMessageBus extends Context.Service<
  FaultyMessageBus,
  MessageBus["Service"] & {
    /** Replaces the faults for messages that are published from now on. Delayed messages are still sent. */
    readonly setFaults: (faults: Faults) => Effect.Effect<void>
    /**
     * Cuts the connection without an error: published and delayed messages are lost, and listeners receive nothing. The
     * report to publishers is that of `lose`, and `failure` returns `undefined`.
     */
    readonly partition: Effect.Effect<void>
    /** Ends a partition. */
    readonly heal: Effect.Effect<void>
    /**
     * Breaks the connection: `failure` returns an error, messages are queued until they expire or are canceled, new
     * subscriptions wait, and listeners receive nothing. Delayed messages are still sent, but are reported as undelivered,
     * with `mayHaveRun: true`.
     */
    readonly disconnect: Effect.Effect<void>
    /** Reconnects: makes the subscriptions again, then sends the queued messages in order. */
    readonly reconnect: Effect.Effect<void, PsrpcError>
    /** The records of all published messages, in order, with their outcomes so far. Grows until `clearRecords`. */
    readonly records: ReadonlyArray<PublishedMessage>
    /** Removes all records. */
    readonly clearRecords: Effect.Effect<void>
  }
>()("@effect-psrpc/core/testing/FaultyMessageBus") {}

/**
 * Makes a bus with faults in front of `bus`. When the scope closes, queued and delayed messages are reported as
 * undelivered, and no further message is sent. `bus` stays open.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: (
  bus: MessageBus["Service"],
  /** Default: `none`. */
  faults?: Faults
) => Effect.Effect<FaultyMessageBus["Service"], never, Scope.Scope> = makeFaultyBus

/**
 * Makes a Layer that puts faults in front of the provided bus. Each call makes another bus: call it once and share the
 * Layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (faults?: Faults): Layer.Layer<MessageBus | FaultyMessageBus, never, MessageBus> =>
  Layer.effectContext(
    Effect.map(
      Effect.flatMap(MessageBus, (bus) => make(bus, faults)),
      (faulty) => Context.make(MessageBus, faulty).pipe(Context.add(FaultyMessageBus, faulty))
    )
  )
