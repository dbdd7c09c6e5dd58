/** The broker of test networks: a bus in memory, a connection for each process, and observers of all messages. */
import { Clock, Context, Effect, Layer, type Scope } from "effect"
import * as LocalMessageBus from "../../../LocalMessageBus.ts"
import { MessageBus } from "../../../MessageBus.ts"
import * as Faulty from "../../FaultyMessageBus.ts"

type Bus = MessageBus["Service"]

/**
 * Receives each message as it is sent, with the id of the sending server (`undefined` for other senders). May return a
 * fault for it.
 */
export type Observer = (
  sender: string | undefined,
  bytes: Uint8Array,
  message: Faulty.Message
) => Faulty.Fault | undefined

export class TestBroker extends Context.Service<
  TestBroker,
  {
    readonly clock: Clock.Clock
    /** The connection of the code under test. */
    readonly connection: Faulty.FaultyMessageBus["Service"]
    /** A connection without faults. */
    readonly reliable: Bus
    /** Makes the connection of a server, open as long as the scope. */
    readonly connect: (serverId: string) => Effect.Effect<Faulty.FaultyMessageBus["Service"], never, Scope.Scope>
    /** Adds an observer for as long as the scope is open. */
    readonly observe: (observer: Observer) => Effect.Effect<void, never, Scope.Scope>
  }
>()("@effect-psrpc/core/testing/PsrpcTest/TestBroker") {}

export const makeTestBroker: Effect.Effect<TestBroker["Service"], never, Scope.Scope> = Effect.gen(function* () {
  const observers = new Set<Observer>()
  let current: { readonly sender: string | undefined; readonly bytes: Uint8Array } | undefined
  const faults = (message: Faulty.Message): Faulty.Fault | undefined => {
    if (current === undefined) return undefined
    const { bytes, sender } = current
    const found: Array<Faulty.Fault> = []
    for (const observer of observers) {
      const fault = observer(sender, bytes, message)
      if (fault !== undefined) found.push(fault)
    }
    return found.length === 0 ? undefined : Faulty.all(...found)(message)
  }
  const base = yield* Faulty.make(yield* LocalMessageBus.make, faults)
  const connectionOf = (sender: string | undefined): Bus => ({
    target: base.target,
    failure: base.failure,
    subscribe: base.subscribe,
    publishUnsafe(target, bytes, expiry, delivery) {
      // the fault is decided synchronously, before any callback can publish another message
      current = { sender, bytes }
      base.publishUnsafe(target, bytes, expiry, delivery)
    }
  })
  return TestBroker.of({
    clock: yield* Clock.Clock,
    connection: yield* Faulty.make(connectionOf(undefined)),
    reliable: connectionOf(undefined),
    connect: (serverId) => Faulty.make(connectionOf(serverId)),
    observe: (observer) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => observers.add(observer)),
          () => Effect.sync(() => observers.delete(observer))
        )
      )
  })
})

/** One broker for all test networks that are provided together: a Layer is built once per memo map. */
export const layer: Layer.Layer<TestBroker | MessageBus | Faulty.FaultyMessageBus> = Layer.effectContext(
  Effect.map(makeTestBroker, (broker) =>
    Context.make(TestBroker, broker).pipe(
      Context.add(MessageBus, broker.connection),
      Context.add(Faulty.FaultyMessageBus, broker.connection)
    )
  )
)
