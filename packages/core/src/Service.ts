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
import { type AnyMethods, make, type Service, serviceOf } from "./internal/definition/service.ts"

export {
  type Any,
  type AnyMethods,
  make,
  type Methods,
  type Service,
  TypeId,
  type ValidGroups
} from "./internal/definition/service.ts"
export {
  fromDescriptor,
  type FromKinds,
  type Kind,
  type Kinds,
  type ValidKinds
} from "./internal/definition/fromDescriptor.ts"

/** The service with other methods, of which each has been checked with those beside it. */
const withMethods = (service: Service<string, AnyMethods>, methods: AnyMethods): never =>
  serviceOf(service.serviceName, make(service.serviceName, methods as never).methods, service.annotations) as never

/**
 * Returns the service with some of its methods only: for a server that serves only these, or a client that calls no others.
 *
 * @category combinators
 * @since 0.1.0
 */
export const pick = <Name extends string, M extends AnyMethods, const K extends keyof M & string>(
  service: Service<Name, M>,
  ...keys: ReadonlyArray<K>
): Service<Name, { readonly [P in K]: M[P] }> =>
  withMethods(service, Object.fromEntries(keys.map((key) => [key, service.methods[key]!])))

/**
 * Returns the service without some of its methods.
 *
 * @category combinators
 * @since 0.1.0
 */
export const omit = <Name extends string, M extends AnyMethods, const K extends keyof M & string>(
  service: Service<Name, M>,
  ...keys: ReadonlyArray<K>
): Service<Name, { readonly [P in Exclude<keyof M, K>]: M[P] }> =>
  withMethods(service, Object.fromEntries(Object.entries(service.methods).filter(([key]) => !keys.includes(key as K))))

/**
 * Joins two parts of one service, for example from two files. The annotations of the second replace those of the first.
 *
 * Throws a `TypeError` for two names, and for a method that both parts have.
 *
 * @category combinators
 * @since 0.1.0
 */
export const merge = <Name extends string, A extends AnyMethods, B extends AnyMethods>(
  self: Service<Name, A>,
  that: Service<Name, B>
): Service<Name, A & B> => {
  const { serviceName } = self
  if (serviceName !== that.serviceName)
    throw new TypeError(`Service.merge: expected two parts of one service, got ${serviceName} and ${that.serviceName}`)
  for (const key of Object.keys(that.methods)) {
    if (Object.hasOwn(self.methods, key))
      throw new TypeError(`Service.merge: both parts of ${serviceName} have the method ${key}`)
  }
  return withMethods(self.annotateMerge(that.annotations), { ...self.methods, ...that.methods })
}
