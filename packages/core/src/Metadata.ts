/**
 * Metadata: small texts that travel beside a request, such as a trace or who is asking.
 *
 * What goes out is fiber-local and reaches every call made inside; what came in is in the handler's `call.header`, and
 * does not go out again unless you say so.
 *
 * **Example** (Metadata for every call inside)
 *
 * ```ts
 * import { Metadata } from "@effect-psrpc/core"
 * import { Effect } from "effect"
 *
 * declare const callSomeone: Effect.Effect<void>
 *
 * const program = callSomeone.pipe(Metadata.with({ tenant: "acme" }))
 * ```
 *
 * @since 0.1.0
 */
import { Context, Effect, Function } from "effect"
import { emptyMetadata } from "./internal/entries.ts"
import { merge } from "./internal/metadata.ts"

/**
 * Keys and values, both texts.
 *
 * @category models
 * @since 0.1.0
 */
export interface Metadata {
  readonly [key: string]: string
}

/**
 * What a handler knows of a request beside its payload.
 *
 * @category models
 * @since 0.1.0
 */
export interface Header {
  /** The id of the client that asks. */
  readonly remoteId: string
  /** When it asked, by its own clock: unix milliseconds. */
  readonly sentAt: number
  /** When it stops waiting, by its own clock: unix milliseconds. */
  readonly expiry: number
  /** What it sent along. */
  readonly metadata: Metadata
}

/**
 * No metadata.
 *
 * @category constants
 * @since 0.1.0
 */
export const empty: Metadata = emptyMetadata

/**
 * The metadata of outgoing calls, fiber-local. Default: none.
 *
 * @category references
 * @since 0.1.0
 */
export const Outgoing: Context.Reference<Metadata> = Context.Reference<Metadata>(
  "@effect-psrpc/core/Metadata/Outgoing",
  { defaultValue: () => empty }
)

const withMetadata: {
  (metadata: Metadata): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, metadata: Metadata): Effect.Effect<A, E, R>
} = Function.dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, metadata: Metadata): Effect.Effect<A, E, R> =>
  Effect.updateService(self, Outgoing, (outgoing) => merge(outgoing, metadata))
)

export {
  /**
   * Adds metadata to every call made inside.
   *
   * @category combinators
   * @since 0.1.0
   */
  withMetadata as with
}
