import type { MessageBus, Target } from "../../MessageBus.ts"
import type { Codec } from "../../Payload.ts"
import type { Deadlines } from "../time/deadlines.ts"
import type { Drops } from "../telemetry/drops.ts"
import type { Series } from "../telemetry/metrics/series.ts"
import type { StreamSpan } from "../telemetry/streamSpan.ts"

/** The options of an endpoint. */
export interface EndpointOptions {
  readonly streamId: string
  /** `Service.Method`, for error texts and log lines. */
  readonly label: string
  readonly bus: MessageBus["Service"]
  /** The target of messages to the peer. */
  readonly target: Target
  readonly deadlines: Deadlines
  readonly drops: Drops
  /** The codec of sent messages. */
  readonly send: Codec<unknown, unknown>
  /** The codec of received messages. */
  readonly receive: Codec<unknown, unknown>
  /** Maximum number of unread messages. */
  readonly bufferSize: number
  /** Default timeout of a send, in milliseconds. */
  readonly timeout: number
  /** Keepalive interval: milliseconds, Infinity for none. */
  readonly keepalive: number
  /** The metrics of the method. */
  readonly series: Series

  readonly span?: StreamSpan | undefined
  /** Called once, when the stream is closed. */
  readonly onClosed: () => void
}
