import type { Context } from "effect"
import type { MessageBus, Target } from "../../MessageBus.ts"
import type { BoundedCache } from "../support/boundedCache.ts"
import type { Deadlines } from "../time/deadlines.ts"
import type { Drops } from "../telemetry/drops.ts"
import type { Meter } from "../telemetry/metrics/meter.ts"

/** The server that its dispatches share. */
export interface ServerState {
  readonly serverId: string
  readonly bus: MessageBus["Service"]
  readonly deadlines: Deadlines
  readonly meter: Meter
  readonly drops: Drops
  /** What handlers run with, but for what belongs to one call. */
  readonly context: Context.Context<never>
  /** The channels back to each client. */
  readonly replies: BoundedCache<string, Replies>
  /** How many requests may wait for their affinity, and how many messages of a stream to be read. */
  readonly bufferSize: number
  /** How many requests of a method may be in hand before it takes no more. */
  readonly maxPending: number
  /** How long the sends of streams take at most, in milliseconds. */
  readonly timeout: number
  /** How often an idle stream gives a sign of life: milliseconds, Infinity for never. */
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
