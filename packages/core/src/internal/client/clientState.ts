/** The state of a client, which its calls, streams and subscriptions share. */
import type { Effect } from "effect"
import type { MessageBus, Target } from "../../MessageBus.ts"
import * as PsrpcError from "../../PsrpcError.ts"
import type { Terms } from "../calls/selection.ts"
import type { Interception } from "../interceptors/interceptorServices.ts"
import type * as Metadata from "../metadata/model.ts"
import type { Drops } from "../telemetry/drops.ts"
import type { MethodMetrics } from "../telemetry/metrics/methodMetrics.ts"
import type { Deadlines } from "../time/deadlines.ts"
import type * as Envelope from "../wire/callEnvelope.ts"
import type { Stream } from "../wire/streamEnvelope.ts"

/** A call that waits for claims or responses. */
export interface PendingCall {
  claim(claim: Envelope.Claim): void
  response(response: Envelope.Response): void
  /** Fails the call, since its client is closed. */
  close(): void
}

/** The receiver of a stream's messages: an endpoint, or an opening. */
export interface StreamSink {
  receive(message: Stream): void
  closeUnsafe(cause: PsrpcError.PsrpcError): void
}

/** A resource that is closed with its client. */
export interface Closeable {
  readonly close: Effect.Effect<void>
}

export interface ClientState {
  readonly clientId: string
  readonly bus: MessageBus["Service"]
  readonly deadlines: Deadlines
  /** By request id. */
  readonly calls: Map<string, PendingCall>
  /** By stream id. */
  readonly streams: Map<string, StreamSink>
  readonly subscriptions: Set<Closeable>
  readonly metrics: MethodMetrics
  readonly drops: Drops
  /** Runs an effect apart from any caller, such as a log line. */
  readonly fork: (effect: Effect.Effect<void>) => void
  /** Milliseconds; `undefined` without the option. */
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

/** The targets of a method's messages, for one topic. */
export interface Route {
  /** Of requests; for a stream method, of all messages to the server. */
  readonly request: Target
  readonly claimResponse: Target
}

/** The error of a call whose client is closed. */
export const clientClosed = (label: string, mayHaveRun: boolean): PsrpcError.PsrpcError =>
  PsrpcError.fromCode("canceled", { message: `client is closed (${label})`, reason: "client_closed", mayHaveRun })
