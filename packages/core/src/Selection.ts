/**
 * Selects a server among those that claim a request.
 *
 * Every server that can take a request sends a claim with its affinity, a number that states how well it fits. The client
 * selects one claim. A selection is complete: the selection of a call replaces the client's, and an option that it leaves
 * out has the default of `Selection.make`.
 *
 * | selection | selects | for methods with |
 * | --- | --- | --- |
 * | {@link first} | the first claim | any routing; the default of queue routing |
 * | {@link affinity} | the best claim within 200 ms after the first | affinity routing; its default |
 * | {@link best} | the best claim, within limits | affinity routing |
 * | {@link make} | by Go psrpc's six options | as the options say |
 *
 * A call of a method with queue routing fails with `invalid_argument` if its selection compares affinities or waits for
 * further claims: there is nothing to compare, and the types refuse it first.
 *
 * **Example** (The best server within 200 ms, if it is good enough)
 *
 * ```ts
 * import { Selection } from "@effect-psrpc/core"
 *
 * const selection = Selection.best({ affinityTimeout: "200 millis", minimumAffinity: 0.5 })
 * ```
 *
 * @since 0.1.0
 */
export {
  affinity,
  best,
  type BestOptions,
  type Claim,
  defaultAffinityTimeout,
  defaultShortCircuitTimeout,
  first,
  type FirstOptions,
  isSelection,
  make,
  type Mode,
  type Options,
  type Selection,
  type SelectionFunc,
  TypeId
} from "./internal/calls/selection.ts"
