/** What log lines about methods and calls carry, so that they can be found by them. */
import { Context, References } from "effect"
import * as Attributes from "./attributes.ts"

type Annotations = Readonly<Record<string, unknown>>

/** The annotations of a method's lines. */
export const ofMethod = (service: string, method: string | undefined): Annotations =>
  method === undefined
    ? { [Attributes.rpcService]: service }
    : { [Attributes.rpcService]: service, [Attributes.rpcMethod]: method }

/** Whose request it is. */
interface Requested {
  readonly requestId: string
  readonly header: { readonly remoteId: string }
}

/** The annotations of the lines of a method's calls, over those of the context; what does not change is made once. */
export const ofCalls = (
  context: Context.Context<never>,
  service: string,
  method: string
): ((call: Requested) => Annotations) => {
  const base = Context.get(context, References.CurrentLogAnnotations)
  const own = ({ header, requestId }: Requested): Annotations => ({
    [Attributes.rpcService]: service,
    [Attributes.rpcMethod]: method,
    [Attributes.requestId]: requestId,
    [Attributes.peerId]: header.remoteId
  })
  return Object.keys(base).length === 0 ? own : (call) => ({ ...base, ...own(call) })
}
