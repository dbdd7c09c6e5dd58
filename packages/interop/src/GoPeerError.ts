import { Data } from "effect"

/** The Go peer could not be built, started or talked to, or did not understand a command. */
export class GoPeerError extends Data.TaggedError("GoPeerError")<{
  readonly message: string
  readonly cause?: unknown
}> {}

/** A `google.protobuf.Any`, as it was on the wire. */
export interface GoErrorDetail {
  readonly typeUrl: string
  readonly value: Uint8Array
}

/** An error of psrpc, as a Go program sees it. */
export class GoError extends Data.TaggedError("GoError")<{
  readonly code: string
  readonly message: string
  readonly details: ReadonlyArray<GoErrorDetail>
}> {}
