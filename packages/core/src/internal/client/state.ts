import type { Effect } from "effect"
import type { MessageBus, Target } from "../../MessageBus.ts"
import type * as Metadata from "../metadata/model.ts"
import * as PsrpcError from "../../PsrpcError.ts"
import type { Terms } from "../calls/selection.ts"
import type { Deadlines } from "../time/deadlines.ts"
import type { Drops } from "../telemetry/drops.ts"
import type * as Envelope from "../wire/callEnvelope.ts"
import type { Interception } from "../interceptors/interceptorServices.ts"
import type { Stream } from "../wire/streamEnvelope.ts"
import type { MethodMetrics } from "../telemetry/metrics/methodMetrics.ts"

/** A call that waits for something from servers, in the client's map by its request id. */
export interface Waiting {
  /** A server offers itself. */
  claim(claim: Envelope.Claim): void
  /** A server answers. */
  response(response: Envelope.Response): void
  /** The client is closed: nobody hears an answer any more. */
  close(): void
}

/** A stream, or the opening of one, in the client's map by its stream id. */
export interface StreamReceiver {
  receive(message: Stream): void
  closeUnsafe(cause: PsrpcError.PsrpcError): void
}

/** Something that lasts, and ends with the client. */
export interface Open {
  readonly close: Effect.Effect<void>
}

/** The client that its calls share. */
export interface ClientState {
  readonly clientId: string
  readonly bus: MessageBus["Service"]
  readonly deadlines: Deadlines
  readonly calls: Map<string, Waiting>
  readonly streams: Map<string, StreamReceiver>
  readonly subscriptions: Set<Open>
  readonly metrics: MethodMetrics
  readonly drops: Drops
  /** Runs what is not the caller's, such as a line in the log. */
  readonly fork: (effect: Effect.Effect<void>) => void
  /** Milliseconds; `undefined` where the user gave none. */
  readonly timeout: number | undefined
  readonly selection: Terms | undefined
  readonly metadata: Metadata.Metadata
  readonly interception: Interception
  /** Bytes of UTF-8, keys and values together. */
  readonly maxMetadataSize: number
  /** Messages per stream. */
  readonly streamBufferSize: number
  /** Updates per subscription. */
  readonly subscriptionBufferSize: number
  /** Responses per multi call. */
  readonly multiBufferSize: number
  /** Claims per call. */
  readonly claimBufferSize: number
  /** Keepalive interval of an idle stream: milliseconds, Infinity for none. */
  readonly keepalive: number
  closed: boolean
}

/** Where a method's messages go, for one topic. */
export interface Route {
  /** Requests, or what concerns streams. */
  readonly request: Target
  readonly claimResponse: Target
}

/** What a call fails with when its client is closed. */
export const clientClosed = (label: string, mayHaveRun: boolean): PsrpcError.PsrpcError =>
  PsrpcError.fromCode("canceled", { message: `client is closed (${label})`, reason: "client_closed", mayHaveRun })
