import { Effect } from "effect"
import type { InvalidArgument } from "../../PsrpcError.ts"
import type { CalledMethod } from "../definition/method.ts"
import type { AnyEffect } from "../calls/callContext.ts"
import { refuse } from "../errors/checks.ts"

/** The handler of a method of any kind, which determines its arguments. */
export interface AnyHandler {
  /** Whether it runs inside of interceptors. */
  readonly isIntercepted: boolean
  readonly handle: (...args: ReadonlyArray<never>) => AnyEffect
  readonly affinity: ((...args: ReadonlyArray<never>) => number | AnyEffect) | undefined
}

/** Returns a handler of an object, or of an instance of a class; `undefined` for a member of `Object`. */
export const handlerAt = (handlers: object, key: string): unknown => {
  const given: unknown = Reflect.get(handlers, key)
  if (!Object.hasOwn(handlers, key) && given === Reflect.get(Object.prototype, key)) return undefined
  return typeof given === "function" ? given.bind(handlers) : given
}

/** Returns the handler of a method. Fails with `invalid_argument` for a value that is not a handler. */
export const handlerOf = (
  handlers: object,
  key: string,
  method: CalledMethod
): Effect.Effect<AnyHandler, InvalidArgument> => {
  const given = handlerAt(handlers, key)
  if (!method.affinity && typeof given === "function") {
    return Effect.succeed({ handle: given as AnyHandler["handle"], affinity: undefined, isIntercepted: false })
  }
  const { affinity, handle } = (given ?? {}) as { readonly affinity?: unknown; readonly handle?: unknown }
  if (method.affinity && affinity !== undefined && typeof handle === "function") {
    return Effect.succeed({
      isIntercepted: false,
      handle: handle as AnyHandler["handle"],
      affinity: (typeof affinity === "function" ? affinity : () => affinity) as NonNullable<AnyHandler["affinity"]>
    })
  }
  const expected = method.affinity ? "an object { affinity, handle }" : "a function"
  const got = given === undefined ? "none" : given === null ? "null" : typeof given
  return refuse(`server of ${method.service}: the handler of ${key} is ${got}: expected ${expected}`)
}
