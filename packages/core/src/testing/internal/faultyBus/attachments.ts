import { Effect, Exit, Latch, Scope } from "effect"
import { Listeners } from "../../../internal/bus/listeners.ts"
import type { Channel, Listener, MessageBus, SubscribeOptions } from "../../../MessageBus.ts"
import type { PsrpcError } from "../../../PsrpcError.ts"

type Bus = MessageBus["Service"]

/** Who listens on a bus through any faulty bus in front of it: what a publisher is told whose message is lost. */
const counts = new WeakMap<Bus, Listeners>()

const countsOf = (bus: Bus): Listeners => {
  let found = counts.get(bus)
  if (found === undefined) counts.set(bus, (found = new Listeners(() => {})))
  return found
}

/** A subscription, and the scope of the bus's own one: none while the connection is down. */
interface Attachment {
  readonly channel: Channel
  readonly name: string
  readonly listener: Listener
  readonly options: SubscribeOptions | undefined
  scope: Scope.Closeable | undefined
  isOver: boolean
}

/** The subscriptions of a faulty bus: given up when it is disconnected, and made again when it is connected again. */
export class Attachments {
  readonly #bus: Bus
  readonly #counts: Listeners
  readonly #hears: () => boolean
  /** In the order of subscribing. */
  readonly #all = new Set<Attachment>()
  readonly #connected = Latch.makeUnsafe(true)
  /** Changes when the connection breaks: what was asked for before is nothing any more. */
  #generation = 0

  /** `hears` says whether messages reach the listeners just now. */
  constructor(bus: Bus, hears: () => boolean) {
    this.#bus = bus
    this.#counts = countsOf(bus)
    this.#hears = hears
  }

  /** How many listen on a name, as far as is known; -1 where nobody is known. */
  receivers(name: string): number {
    return this.#counts.get(name)?.receivers ?? -1
  }

  subscribe(
    channel: Channel,
    listener: Listener,
    options: SubscribeOptions | undefined
  ): Effect.Effect<void, PsrpcError, Scope.Scope> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen({ self: this }, function* () {
        const attachment: Attachment = {
          channel,
          name: this.#bus.target(channel).name,
          listener: (message) => {
            if (!attachment.isOver && this.#hears()) listener(message)
          },
          options,
          scope: undefined,
          isOver: false
        }
        while (attachment.scope === undefined) {
          yield* restore(this.#connected.await)
          const generation = this.#generation
          const scope = yield* this.#open(attachment, restore)
          // the connection may have broken meanwhile
          if (generation === this.#generation) this.#attached(attachment, scope)
          else yield* Scope.close(scope, Exit.void)
        }
        this.#all.add(attachment)
        yield* Effect.addFinalizer(() => this.#end(attachment))
      })
    )
  }

  /** Asks the bus, in a scope that is closed if it refuses. */
  #open(
    { channel, listener, options }: Attachment,
    restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  ): Effect.Effect<Scope.Closeable, PsrpcError> {
    return Effect.flatMap(Scope.make(), (scope) =>
      restore(Scope.provide(this.#bus.subscribe(channel, listener, options), scope)).pipe(
        Effect.as(scope),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
    )
  }

  #attached(attachment: Attachment, scope: Scope.Closeable): void {
    attachment.scope = scope
    this.#counts.add(attachment.name, attachment.listener, attachment.options?.queue === true)
  }

  #detach(attachment: Attachment): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { scope } = attachment
      if (scope === undefined) return Effect.void
      attachment.scope = undefined
      this.#counts.delete(attachment.name, attachment.listener, attachment.options?.queue === true)
      return Scope.close(scope, Exit.void)
    })
  }

  #end(attachment: Attachment): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#all.delete(attachment)
      // while the connection is being restored, the bus may still be answering
      attachment.isOver = attachment.scope === undefined
      return this.#detach(attachment)
    })
  }

  /** Gives all subscriptions up, and keeps new ones waiting. */
  readonly break: Effect.Effect<void> = Effect.suspend(() => {
    this.#generation++
    this.#connected.closeUnsafe()
    return Effect.forEach([...this.#all], (attachment) => this.#detach(attachment), { discard: true })
  })

  /** Makes all subscriptions again, in their order, then lets new ones in; fails where the bus does. */
  readonly restore: Effect.Effect<void, PsrpcError> = Effect.suspend(() =>
    Effect.forEach(
      [...this.#all].filter(({ scope }) => scope === undefined),
      (attachment) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(this.#open(attachment, restore), (scope) => {
            if (!this.#all.has(attachment)) return Scope.close(scope, Exit.void)
            this.#attached(attachment, scope)
            return Effect.void
          })
        ),
      { discard: true }
    )
  ).pipe(Effect.andThen(Effect.sync(() => this.#connected.openUnsafe())), Effect.asVoid)
}
