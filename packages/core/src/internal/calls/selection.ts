/** How a client selects a server. Public in `Selection`. */
import { Duration, type Effect, Predicate } from "effect"
import type { PsrpcError } from "../../PsrpcError.ts"
import { millisOf, positiveMillisOf } from "../time/millis.ts"

/**
 * The type id of selections.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId: TypeId = "~effect-psrpc/Selection"

/**
 * The type id of selections.
 *
 * @category type IDs
 * @since 0.1.0
 */
export type TypeId = "~effect-psrpc/Selection"

/**
 * A server's offer to take a request.
 *
 * @category models
 * @since 0.1.0
 */
export interface Claim {
  readonly serverId: string
  /** States how well the server fits: a float32, 1 from a server of a queue method. */
  readonly affinity: number
}

/**
 * Chooses among the eligible claims: returns the id of a server, or an Effect of it whose failure is the call's failure.
 *
 * It runs when the wait for claims is over, with an empty list if there are none. It does not run if a claim was accepted
 * immediately. An id that no eligible claim has is an `invalid_argument` failure of the call.
 *
 * @category models
 * @since 0.1.0
 */
export type SelectionFunc = (claims: ReadonlyArray<Claim>) => string | Effect.Effect<string, PsrpcError>

/**
 * Options of {@link make}: Go psrpc's six, by their names.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Claims below this affinity are not eligible. Default, as for 0 and less: every claim is eligible. */
  readonly minimumAffinity?: number | undefined
  /** An eligible claim at or above this affinity is accepted immediately. Default, as for 0 and less: none is. */
  readonly maximumAffinity?: number | undefined
  /** Accepts the first eligible claim immediately. Default: `false`. */
  readonly acceptFirstAvailable?: boolean | undefined
  /**
   * Maximum time to wait for claims, above 0; `"Infinity"` to wait until the call's timeout. Default: 1 second
   * (`defaultAffinityTimeout`).
   */
  readonly affinityTimeout?: Duration.Input | undefined
  /**
   * Maximum time to wait for better claims after the first eligible one; 0 to wait for none, `"Infinity"` to wait until
   * `affinityTimeout`. Default: `"Infinity"`.
   */
  readonly shortCircuitTimeout?: Duration.Input | undefined
  /** Chooses among the eligible claims. Default: the highest affinity; of equal ones, the earliest claim. */
  readonly selectionFunc?: SelectionFunc | undefined
}

/**
 * What a selection does: `"first"` accepts the first claim, whatever its affinity; `"compare"` looks at affinities, or
 * waits for further claims.
 *
 * @category models
 * @since 0.1.0
 */
export type Mode = "first" | "compare"

/**
 * A complete selection, made by {@link make}, {@link best}, {@link first} or {@link affinity}.
 *
 * A method with queue routing takes a `Selection<"first">`, a method with affinity routing any selection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Selection<out M extends Mode = Mode> {
  readonly [TypeId]: M
}

/** A selection inside of the library: times in milliseconds, limits as the float32 that claims are. */
export class Terms implements Selection {
  declare readonly [TypeId]: Mode
  readonly minimumAffinity: number
  readonly maximumAffinity: number
  readonly acceptFirstAvailable: boolean
  /** Whether the first claim is accepted, whatever its affinity: so with `first`. */
  readonly acceptsAny: boolean
  /** Infinity: until the call's timeout. */
  readonly affinityTimeout: number
  /** Infinity: until `affinityTimeout`. */
  readonly shortCircuitTimeout: number
  readonly selectionFunc: SelectionFunc | undefined

  constructor(options: Options) {
    this.minimumAffinity = affinityOf("minimumAffinity", options.minimumAffinity)
    this.maximumAffinity = affinityOf("maximumAffinity", options.maximumAffinity)
    this.acceptFirstAvailable = options.acceptFirstAvailable ?? false
    this.acceptsAny = this.acceptFirstAvailable && this.minimumAffinity <= 0
    this.affinityTimeout = positiveMillisOf(
      "Selection: affinityTimeout",
      options.affinityTimeout ?? defaultAffinityTimeout
    )
    this.shortCircuitTimeout = millisOf("Selection: shortCircuitTimeout", options.shortCircuitTimeout ?? Infinity)
    this.selectionFunc = options.selectionFunc
  }

  /** Whether the claim may be selected. */
  isEligible(claimed: number): boolean {
    return this.minimumAffinity <= 0 || claimed >= this.minimumAffinity
  }

