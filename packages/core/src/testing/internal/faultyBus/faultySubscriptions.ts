/** The subscriptions of a faulty bus: released when it is disconnected, made again when it is reconnected. */
import { Effect, Exit, Latch, Scope } from "effect"
import { Listeners } from "../../../internal/bus/listeners.ts"
import type { Channel, Listener, MessageBus, SubscribeOptions } from "../../../MessageBus.ts"
import type { PsrpcError } from "../../../PsrpcError.ts"

type Bus = MessageBus["Service"]

/** The listeners of a bus through all faulty buses in front of it, for the reported receivers of a lost message. */
const listenersByBus = new WeakMap<Bus, Listeners>()

const listenersOf = (bus: Bus): Listeners => {
  let found = listenersByBus.get(bus)
  if (found === undefined) listenersByBus.set(bus, (found = new Listeners(() => {})))
  return found
}

interface Subscription {
  readonly channel: Channel
  readonly name: string
  readonly listener: Listener
  readonly options: SubscribeOptions | undefined
  /** The scope of the subscription on the bus behind; `undefined` while disconnected. */
  scope: Scope.Closeable | undefined
  isOver: boolean
}

export class FaultySubscriptions {
  readonly #bus: Bus
  readonly #listeners: Listeners
  readonly #receives: () => boolean
  /** In the order of subscribing. */
  readonly #all = new Set<Subscription>()
  readonly #connected = Latch.makeUnsafe(true)
  /** Changes with each disconnect: a subscription that was requested before it is made again. */
  #generation = 0

  /** `receives` returns whether messages reach the listeners now. */
  constructor(bus: Bus, receives: () => boolean) {
    this.#bus = bus
    this.#listeners = listenersOf(bus)
    this.#receives = receives
  }

  /** Returns the number of known receivers of a channel; -1 if there is none: listeners of other buses are unknown. */
  receivers(name: string): number {
    return this.#listeners.get(name)?.receivers ?? -1
  }

  subscribe(
    channel: Channel,
    listener: Listener,
    options: SubscribeOptions | undefined
  ): Effect.Effect<void, PsrpcError, Scope.Scope> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen({ self: this }, function* () {
        const subscription: Subscription = {
          channel,
          name: this.#bus.target(channel).name,
          listener: (message) => {
            if (!subscription.isOver && this.#receives()) listener(message)
          },
          options,
          scope: undefined,
          isOver: false
        }
        while (subscription.scope === undefined) {
          yield* restore(this.#connected.await)
          const generation = this.#generation
          const scope = yield* this.#open(subscription, restore)
          if (generation === this.#generation) this.#opened(subscription, scope)
          else yield* Scope.close(scope, Exit.void)
        }
        this.#all.add(subscription)
        yield* Effect.addFinalizer(() => this.#end(subscription))
      })
    )
  }

  /** Subscribes on the bus behind, in a scope that is closed if the bus fails. */
  #open(
    { channel, listener, options }: Subscription,
    restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  ): Effect.Effect<Scope.Closeable, PsrpcError> {
    return Effect.flatMap(Scope.make(), (scope) =>
      restore(Scope.provide(this.#bus.subscribe(channel, listener, options), scope)).pipe(
        Effect.as(scope),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
    )
  }

  #opened(subscription: Subscription, scope: Scope.Closeable): void {
    subscription.scope = scope
    this.#listeners.add(subscription.name, subscription.listener, subscription.options?.queue === true)
  }

  #close(subscription: Subscription): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { scope } = subscription
      if (scope === undefined) return Effect.void
      subscription.scope = undefined
      this.#listeners.delete(subscription.name, subscription.listener, subscription.options?.queue === true)
      return Scope.close(scope, Exit.void)
    })
  }

  #end(subscription: Subscription): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#all.delete(subscription)
      // during a reconnect the bus behind may acknowledge the subscription after this
      subscription.isOver = subscription.scope === undefined
      return this.#close(subscription)
    })
  }

  /** Releases all subscriptions, and makes new ones wait. */
  readonly disconnect: Effect.Effect<void> = Effect.suspend(() => {
    this.#generation++
    this.#connected.closeUnsafe()
    return Effect.forEach([...this.#all], (subscription) => this.#close(subscription), { discard: true })
  })

  /** Makes all subscriptions again, in their order, then admits new ones. Fails with the error of the bus behind. */
  readonly reconnect: Effect.Effect<void, PsrpcError> = Effect.suspend(() =>
    Effect.forEach(
      [...this.#all].filter(({ scope }) => scope === undefined),
      (subscription) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(this.#open(subscription, restore), (scope) => {
            if (!this.#all.has(subscription)) return Scope.close(scope, Exit.void)
            this.#opened(subscription, scope)
            return Effect.void
          })
        ),
      { discard: true }
    )
  ).pipe(Effect.andThen(Effect.sync(() => this.#connected.openUnsafe())), Effect.asVoid)
}
