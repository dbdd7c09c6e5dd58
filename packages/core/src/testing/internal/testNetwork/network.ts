/** The network of a net: a bus in memory, what everybody is connected by, and who hears everything that goes over it. */
import { Clock, Context, Effect, Layer, type Scope } from "effect"
import * as LocalMessageBus from "../../../LocalMessageBus.ts"
import { MessageBus } from "../../../MessageBus.ts"
import * as Faulty from "../../FaultyMessageBus.ts"
import type { Fault, Message } from "../faultyBus/fault.ts"

type Bus = MessageBus["Service"]

/**
 * Hears of each message as it is sent: by whom (a server's id, `undefined` for others), on which channel. It may have a
 * fault for it.
 */
export type Observer = (
  sender: string | undefined,
  channel: string,
  bytes: Uint8Array,
  message: Message
) => Fault | undefined

/** One network. */
export class Network extends Context.Service<
  Network,
  {
    readonly clock: Clock.Clock
    /** The connection of the code under test. */
    readonly connection: Faulty.FaultyMessageBus["Service"]
    /** A connection that has no faults of its own. */
    readonly plain: Bus
    /** A connection of its own, for as long as the scope is open. */
    readonly connect: (serverId: string) => Effect.Effect<Faulty.FaultyMessageBus["Service"], never, Scope.Scope>
    /** Hears of every message for as long as the scope is open. */
    readonly observe: (observer: Observer) => Effect.Effect<void, never, Scope.Scope>
  }
>()("@effect-psrpc/core/testing/PsrpcTest/Network") {}

export const makeNetwork: Effect.Effect<Network["Service"], never, Scope.Scope> = Effect.gen(function* () {
  const observers = new Set<Observer>()
  let current: { readonly sender: string | undefined; readonly bytes: Uint8Array } | undefined
  const faults = (message: Message): Fault | undefined => {
    if (current === undefined) return undefined
    const { bytes, sender } = current
    const found: Array<Fault> = []
    for (const observer of observers) {
      const fault = observer(sender, message.channel, bytes, message)
      if (fault !== undefined) found.push(fault)
    }
    return found.length === 0 ? undefined : Faulty.all(...found)(message)
  }
  const base = yield* Faulty.make(yield* LocalMessageBus.make, faults)
  const from = (sender: string | undefined): Bus => ({
    target: base.target,
    failure: base.failure,
    subscribe: base.subscribe,
    publishUnsafe(target, bytes, expiry, delivery) {
      // the fault is decided before anybody is told anything
      current = { sender, bytes }
      base.publishUnsafe(target, bytes, expiry, delivery)
    }
  })
  return Network.of({
    clock: yield* Clock.Clock,
    connection: yield* Faulty.make(from(undefined)),
    plain: from(undefined),
    connect: (serverId) => Faulty.make(from(serverId)),
    observe: (observer) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => observers.add(observer)),
          () => Effect.sync(() => observers.delete(observer))
        )
      )
  })
})

/** One network for all the nets that are provided together: a Layer is built once wherever it is met. */
export const networkLayer: Layer.Layer<Network | MessageBus | Faulty.FaultyMessageBus> = Layer.effectContext(
  Effect.map(makeNetwork, (network) =>
    Context.make(Network, network).pipe(
      Context.add(MessageBus, network.connection),
      Context.add(Faulty.FaultyMessageBus, network.connection)
    )
  )
)
