/**
 * A service: a named set of methods, defined once and used by servers and clients alike.
 *
 * **Example** (A service, by hand)
 *
 * ```ts
 * import { Rpc, Service } from "@effect-psrpc/core"
 * import { Schema } from "effect"
 *
 * class Greeter extends Service.make("Greeter", {
 *   hello: Rpc.unary({ request: Schema.String, response: Schema.String })
 * }) {}
 * ```
 *
 * @since 0.1.0
 */
import { type AnyMethods, make, type Service } from "./internal/definition/service.ts"

export {
  type Any,
  type AnyMethods,
  make,
  type Methods,
  type Service,
  TypeId,
  type ValidGroups,
  wireName
} from "./internal/definition/service.ts"
export {
  fromDescriptor,
  type FromKinds,
  type Kind,
  type Kinds,
  type ValidKinds
} from "./internal/definition/fromDescriptor.ts"

/**
 * The same service with only some of its methods: a server that serves just these, or a client that needs no more.
 *
 * @category combinators
 * @since 0.1.0
 */
export const pick = <Name extends string, M extends AnyMethods, const K extends keyof M & string>(
  service: Service<Name, M>,
  ...keys: ReadonlyArray<K>
): Service<Name, { readonly [P in K]: M[P] }> =>
  make(service.serviceName, Object.fromEntries(keys.map((key) => [key, service.methods[key]])) as never) as never

/**
 * The same service without some of its methods.
 *
 * @category combinators
 * @since 0.1.0
 */
export const omit = <Name extends string, M extends AnyMethods, const K extends keyof M & string>(
  service: Service<Name, M>,
  ...keys: ReadonlyArray<K>
): Service<Name, { readonly [P in Exclude<keyof M, K>]: M[P] }> =>
  make(
    service.serviceName,
    Object.fromEntries(Object.entries(service.methods).filter(([key]) => !keys.includes(key as K))) as never
  ) as never
