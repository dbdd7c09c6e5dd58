/** Annotations of log lines about services, methods and requests. */
import { Effect, References } from "effect"
import * as Attributes from "./attributes.ts"

type Annotations = Readonly<Record<string, unknown>>

/** A request, as far as annotations need it. */
export interface Requested {
  readonly requestId: string
  readonly header: { readonly remoteId: string }
}

const ofRequest = ({ header, requestId }: Requested): Annotations => ({
  [Attributes.requestId]: requestId,
  [Attributes.peerId]: header.remoteId
})

/** The annotations of a call. */
const keys = new Set([Attributes.rpcService, Attributes.rpcMethod, Attributes.requestId, Attributes.peerId])

/**
 * Annotates a log line with service, method and request. Removes annotations of the fiber that belong to another call.
 */
export const annotate = (
  line: Effect.Effect<void>,
  service: string,
  method?: string,
  request?: Requested
): Effect.Effect<void> =>
  Effect.updateService(line, References.CurrentLogAnnotations, (base) => {
    const name = method === undefined ? undefined : Attributes.fullName(service, method)
    const isAbout = base[Attributes.rpcService] === service && base[Attributes.rpcMethod] === name
    const rest = isAbout ? base : Object.fromEntries(Object.entries(base).filter(([key]) => !keys.has(key)))
    return {
      ...rest,
      [Attributes.rpcService]: service,
      ...(name !== undefined && { [Attributes.rpcMethod]: name }),
      ...(request !== undefined && ofRequest(request))
    }
  })
