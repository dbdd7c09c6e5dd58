import { Data } from "effect"

/** The error of a server that was not found, not started, or does not reply. */
export class TestServerError extends Data.TaggedError("TestServerError")<{
  readonly message: string
  readonly cause?: unknown
}> {}
