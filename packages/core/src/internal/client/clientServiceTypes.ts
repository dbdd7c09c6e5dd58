/** The type of a client. Public in `Client`. */
import type { CallOf } from "../calls/clientTypes.ts"
import type { Methods } from "../definition/service.ts"

/**
 * The client of a service: a function for each method.
 *
 * @category utility types
 * @since 0.1.0
 */
export type From<S> = { readonly [K in keyof Methods<S>]: CallOf<Methods<S>[K]> }