  /** Whether an eligible claim is accepted without waiting for others. */
  acceptsImmediately(claimed: number): boolean {
    return this.acceptFirstAvailable || (this.maximumAffinity > 0 && claimed >= this.maximumAffinity)
  }
}
// On the prototype: a copy of a selection's fields is no selection.
Object.defineProperty(Terms.prototype, TypeId, {
  get(this: Terms): Mode {
    const { acceptFirstAvailable, maximumAffinity, minimumAffinity, selectionFunc, shortCircuitTimeout } = this
    const onlyFirst =
      acceptFirstAvailable &&
      minimumAffinity <= 0 &&
      maximumAffinity <= 0 &&
      shortCircuitTimeout === Infinity &&
      selectionFunc === undefined
    return onlyFirst ? "first" : "compare"
  }
})

const affinityOf = (option: string, value: number | undefined): number => {
  if (value === undefined) return 0
  if (typeof value === "number" && !Number.isNaN(value)) return Math.fround(value)
  throw new TypeError(`Selection: ${option} is ${String(value)}: expected a number`)
}

/**
 * Default affinity timeout: 1 second, the same as Go's.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultAffinityTimeout: Duration.Duration = Duration.seconds(1)

/**
 * Default short circuit of {@link affinity} and {@link best}: 200 milliseconds, the same as Go's for affinity methods.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultShortCircuitTimeout: Duration.Duration = Duration.millis(200)

/**
 * Options of a selection that takes the first claim, whatever its affinity.
 *
 * @category models
 * @since 0.1.0
 */
export interface FirstOptions extends Pick<Options, "affinityTimeout"> {
  readonly acceptFirstAvailable: true
  readonly minimumAffinity?: undefined
  readonly maximumAffinity?: undefined
  readonly shortCircuitTimeout?: undefined
  readonly selectionFunc?: undefined
}

/**
 * Makes a selection.
 *
 * Throws a `TypeError` that names the option if a value is not a number or a duration.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: {
  (options: FirstOptions): Selection<"first">
  (options?: Options): Selection<"compare">
} = (options: Options = {}) => new Terms(options) as Selection as Selection<never>

/**
 * Accepts the first claim. The default of methods with queue routing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const first: Selection<"first"> = make({ acceptFirstAvailable: true })

/**
 * Options of {@link best}.
 *
 * @category models
 * @since 0.1.0
 */
export interface BestOptions extends Pick<Options, "affinityTimeout" | "maximumAffinity" | "minimumAffinity"> {
  /**
   * Maximum time to wait for better claims after the first eligible one; 0 to wait for none, `"Infinity"` to wait until
   * `affinityTimeout`. Default: `"Infinity"` if `affinityTimeout` is given, else 200 milliseconds
   * (`defaultShortCircuitTimeout`).
   */
  readonly shortCircuitTimeout?: Duration.Input | undefined
}

/**
 * Selects the server with the highest affinity.
 *
 * @category constructors
 * @since 0.1.0
 */
export const best = (options: BestOptions = {}): Selection<"compare"> =>
  new Terms({
    ...options,
    shortCircuitTimeout:
      options.shortCircuitTimeout ?? (options.affinityTimeout === undefined ? defaultShortCircuitTimeout : Infinity)
  }) as Selection as Selection<"compare">

/**
 * Selects the server with the highest affinity among the claims within 200 milliseconds after the first. The default of
 * methods with affinity routing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const affinity: Selection<"compare"> = best()

/**
 * Checks whether a value is a selection.
 *
 * @category guards
 * @since 0.1.0
 */
export const isSelection = (u: unknown): u is Selection => Predicate.hasProperty(u, TypeId)

/** Returns the terms of a selection. Throws a `TypeError` if the value is no selection. */
export const termsOf = (selection: Selection): Terms => {
  if (isSelection(selection)) return selection as Terms
  throw new TypeError(
    `selection is ${selection === null ? "null" : typeof selection}: expected a value of Selection.make, best, first or affinity`
  )
}

/** Returns the terms of a selection of one call. Throws a `TypeError` if the method cannot have it. */
export const termsFor = (selection: Selection, method: { readonly affinity: boolean }): Terms => {
  const terms = termsOf(selection)
  if (method.affinity || terms[TypeId] === "first") return terms
  throw new TypeError(
    "selection: it compares affinities or waits for further claims, and the method has queue routing: " +
      "use Selection.first, or Selection.make with acceptFirstAvailable and at most an affinityTimeout"
  )
}
