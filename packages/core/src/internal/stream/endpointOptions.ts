import type { MessageBus, Target } from "../../MessageBus.ts"
import type { Codec } from "../../Payload.ts"
import type { Deadlines } from "../time/deadlines.ts"
import type { Drops } from "../telemetry/drops.ts"
import type { Series } from "../telemetry/metrics/series.ts"
import type { StreamSpan } from "../telemetry/streamSpan.ts"

/** What an end is made of. */
export interface EndpointOptions {
  readonly streamId: string
  /** `Service.Method`, for people. */
  readonly label: string
  readonly bus: MessageBus["Service"]
  /** Where the other end listens. */
  readonly target: Target
  readonly deadlines: Deadlines
  readonly drops: Drops
  /** What this end sends. */
  readonly send: Codec<unknown, unknown>
  /** What it receives. */
  readonly receive: Codec<unknown, unknown>
  /** How many messages wait to be read. */
  readonly bufferSize: number
  /** Milliseconds a send takes at most, where it does not say. */
  readonly timeout: number
  /** Milliseconds between signs of life; Infinity for never. */
  readonly keepalive: number
  /** The numbers of its method. */
  readonly series: Series
  /** Its span, where there is one. */
  readonly span?: StreamSpan | undefined
  /** Called once, when the stream is closed. */
  readonly onClosed: () => void
}
