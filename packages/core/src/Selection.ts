/**
 * How a client chooses among the servers that claim its request.
 *
 * Every server that can take a request answers with a claim, which carries its affinity: how well it fits. The client
 * takes one. A selection given to a call replaces the whole of the client's: what it leaves out has the default of
 * `Selection.make`, not the client's value.
 *
 * **Example** (The best server within 200 ms, if it is good enough)
 *
 * ```ts
 * import { Selection } from "@effect-psrpc/core"
 *
 * const selection = Selection.best({ within: "200 millis", minimum: 0.5 })
 * ```
 *
 * @since 0.1.0
 */
import { Duration, type Effect } from "effect"
import { millisOf } from "./internal/time/millis.ts"
import type { PsrpcError } from "./PsrpcError.ts"

/**
 * One server's offer to take a request.
 *
 * @category models
 * @since 0.1.0
 */
export interface Claim {
  readonly serverId: string
  /** How well it fits; a float32, 1 where the method has no affinity. */
  readonly affinity: number
}

/**
 * Chooses among the claims that count. It is called when the time for claims is over, with an empty list when none came,
 * and not at all when a claim was taken at once. Its failure is the call's.
 *
 * @category models
 * @since 0.1.0
 */
export type SelectionFunc = (claims: ReadonlyArray<Claim>) => string | Effect.Effect<string, PsrpcError>

/**
 * How a client chooses, by Go psrpc's six options.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Claims below it do not count; 0 or less counts them all. Default: 0. */
  readonly minimumAffinity?: number | undefined
  /** A claim that reaches it is taken at once; 0 or less takes none so. Default: 0. */
  readonly maximumAffinity?: number | undefined
  /** Whether the first claim that counts is taken at once. Default: `false`. */
  readonly acceptFirstAvailable?: boolean | undefined
  /** How long claims are waited for; 0 waits as long as the call does. Default: 1 second. */
  readonly affinityTimeout?: Duration.Input | undefined
  /** How long better claims are waited for after the first that counts; 0 does not cut it short. Default: 0. */
  readonly shortCircuitTimeout?: Duration.Input | undefined
  /** Chooses in place of the best affinity. */
  readonly selectionFunc?: SelectionFunc | undefined
}

/**
 * A complete selection: durations in milliseconds, limits as the float32 that claims are.
 *
 * @category models
 * @since 0.1.0
 */
export interface Selection {
  readonly minimumAffinity: number
  readonly maximumAffinity: number
  readonly acceptFirstAvailable: boolean
  readonly affinityTimeout: number
  readonly shortCircuitTimeout: number
  readonly selectionFunc: SelectionFunc | undefined
}

/**
 * How long claims are waited for: 1 second, as in Go.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultAffinityTimeout: Duration.Duration = Duration.seconds(1)

/**
 * How long an affinity method waits for better claims after the first: 200 milliseconds, as in Go.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultShortCircuitTimeout: Duration.Duration = Duration.millis(200)

const limit = (name: string, value: number | undefined): number => {
  if (value === undefined) return 0
  if (typeof value !== "number" || Number.isNaN(value)) {
    throw new TypeError(`selection, ${name}: expected a number, got ${String(value)}`)
  }
  return Math.fround(value)
}

/**
 * A selection by its options. Throws a `TypeError` that names the option for what is not a number or a duration.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Selection => ({
  minimumAffinity: limit("minimumAffinity", options.minimumAffinity),
  maximumAffinity: limit("maximumAffinity", options.maximumAffinity),
  acceptFirstAvailable: options.acceptFirstAvailable ?? false,
  affinityTimeout: millisOf("selection, affinityTimeout", options.affinityTimeout ?? defaultAffinityTimeout),
  shortCircuitTimeout: millisOf("selection, shortCircuitTimeout", options.shortCircuitTimeout ?? 0),
  selectionFunc: options.selectionFunc
})

/**
 * The first server that claims: the default of methods without affinity.
 *
 * @category constructors
 * @since 0.1.0
 */
export const first: Selection = make({ acceptFirstAvailable: true })

/**
 * The default of affinity methods: the best of those that claim within 200 milliseconds of the first.
 *
 * @category constructors
 * @since 0.1.0
 */
export const affinity: Selection = make({ shortCircuitTimeout: defaultShortCircuitTimeout })

/**
 * The server with the highest affinity.
 *
 * @category constructors
 * @since 0.1.0
 */
export const best = (
  options: {
    /** How long claims are waited for at the most. Default: 1 second. */
    readonly within?: Duration.Input | undefined
    /** Claims below it do not count. Default: all do. */
    readonly minimum?: number | undefined
    /** A claim that reaches it is taken at once. Default: none is. */
    readonly enough?: number | undefined
    /**
     * How long better claims are waited for after the first that counts. Default: `within` where it is given, 200
     * milliseconds where it is not.
     */
    readonly afterFirst?: Duration.Input | undefined
  } = {}
): Selection =>
  make({
    affinityTimeout: options.within,
    minimumAffinity: options.minimum,
    maximumAffinity: options.enough,
    shortCircuitTimeout: options.afterFirst ?? (options.within === undefined ? defaultShortCircuitTimeout : 0)
  })
