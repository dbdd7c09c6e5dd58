import { Data } from "effect"

/** A server that tests need could not be found, started or talked to. */
export class TestServerError extends Data.TaggedError("TestServerError")<{
  readonly message: string
  readonly cause?: unknown
}> {}
