import type { Effect } from "effect"
import type { PsrpcError } from "../../PsrpcError.ts"
import { type Selection, type Terms, termsOf, TypeId } from "../calls/selection.ts"
import type { Any } from "../definition/service.ts"
import { checked } from "../errors/checks.ts"

/** Checks the selection of a client: one that compares affinities needs a method with affinity routing. */
export const checkSelection = (at: string, service: Any, selection: Selection): Effect.Effect<Terms, PsrpcError> =>
  checked(at, () => {
    const terms = termsOf(selection)
    const methods = Object.values(service.methods)
    if (terms[TypeId] === "first" || methods.some((rpc) => "routing" in rpc && rpc.routing === "affinity")) return terms
    throw new TypeError(
      "selection: it compares affinities or waits for further claims, and no method has affinity routing: " +
        "use Selection.first, or Selection.make with acceptFirstAvailable and at most an affinityTimeout"
    )
  })
