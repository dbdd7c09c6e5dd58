import { Schema } from "effect"
import type * as errorCodes from "./codes.ts"
import { codes as allCodes } from "./codes.ts"

/**
 * The type id of errors.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId: TypeId = "~effect-psrpc/PsrpcError"

/**
 * The type id of errors.
 *
 * @category type IDs
 * @since 0.1.0
 */
export type TypeId = "~effect-psrpc/PsrpcError"

/**
 * A code of psrpc, as it is on the wire: `"not_found"`.
 *
 * @category models
 * @since 0.1.0
 */
export type Code = errorCodes.Code

/**
 * The tag of an error class: `"NotFound"`.
 *
 * @category models
 * @since 0.1.0
 */
export type Tag = errorCodes.Tag

/**
 * Every code.
 *
 * @category constants
 * @since 0.1.0
 */
export const codes: ReadonlyArray<Code> = allCodes

/**
 * Schema of a {@link Detail}.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Detail = Schema.Struct({ typeUrl: Schema.String, value: Schema.Uint8Array })

/**
 * A protobuf message of any type, as in `google.protobuf.Any`: the type URL and the bytes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Detail {
  readonly typeUrl: string
  readonly value: Uint8Array
}

/**
 * Schema of a {@link Reason}.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Reason = Schema.Literals([
  "timeout",
  "connection",
  "no_response",
  "no_servers",
  "no_listeners",
  "client_closed",
  "server_closed",
  "stream_closed",
  "peer_lost",
  "overflow",
  "too_large",
  "not_sent"
])

/**
 * What this process detected when the library itself made the error. Never sent: an error from a peer has no reason.
 *
 * - `timeout`: the deadline passed
 * - `connection`: the broker was not reachable in time
 * - `no_response`: no server sent a claim or a response
 * - `no_servers`: servers sent claims, and none was eligible
 * - `no_listeners`: the broker reported that nobody is subscribed
 * - `client_closed`, `server_closed`, `stream_closed`: this side of the call is closed
 * - `peer_lost`: the peer of a stream sends neither acks nor keepalives
 * - `overflow`: a buffer was full
 * - `too_large`: the message is larger than the broker accepts
 * - `not_sent`: the call failed before it sent anything, or its message was withdrawn while it was queued
 *
 * @category models
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * The fields of {@link fromCode} besides the code.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Text for people. Default, also for an empty text: the code. */
  readonly message?: string | undefined
  /** Protobuf messages about the error. A server sends the first 1000. Default: none. */
  readonly details?: ReadonlyArray<Detail> | undefined
  /** Whether a handler may have run. Default: `true`. */
  readonly mayHaveRun?: boolean | undefined
  /** The error or value that led to this error. Default: none. */
  readonly cause?: unknown
  /** What this process detected. Default: none. */
  readonly reason?: Reason | undefined
}
