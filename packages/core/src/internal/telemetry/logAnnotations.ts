/** What log lines about methods and calls carry, so that they can be found by them. */
import { Context, Effect, References } from "effect"
import * as Attributes from "./attributes.ts"

type Annotations = Readonly<Record<string, unknown>>

/** Whose request it is. */
export interface Requested {
  readonly requestId: string
  readonly header: { readonly remoteId: string }
}

const ofRequest = ({ header, requestId }: Requested): Annotations => ({
  [Attributes.requestId]: requestId,
  [Attributes.peerId]: header.remoteId
})

/** What tells of a call. */
const keys = new Set([Attributes.rpcService, Attributes.rpcMethod, Attributes.requestId, Attributes.peerId])

/** A line about a service, its method, a request for that: whatever else its fiber tells of, another call is not told of. */
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

/** The annotations of the lines of a method's calls, over those of the context; what does not change is made once. */
export const ofCalls = (
  context: Context.Context<never>,
  service: string,
  method: string
): ((call: Requested) => Annotations) => {
  const base = Context.get(context, References.CurrentLogAnnotations)
  const name = Attributes.fullName(service, method)
  const own = ({ header, requestId }: Requested): Annotations => ({
    [Attributes.rpcService]: service,
    [Attributes.rpcMethod]: name,
    [Attributes.requestId]: requestId,
    [Attributes.peerId]: header.remoteId
  })
  return Object.keys(base).length === 0 ? own : (call) => ({ ...base, ...own(call) })
}
