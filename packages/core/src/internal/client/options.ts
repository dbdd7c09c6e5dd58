/** The options of a client. Public in `Client`. */
import type { Duration } from "effect"
import type { Selection } from "../../Selection.ts"
import type * as Interceptor from "../calls/interceptorTypes.ts"
import type { Metadata } from "../metadata/model.ts"

/**
 * Options of a client.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<I extends ReadonlyArray<Interceptor.Any> = readonly []> {
  /** The client's id, unique among all clients of the service. Default: `CLI_` and 12 random characters. */
  readonly clientId?: string | undefined
  /**
   * How long calls wait for their answers, never past the deadline of the handler that they are made in. Default: the
   * time left to that deadline, 3 seconds where there is none.
   */
  readonly timeout?: Duration.Input | undefined
  /** How calls choose a server. Default: `Selection.affinity` for affinity methods, `Selection.first` for others. */
  readonly selection?: Selection | undefined
  /** Metadata of every call. Default: none. */
  readonly metadata?: Metadata | undefined
  /**
   * How many bytes the keys and values of a call's metadata may take together, in UTF-8. Default: 16 KiB
   * (`Metadata.defaultMaxSize`).
   */
  readonly maxMetadataSize?: number | undefined
  /**
   * How many messages wait to be read: claims to be compared and answers of one call, messages of one stream, updates of
   * one subscription. Default: 100.
   */
  readonly bufferSize?: number | undefined
  /**
   * How often a stream with nothing to send gives a sign of life; `"Infinity"` for never. Default: 10 seconds.
   */
  readonly keepalive?: Duration.Input | undefined
  /**
   * What runs around calls, streams and subscriptions, the first outermost. What it requires, the client requires.
   * Default: none.
   */
  readonly interceptors?: I | undefined
}
