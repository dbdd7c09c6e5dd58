/** The state of a server, which its methods share. */
import type { Context } from "effect"
import type { MessageBus, Target } from "../../MessageBus.ts"
import type { BoundedCache } from "../support/boundedCache.ts"
import type { Drops } from "../telemetry/drops.ts"
import type { MethodMetrics } from "../telemetry/metrics/methodMetrics.ts"
import type { Deadlines } from "../time/deadlines.ts"
import type { Idle } from "./idle.ts"

export interface ServerState {
  readonly serverId: string
  readonly bus: MessageBus["Service"]
  readonly deadlines: Deadlines
  readonly metrics: MethodMetrics
  readonly drops: Drops
  /** The context of handlers, without the values of a single call. */
  readonly context: Context.Context<never>
  /** The targets of messages to a client, by client id. */
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
  readonly idle: Idle
  /** Whether requests that arrive are ignored. */
  isKilled: boolean
}

/** The targets of messages to one client. */
export interface Replies {
  readonly claim: Target
  readonly response: Target
  readonly stream: Target
}

/** The reason for which a request is interrupted. */
export type Interruption = "deadline" | "canceled" | "closing"
