import { Effect, Latch, Queue } from "effect"
import * as PsrpcError from "../../PsrpcError.ts"
import type { Claim, Terms } from "../calls/selection.ts"

/**
 * Chooses a server among claims that have to be compared: a race of the claims against the short circuit, which the first
 * claim that counts starts, and against the end of the time for claims.
 */
export const select = Effect.fnUntraced(function* (options: {
  readonly label: string
  readonly selection: Terms
  readonly claims: Queue.Dequeue<Claim>
  /** Opens when the time for claims is over. */
  readonly over: Latch.Latch
  /** Opens when the call's own time is over. */
  readonly ended: Latch.Latch
  /** What the call fails with when no claim is taken. */
  readonly nobody: () => PsrpcError.PsrpcError
  /** What it fails with when a function that chooses takes too long. */
  readonly timedOut: () => PsrpcError.PsrpcError
}): Effect.fn.Return<string, PsrpcError.PsrpcError> {
  const { claims, ended, label, over, selection } = options
  const { selectionFunc, shortCircuitTimeout } = selection
  const shorted = Latch.makeUnsafe(false)
  const counting: Array<Claim> = []
  let best: Claim | undefined = undefined as Claim | undefined

  const listen = Effect.gen(function* () {
    while (true) {
      const claim = yield* Queue.take(claims)
      if (!selection.isEligible(claim.affinity)) continue
      if (selection.acceptsImmediately(claim.affinity)) return claim.serverId
      counting.push(claim)
      // strictly greater, from 0: a claim of 0 never wins by affinity
      if (claim.affinity > (best?.affinity ?? 0)) best = claim
      shorted.openUnsafe()
    }
  })
  const ends: Array<Effect.Effect<void>> = [over.await]
  if (shortCircuitTimeout !== Infinity) ends.push(Effect.andThen(shorted.await, Effect.sleep(shortCircuitTimeout)))

  const taken = yield* Effect.raceAllFirst<Effect.Effect<string | void>>([listen, ...ends])
  if (taken !== undefined) return taken

  if (selectionFunc !== undefined) {
    const chosen = selectionFunc(counting.map(({ affinity, serverId }) => ({ serverId, affinity })))
    const late = Effect.andThen(
      ended.await,
      Effect.suspend(() => Effect.fail(options.timedOut()))
    )
    const serverId = typeof chosen === "string" ? chosen : yield* Effect.raceFirst(chosen, late)
    if (counting.some((claim) => claim.serverId === serverId)) return serverId
    return yield* PsrpcError.fromCode("invalid_argument", {
      message: `selectionFunc chose "${serverId}", which is none of the ${counting.length} servers that it was given (${label})`,
      mayHaveRun: false
    })
  }
  if (best !== undefined) return best.serverId
  return yield* options.nobody()
})
