/** The client's end, for what waits between its calls. */
import { Effect } from "effect"
import type { ClientState, Open } from "./state.ts"

const closed = Symbol("effect-psrpc/client closed")

interface Owned {
  readonly [closed]?: Effect.Effect<void>
}

const untilClosed = (client: ClientState): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (client.closed) return resume(Effect.void)
    const open: Open = { close: Effect.sync(() => resume(Effect.void)) }
    client.subscriptions.add(open)
    return Effect.sync(() => {
      client.subscriptions.delete(open)
    })
  })

/** What tells interceptors of the client's end, in what they are told of its calls. Made once for each method. */
export const ownedBy = (client: ClientState): Owned => ({ [closed]: untilClosed(client) })

/** Waits until the client of a call is closed; `undefined` where the call does not tell. */
export const closing = (call: object): Effect.Effect<void> | undefined => (call as Owned)[closed]
