/** The handlers of a test's server, as a server takes them. */
import { handlerAt } from "../../../internal/server/handlerOf.ts"
import { type Method, methodOf } from "../../../internal/definition/method.ts"
import type { AnyCall, AnyEffect } from "../../../internal/calls/callContext.ts"
import type * as Service from "../../../Service.ts"
import type { AnyAsked, Rules } from "./rules.ts"

type AnyFunction = (...args: ReadonlyArray<unknown>) => AnyEffect

/** What a handler is called with, as faults are decided by. */
const askedOf = (method: Method, args: ReadonlyArray<unknown>): AnyAsked => {
  const [request, call] = args as [unknown, AnyCall]
  const asked = { topic: call.topic, metadata: { ...call.header.metadata }, clientId: call.header.remoteId }
  return method.kind === "stream" ? asked : { ...asked, request }
}

/**
 * Handlers that meet the faults that are made for them. Those of methods with affinity may be functions: their affinity is
 * the server's.
 */
export const handlersWith = (
  service: Service.Any,
  handlers: object,
  server: string,
  affinity: unknown,
  rules: Rules
): Readonly<Record<string, unknown>> => {
  // what is none of the service's is for the server to refuse
  const all: Record<string, unknown> = Object.fromEntries(
    Object.entries(handlers).filter(([, handler]) => handler !== undefined)
  )
  for (const [key, rpc] of Object.entries(service.methods)) {
    const method = methodOf(service.serviceName, key, rpc)
    const given = handlerAt(handlers, key)
    const meeting =
      (handle: AnyFunction): AnyFunction =>
      (...args) =>
        rules.around(key, server, askedOf(method, args), handle, args)
    if (method.kind === "subscription") continue
    if (typeof given === "function") {
      const handle = meeting(given as AnyFunction)
      all[key] = method.affinity ? { affinity: affinityOf(method.kind, affinity), handle } : handle
    } else if (method.affinity && typeof (given as { readonly handle?: unknown } | null)?.handle === "function") {
      const own = given as { readonly affinity: unknown; readonly handle: AnyFunction }
      all[key] = { affinity: own.affinity, handle: meeting((...args) => own.handle(...args)) }
    }
  }
  return all
}

/** A server's affinity knows of the call alone, which comes last. */
const affinityOf = (kind: Method["kind"], affinity: unknown): unknown =>
  typeof affinity !== "function"
    ? (affinity ?? 1)
    : kind === "stream"
      ? affinity
      : (_: unknown, call: AnyCall) => (affinity as (call: AnyCall) => unknown)(call)
