import { Effect } from "effect"
import * as PsrpcError from "../PsrpcError.ts"
import type { Affinity, AffinityHandler } from "./handlers.ts"
import type { UnaryMethod } from "./method.ts"
import type { Handler } from "./unaryServer.ts"

/** A handler by its key, of an object or of a class's instance, and nothing that every object has. */
const handlerAt = (handlers: object, key: string): unknown => {
  const given: unknown = Reflect.get(handlers, key)
  if (!Object.hasOwn(handlers, key) && given === Reflect.get(Object.prototype, key)) return undefined
  return typeof given === "function" ? given.bind(handlers) : given
}

const asFunction = (affinity: Affinity<any, any>): NonNullable<Handler["affinity"]> =>
  (typeof affinity === "function" ? affinity : () => affinity) as NonNullable<Handler["affinity"]>

/** The handler of a method, ready to run; fails for what a program without types may have given. */
export const handlerOf = (
  handlers: object,
  key: string,
  method: UnaryMethod
): Effect.Effect<Handler, PsrpcError.PsrpcError> => {
  const given = handlerAt(handlers, key)
  const expected = method.affinity ? "an object of affinity and handle" : "a function"
  if (!method.affinity && typeof given === "function") {
    return Effect.succeed({ handle: given as Handler["handle"], affinity: undefined })
  }
  const { affinity, handle } = (given ?? {}) as Partial<AffinityHandler<any, any, any, any>>
  return method.affinity && affinity !== undefined && typeof handle === "function"
    ? Effect.succeed({ handle: handle as Handler["handle"], affinity: asFunction(affinity) })
    : Effect.fail(
        PsrpcError.fromCode("invalid_argument", {
          message: `${method.label}: expected ${expected} as its handler, got ${given === null ? "null" : typeof given}`,
          mayHaveRun: false
        })
      )
}
