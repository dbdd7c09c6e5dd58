import { Data } from "effect"

/** The Go peer cannot be built or started, does not respond, or rejects a command. */
export class GoPeerError extends Data.TaggedError("GoPeerError")<{
  readonly message: string
  readonly cause?: unknown
}> {}

/** A `google.protobuf.Any`, as it was on the wire. */
export interface GoErrorDetail {
  readonly typeUrl: string
  readonly value: Uint8Array
}

/** An error of psrpc in Go. */
export class GoError extends Data.TaggedError("GoError")<{
  readonly code: string
  readonly message: string
  readonly details: ReadonlyArray<GoErrorDetail>
}> {}
