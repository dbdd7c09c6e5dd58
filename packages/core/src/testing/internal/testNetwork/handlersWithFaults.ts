/** Wraps the handlers of a test network's server, so that faults apply to them. */
import type { AnyCall, AnyEffect } from "../../../internal/calls/callContext.ts"
import { type Method, methodOf } from "../../../internal/definition/method.ts"
import { handlerAt } from "../../../internal/server/handlerOf.ts"
import type * as Service from "../../../Service.ts"
import type { AnyCallInfo, FaultRules } from "./faultRules.ts"

type AnyFunction = (...args: ReadonlyArray<unknown>) => AnyEffect

const callInfoOf = (method: Method, args: ReadonlyArray<unknown>): AnyCallInfo => {
  const [request, call] = args as [unknown, AnyCall]
  const info = { topic: call.topic, metadata: { ...call.header.metadata }, clientId: call.header.remoteId }
  return method.kind === "stream" ? info : { ...info, request }
}

/** An affinity in the form that the method needs: that of the server's options is a function of the call alone. */
const affinityOf = (kind: Method["kind"], affinity: unknown): unknown => {
  if (typeof affinity !== "function") return affinity ?? 1
  if (kind === "stream") return affinity
  return (_: unknown, call: AnyCall) => (affinity as (call: AnyCall) => unknown)(call)
}

/**
 * Returns handlers with faults, in the form that `Server.make` takes: the function of a method with affinity gets the
 * affinity of the server's options. Keeps invalid handlers, which `Server.make` refuses.
 */
export const handlersWithFaults = (
  service: Service.Any,
  handlers: object,
  serverId: string,
  affinity: unknown,
  rules: FaultRules
): Readonly<Record<string, unknown>> => {
  const all: Record<string, unknown> = Object.fromEntries(
    Object.entries(handlers).filter(([, handler]) => handler !== undefined)
  )
  for (const key of Object.keys(service.methods)) {
    const method = methodOf(service, key)
    if (method.kind === "subscription") continue
    const given = handlerAt(handlers, key)
    const withFaults =
      (handle: AnyFunction): AnyFunction =>
      (...args) =>
        rules.runHandler(key, serverId, callInfoOf(method, args), handle, args)
    if (typeof given === "function") {
      const handle = withFaults(given as AnyFunction)
      all[key] = method.affinity ? { affinity: affinityOf(method.kind, affinity), handle } : handle
    } else if (method.affinity && typeof (given as { readonly handle?: unknown } | null)?.handle === "function") {
      const own = given as { readonly affinity: unknown; readonly handle: AnyFunction }
      all[key] = { affinity: own.affinity, handle: withFaults((...args) => own.handle(...args)) }
    }
  }
  return all
}
