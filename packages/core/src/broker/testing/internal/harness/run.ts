/** One run of a suite's test: connections, channels of its own, and waits. */
import { type Cause, Effect, Exit, Scope } from "effect"
import { newClientId } from "../../../../internal/wire/id.ts"
import type { MessageBus } from "../../../../MessageBus.ts"

export type Bus = MessageBus["Service"]

/** The bus under test and its properties; see `MessageBusSuite.Options`. */
export interface BusUnderTest {
  readonly connect: Effect.Effect<Bus, unknown, Scope.Scope>
  readonly outage: Effect.Effect<void, unknown, Scope.Scope> | undefined
  readonly maxPayload: number | undefined
  readonly reportsNoListeners: boolean
  /** Milliseconds. */
  readonly timeout: number
}

/** A scope that the test closes; it closes with the test at the latest. */
export interface Closable {
  readonly scope: Scope.Closeable
  readonly close: Effect.Effect<void>
}

interface Wait {
  readonly what: string
  readonly state: (() => string) | undefined
}

/** Milliseconds between two checks of a condition. */
const checkInterval = 2

export class Run {
  readonly bus: BusUnderTest
  /** Returns the time: Unix milliseconds. */
  readonly now: () => number
  /** The name of a service that no other run uses, so that runs do not receive each other's messages. */
  readonly service: string = `Suite_${newClientId().slice(4)}`
  readonly #waits = new Set<Wait>()
  #lastWait = "the start of the test"
  /** Changes with the start and the end of each wait. */
  progress = 0
  /** The failure of the test, while its scope closes. */
  failure: Cause.Cause<unknown> | undefined

  constructor(bus: BusUnderTest, now: () => number) {
    this.bus = bus
    this.now = now
  }

  /** Describes the waits that have not ended. */
  get waitingFor(): string {
    if (this.#waits.size === 0) return `the step after ${this.#lastWait}`
    return Array.from(this.#waits, ({ state, what }) => (state === undefined ? what : `${what}: ${state()}`)).join("; ")
  }

  #wait<A, E, R>(what: string, state: Wait["state"], effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      const wait: Wait = { what, state }
      this.progress++
      this.#waits.add(wait)
      return Effect.onExit(effect, () =>
        Effect.sync(() => {
          this.progress++
          this.#waits.delete(wait)
          this.#lastWait = what
        })
      )
    })
  }

  /** Runs an effect, with a description for the failure if it does not end in time. */
  step<A, E, R>(what: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return this.#wait(what, undefined, effect)
  }

  /** Waits until the predicate returns `true`. `state` describes the current state for the failure. */
  waitUntil(what: string, predicate: () => boolean, state?: () => string): Effect.Effect<void> {
    const check: Effect.Effect<void> = Effect.suspend(() =>
      predicate() ? Effect.void : Effect.andThen(Effect.sleep(checkInterval), check)
    )
    return this.#wait(what, state, check)
  }

  /** Lets the event loop run once. */
  readonly turn: Effect.Effect<void> = Effect.sleep(1)

  get connect(): Effect.Effect<Bus, unknown, Scope.Scope> {
    return this.step("a connection", this.bus.connect)
  }

  connections(count: 2): Effect.Effect<readonly [Bus, Bus], unknown, Scope.Scope>
  connections(count: 3): Effect.Effect<readonly [Bus, Bus, Bus], unknown, Scope.Scope>
  connections(count: number): Effect.Effect<unknown, unknown, Scope.Scope> {
    return Effect.all(Array.from({ length: count }, () => this.connect))
  }

  readonly closable: Effect.Effect<Closable, never, Scope.Scope> = Effect.map(
    Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void)),
    (scope) => ({ scope, close: this.step("a scope to close", Scope.close(scope, Exit.void)) })
  )

  /** Runs an effect in a scope, and waits until the scope is closed. */
  scoped<E>(effect: Effect.Effect<void, E, Scope.Scope>): Effect.Effect<void, E> {
    return Effect.flatMap(Scope.make(), (scope) =>
      Effect.onExit(Scope.provide(effect, scope), (exit) => {
        if (Exit.isFailure(exit)) this.failure = exit.cause
        return this.step("subscriptions and connections to close", Scope.close(scope, exit))
      })
    )
  }
}
