import { Effect, Latch, Queue } from "effect"
import * as PsrpcError from "../../PsrpcError.ts"
import type { Claim, Terms } from "../calls/selection.ts"

/**
 * The comparison of claims for one call: a race of the claims against the short circuit, which the first eligible claim
 * starts, and against the affinity timeout.
 */
export class Comparison {
  readonly #selection: Terms
  readonly #label: string
  readonly #claims: Queue.Queue<Claim>
  readonly #claimsEnded = Latch.makeUnsafe(false)
  readonly #callEnded = Latch.makeUnsafe(false)

  constructor(selection: Terms, label: string, bufferSize: number) {
    this.#selection = selection
    this.#label = label
    this.#claims = Effect.runSync(Queue.dropping<Claim>(bufferSize))
  }

  /** Adds a claim. Returns false if the buffer is full. */
  offer(claim: Claim): boolean {
    return Queue.offerUnsafe(this.#claims, claim)
  }

  /** The affinity timeout has passed. */
  endClaims(): void {
    this.#claimsEnded.openUnsafe()
  }

  /** The deadline of the call has passed. */
  endCall(): void {
    this.#callEnded.openUnsafe()
  }

  /**
   * Returns the id of the selected server. Fails with `noServerError` if there is none, and with `timeoutError` if a
   * selection function does not return before the deadline of the call.
   */
  readonly run = Effect.fnUntraced(function* (
    this: Comparison,
    noServerError: () => PsrpcError.PsrpcError,
    timeoutError: () => PsrpcError.PsrpcError
  ): Effect.fn.Return<string, PsrpcError.PsrpcError> {
    const { selectionFunc, shortCircuitTimeout } = this.#selection
    const eligible: Array<Claim> = []
    const firstEligible = Latch.makeUnsafe(false)
    const ends: Array<Effect.Effect<void>> = [this.#claimsEnded.await]
    if (shortCircuitTimeout !== Infinity) {
      ends.push(Effect.andThen(firstEligible.await, Effect.sleep(shortCircuitTimeout)))
    }
    const accepted = yield* Effect.raceAllFirst<Effect.Effect<string | void>>([
      this.#firstAccepted(eligible, firstEligible),
      ...ends
    ])
    if (accepted !== undefined) return accepted
    if (selectionFunc === undefined) {
      const best = bestOf(eligible)
      return best === undefined ? yield* noServerError() : best.serverId
    }

    const chosen = selectionFunc(eligible.map(({ affinity, serverId }) => ({ serverId, affinity })))
    const tooLate = Effect.andThen(
      this.#callEnded.await,
      Effect.suspend(() => Effect.fail(timeoutError()))
    )
    const serverId = typeof chosen === "string" ? chosen : yield* Effect.raceFirst(chosen, tooLate)
    if (eligible.some((claim) => claim.serverId === serverId)) return serverId
    return yield* PsrpcError.fromCode("invalid_argument", {
      message: `selectionFunc returned "${serverId}": expected the id of one of its ${eligible.length} claims (${this.#label})`,
      mayHaveRun: false
    })
  })

  /** Waits for a claim that is accepted immediately. Adds the other eligible claims to `eligible`. */
  readonly #firstAccepted = Effect.fnUntraced(function* (
    this: Comparison,
    eligible: Array<Claim>,
    firstEligible: Latch.Latch
  ) {
    while (true) {
      const claim = yield* Queue.take(this.#claims)
      if (!this.#selection.isEligible(claim.affinity)) continue
      if (this.#selection.acceptsImmediately(claim.affinity)) return claim.serverId
      eligible.push(claim)
      firstEligible.openUnsafe()
    }
  })
}

/** Returns the first claim with the greatest affinity. A claim of 0 never wins by affinity. */
const bestOf = (eligible: ReadonlyArray<Claim>): Claim | undefined => {
  let best: Claim | undefined
  for (const claim of eligible) if (claim.affinity > (best?.affinity ?? 0)) best = claim
  return best
}
