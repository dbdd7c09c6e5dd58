import type { Context } from "effect"
import type { MessageBus, Target } from "../../MessageBus.ts"
import type { BoundedCache } from "../support/boundedCache.ts"
import type { Deadlines } from "../time/deadlines.ts"
import type { Drops } from "../telemetry/drops.ts"
import type { MethodMetrics } from "../telemetry/metrics/methodMetrics.ts"

/** The server that its dispatches share. */
export interface ServerState {
  readonly serverId: string
  readonly bus: MessageBus["Service"]
  readonly deadlines: Deadlines
  readonly metrics: MethodMetrics
  readonly drops: Drops
  /** What handlers run with, but for what belongs to one call. */
  readonly context: Context.Context<never>
  /** The channels back to each client. */
  readonly replies: BoundedCache<string, Replies>
  /** Per method: requests whose affinity is being computed. */
  readonly maxPendingAffinity: number
  /** Unread messages per stream. */
  readonly streamBufferSize: number
  /** Per method and topic: in-flight requests. */
  readonly maxInFlight: number
  /** Of the sends of streams, in milliseconds. */
  readonly sendTimeout: number
  /** Keepalive interval of an idle stream: milliseconds, Infinity for none. */
  readonly keepalive: number
  /** Called whenever a request is done with. */
  readonly done: () => void
  /** Whether requests that still come in are ignored. */
  killed: boolean
}

/** The channels back to one client. */
export interface Replies {
  readonly claim: Target
  readonly response: Target
  readonly stream: Target
}

/** Why a handler was interrupted. */
export type Interruption = "deadline" | "cancelled" | "closing"
