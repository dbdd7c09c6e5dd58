import { Effect } from "effect"
import type { InvalidArgument } from "../../PsrpcError.ts"
import type { CalledMethod } from "../definition/method.ts"
import type { AnyEffect } from "../calls/callContext.ts"
import { refuse } from "../errors/checks.ts"

/** A handler, ready to run; what it is called with is its method's kind to say. */
export interface AnyHandler {
  /** Whether interceptors are around it. */
  readonly isIntercepted: boolean
  readonly handle: (...args: ReadonlyArray<never>) => AnyEffect
  readonly affinity: ((...args: ReadonlyArray<never>) => number | AnyEffect) | undefined
}

/** A handler by its key, of an object or of a class's instance, and nothing that every object has. */
export const handlerAt = (handlers: object, key: string): unknown => {
  const given: unknown = Reflect.get(handlers, key)
  if (!Object.hasOwn(handlers, key) && given === Reflect.get(Object.prototype, key)) return undefined
  return typeof given === "function" ? given.bind(handlers) : given
}

/** The handler of a method, ready to run; fails for what a program without types may have given. */
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
