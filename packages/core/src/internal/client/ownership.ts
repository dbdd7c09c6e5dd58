/** What interceptors of the library know of the client of a call: its end, for what waits between its requests, and its numbers. */
import { Effect } from "effect"
import type { Method } from "../definition/method.ts"
import type { Series } from "../telemetry/metrics/series.ts"
import type { ClientState, Open } from "./state.ts"

const closed = Symbol("effect-psrpc/client closed")
const series = Symbol("effect-psrpc/client series")

interface Owned {
  readonly [closed]?: Effect.Effect<void>
  readonly [series]?: Series
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

/** What tells interceptors of the client, in what they are told of its calls. Made once for each method. */
export const ownedBy = (client: ClientState, method: Method): Owned => ({
  [closed]: untilClosed(client),
  [series]: client.metrics.of(method)
})

/** Waits until the client of a call is closed; `undefined` where the call does not tell. */
export const closing = (call: object): Effect.Effect<void> | undefined => (call as Owned)[closed]

/** Where a call is counted; `undefined` where the call does not tell. */
export const countedIn = (call: object): Series | undefined => (call as Owned)[series]
