import { Effect } from "effect"
import * as PsrpcError from "../../PsrpcError.ts"
import { methodOf } from "../definition/method.ts"
import type { Any } from "../definition/service.ts"

/** `Server.unimplemented`. */
export const unimplemented = (service: Any): Record<string, unknown> => {
  const all: Record<string, unknown> = {}
  for (const key of Object.keys(service.methods)) {
    const method = methodOf(service, key)
    if (method.kind === "subscription") continue
    const message = `method is not implemented (${method.label})`
    const handle = () => Effect.fail(PsrpcError.fromCode("unimplemented", { message }))
    all[key] = method.affinity ? { affinity: -1, handle } : handle
  }
  return all
}
