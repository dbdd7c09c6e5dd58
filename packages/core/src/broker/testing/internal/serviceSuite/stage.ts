/** What the tests of a service share: who is connected to what, what was handled, and how long they wait. */
import { Effect, Schema, type Scope } from "effect"
import type { ServerStream } from "../../../../BidiStream.ts"
import type * as Client from "../../../../Client.ts"
import { MessageBus } from "../../../../MessageBus.ts"
import type { PsrpcError } from "../../../../PsrpcError.ts"
import * as Rpc from "../../../../Rpc.ts"
import * as Selection from "../../../../Selection.ts"
import * as Service from "../../../../Service.ts"
import { equal, fail, type SuiteFailure } from "../busSuite/failure.ts"
import type { Bus, Run } from "../busSuite/run.ts"

/** A test's three processes are as many connections. */
export type Three<A> = readonly [A, A, A]

export const three = (run: Run): Effect.Effect<Three<Bus>, unknown, Scope.Scope> =>
  run.connections(3) as unknown as Effect.Effect<Three<Bus>, unknown, Scope.Scope>

/** Puts a server, a client or a publisher on a connection. */
export const on = (bus: Bus) => Effect.provideService(MessageBus, bus)

/** How a client of the suite waits: a machine that is busy with other things is no failure. */
export const patient: Client.Options = {
  timeout: "20 seconds",
  selection: Selection.make({ acceptFirstAvailable: true, affinityTimeout: "20 seconds" })
}

/** Compares the claims of all, however slow they are: two seconds are long for a claim. */
export const compared = Selection.best({ affinityTimeout: "2 seconds" })

/** Takes who fits as well as that at once. */
export const enough = (affinity: number): Selection.Selection =>
  Selection.best({ affinityTimeout: "20 seconds", maximumAffinity: affinity })

/** A method with texts both ways. */
export const text = { request: Schema.String, response: Schema.String } as const

/** A service with a stream of texts both ways. */
export const chat = (name: string) =>
  Service.make(name, { talk: Rpc.stream({ send: Schema.String, receive: Schema.String }) })

/** The server's end of such a stream. */
export type Talk = ServerStream<string, string>

export const numbered = (count: number, prefix = ""): Array<string> =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`)

/** What was handled, by whom. */
export class Ledger {
  readonly #what: Array<string> = []
  readonly #who: Array<string> = []

  get count(): number {
    return this.#what.length
  }

  /** Who handled anything. */
  get handlers(): ReadonlyArray<string> {
    return [...new Set(this.#who)].toSorted()
  }

  handled(what: string, who = ""): void {
    this.#what.push(what)
    this.#who.push(who)
  }

  has(what: string): boolean {
    return this.#what.includes(what)
  }

  /** What was handled, in order. */
  get all(): ReadonlyArray<string> {
    return [...this.#what]
  }

  /** What one has handled, in order. */
  by(who: string): ReadonlyArray<string> {
    return this.#what.filter((_, i) => this.#who[i] === who)
  }

  /** Fails unless all of these were handled, once each, and nothing else. */
  readonly once = (expected: ReadonlyArray<string>, what = "what was handled"): Effect.Effect<void, SuiteFailure> =>
    Effect.suspend(() => equal(what, this.#what.toSorted(), expected.toSorted()))

  /** Waits until so much has been handled. */
  reached(run: Run, count: number, what = "to be handled"): Effect.Effect<void, SuiteFailure> {
    return run.until(
      `${count} ${what}`,
      () => this.count >= count,
      () => `${this.count} were`
    )
  }
}

/** A handler that does not end by itself, and what is known of it. */
export const endless = () => {
  const started = new Ledger()
  const interrupted = new Ledger()
  const handle = (text: string) =>
    Effect.andThen(
      Effect.sync(() => started.handled(text)),
      Effect.never
    ).pipe(Effect.onInterrupt(() => Effect.sync(() => interrupted.handled(text))))
  return { handle, interrupted, started }
}

/** What is looked at in an error. */
export interface Expected {
  readonly code: string
  readonly message?: string
  readonly reason?: PsrpcError["reason"]
  readonly mayHaveRun?: boolean
}

/** Fails unless an error is as expected. */
export const isError = (what: string, error: unknown, expected: Expected): Effect.Effect<void, SuiteFailure> =>
  Effect.gen(function* () {
    const { code, mayHaveRun, message, reason } = (error ?? {}) as PsrpcError
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    yield* equal(`${what}: the code of ${text}`, code, expected.code as PsrpcError["code"])
    if (expected.message !== undefined) yield* equal(`${what}: the error's text`, message, expected.message)
    if ("reason" in expected) yield* equal(`${what}: the error's reason`, reason, expected.reason)
    if ("mayHaveRun" in expected) {
      yield* equal(`${what}: whether it may have run`, mayHaveRun, expected.mayHaveRun ?? true)
    }
  })

/** Fails unless an Effect fails, with an error as expected. */
export const failsWith = <A, E, R>(
  what: string,
  effect: Effect.Effect<A, E, R>,
  expected: Expected
): Effect.Effect<void, SuiteFailure, R> =>
  Effect.matchEffect(effect, {
    onFailure: (error) => isError(what, error, expected),
    onSuccess: () => fail(`${what}: expected a failure with the code ${expected.code}, and it succeeded`)
  })
